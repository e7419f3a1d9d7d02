import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseJson } from '../../lib/formats/text_file.js';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import { step, tensim } from './run.js';

const root = temporaryFolder();
const file = (name: string, text: string): string => {
  writeFileSync(join(root, name), text);
  return join(root, name);
};
const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;

/** Says what is the matter in one line, claiming little memory, and with the exit code of bad input. */
async function refused(args: readonly string[], message: RegExp): Promise<void> {
  const before = process.memoryUsage().arrayBuffers;
  const { code, stderr } = await tensim(args);
  expect(stderr).toMatch(message);
  expect(stderr).not.toContain('unexpected error');
  expect(code).toBe(2);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 28);
}

describe('files that ask for more than there is', () => {
  test.each([150_000, 30_000])('a covariance of %d empty rows', async (rows) => {
    const cov = file('cov.json', `{"cov":[${'[],'.repeat(rows - 1)}[]]}`);
    await refused(['compare', step(0), step(0), '--input', cov], /"cov" has \d+ rows, but row 1 has length 0/);
  });

  test.each([20, 100_000])('a description of a type nested %d deep', async (depth) => {
    const layers = `[{"type":${nested(depth)}}]`;
    const model = file('model.json', `{"schema":"tensim.model/1","layers":${layers}}`);
    const message = depth > 64 ? /is not JSON: it is nested more than 64/ : /has the type \[\[\[\[…\]\]\]\]/;
    await refused(['inspect', step(0), '--model', model], message);
    const schema = file('model.json', `{"schema":${nested(depth)}}`);
    await refused(
      ['inspect', step(0), '--model', schema],
      depth > 64 ? /nested more than 64/ : /has the schema \[\[\[\[/,
    );
    const named = file(
      'model.json',
      `{"schema":"tensim.model/1","layers":[{"type":"linear","weight":${nested(depth)}}]}`,
    );
    await refused(
      ['inspect', step(0), '--model', named],
      depth > 64 ? /nested more than 64/ : /must be a name, not \[\[\[\[/,
    );
  });

  test.each([20, 100_000])('a law, a baseline and a path nested %d deep', async (depth) => {
    const law = file('law.json', `{"cov":${nested(depth)},"mean":${nested(depth)}}`);
    await refused(['compare', step(0), step(0), '--input', law], /nested more than 64|must be a list|row 1/);
    const baseline = file('baseline.json', nested(depth));
    await refused(['gate', step(0), '--against', step(0), '--baseline', baseline], /is not JSON|is no comparison/);
    await refused(
      ['contract', 'i,i->', '2', '2', '--optimize', `[[0,${nested(depth)}]]`],
      /names place \[\[\[\[|a path such as/,
    );
  });

  test('more lists than any honest file has', () => {
    expect(() => parseJson(`[${'[],'.repeat(4_000_000)}[]]`)).toThrow('it has more than 4,000,000 lists and objects');
    expect(parseJson(`{"a":["${'['.repeat(1000)}\\\\\\"${'{'.repeat(1000)}",1]}`)).toEqual({
      a: [`${'['.repeat(1000)}\\"${'{'.repeat(1000)}`, 1],
    });
    expect(() => parseJson('["\\')).toThrow(SyntaxError);
  });
});
