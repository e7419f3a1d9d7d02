import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..', '..');
const text = (file: string): string => readFileSync(join(root, file), 'utf8');

describe('the guide', () => {
  it('has a README before it that can be read in one go', () => {
    expect(statSync(join(root, 'README.md')).size).toBeLessThanOrEqual(12 * 1024);
  });

  it('tells of every error code what it means and what helps', () => {
    const codes = [...text('lib/errors.ts').matchAll(/^ {2}\| '([A-Z_]+)'/gm)].map(([, code]) => code);
    const told = [...text('docs/guide/errors.md').matchAll(/^\| `([A-Z_]+)` +\| \S.* \| \S.* \|$/gm)].map(
      ([, code]) => code,
    );
    expect(codes.length).toBeGreaterThan(10);
    expect(told).toEqual(expect.arrayContaining(codes));
  });
});
