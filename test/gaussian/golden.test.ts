import { readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';
import { gaussian } from '../../lib/index.js';
import { availableBackends } from '../support/backends.js';
import type { Rows } from '../support/oracles.js';

const golden = JSON.parse(readFileSync(new URL('../golden/identities.json', import.meta.url), 'utf8')) as {
  readonly moments: { mean: number[]; cov: Rows; indices: number[]; value: number; centred: number }[];
  readonly hafnian: { matrix: Rows; hafnian: number; loop_hafnian: number }[];
  readonly quadratic_forms: { mean: number[]; cov: Rows; forms: Rows[]; value: number }[];
};

function expectRelative(found: number, wanted: number): void {
  expect(Math.abs(found - wanted)).toBeLessThanOrEqual(1e-12 * Math.abs(wanted));
}

describe.each(availableBackends)('the golden identities on %s', (backend) => {
  it.each(golden.moments)('moment $indices', async ({ mean, cov, indices, value, centred }) => {
    expectRelative(await gaussian.moment(indices, mean, cov, { backend }), value);
    const zero = mean.map(() => 0);
    expectRelative(await gaussian.moment(indices, zero, cov, { backend }), centred);
  });

  it.each(golden.hafnian)('hafnians of $matrix.length rows', async (given) => {
    expectRelative(await gaussian.hafnian(given.matrix, { backend }), given.hafnian);
    expectRelative(await gaussian.loopHafnian(given.matrix, { backend }), given.loop_hafnian);
  });
});

describe('the golden identities', () => {
  it.each(golden.quadratic_forms)('product of $forms.length quadratic forms', async ({ mean, cov, forms, value }) => {
    expectRelative(await gaussian.quadraticForms(forms, mean, cov), value);
  });
});
