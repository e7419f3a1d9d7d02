import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { verify } from '../../lib/verify/verify.js';
import { writeTensors } from '../support/block_files.js';
import { random } from '../support/random.js';
import { type Given, rowsOf, transposed } from '../support/transformers.js';

/* Networks that are no transformers: by the names of their tensors, and as chains of layers. */

const root = mkdtempSync(join(tmpdir(), 'tensim-by-name-'));
afterAll(() => rmSync(root, { recursive: true }));

const SIZES = [12, 10, 9, 4];
const { normal } = random(11);
const drawn = (count: number) => Float64Array.from({ length: count }, () => Math.fround(normal()));

/** Three linear layers with ReLU between them, as torch.nn.Sequential names them. */
const mlp: Given = Object.fromEntries(
  SIZES.slice(1).flatMap((rows, i): [string, Given[string]][] => [
    [`${2 * i}.weight`, [drawn(rows * SIZES[i]), rows, SIZES[i]]],
    [`${2 * i}.bias`, [drawn(rows), rows]],
  ]),
);

let count = 0;
const compare = (candidate: Given, reference = mlp, config: Record<string, string> = { activation: 'relu' }) => {
  const folder = join(root, String(count++));
  mkdirSync(folder);
  const [one, other] = [reference, candidate].map((tensors, i) =>
    writeTensors(join(folder, `${i}.safetensors`), tensors),
  );
  return verify(one, other, { config });
};

const edited = (name: string, change: (data: Float64Array) => Float64Array): Given => {
  const [data, ...shape] = mlp[name];
  return { ...mlp, [name]: [change(data.slice()), ...shape] };
};

const columnsOf = (data: Float64Array, rows: number, order: readonly number[]) => {
  const columns = data.length / rows;
  return transposed(rowsOf(transposed(data, rows, columns), rows, order), columns, rows);
};

/** Hidden units of the first layer in another order. */
const moved = (order: readonly number[]): Given => ({
  ...mlp,
  '0.weight': [rowsOf(mlp['0.weight'][0], SIZES[0], order), SIZES[1], SIZES[0]],
  '0.bias': [rowsOf(mlp['0.bias'][0], 1, order), SIZES[1]],
  '2.weight': [columnsOf(mlp['2.weight'][0], SIZES[2], order), SIZES[2], SIZES[1]],
});

const ORDER = [3, 1, 4, 0, 9, 5, 2, 6, 8, 7];

test('hidden units in another order are the same function, and what belongs to them must be there', async () => {
  const { verdict, outcome, layouts } = await compare(moved(ORDER));
  expect([verdict, outcome, layouts[0].kind]).toEqual(['other-layout', 'pass', 'units-permuted']);
  const half = await compare({ ...moved(ORDER), '2.weight': mlp['2.weight'] });
  expect([half.verdict, half.outcome]).toEqual(['moved', 'fail']);
  expect(half.faults.map(({ tensor }) => tensor)).toContain('0.weight');
});

test('the same layers under other names are the same function', async () => {
  const renamed = Object.fromEntries(
    Object.entries(mlp).map(([name, tensor]) => [name.replace(/^(\d)/, (_, i) => `fc${1 + Number(i) / 2}`), tensor]),
  );
  const { verdict, layouts } = await compare(renamed);
  expect([verdict, layouts[0].kind]).toEqual(['other-layout', 'names']);
});

test('a small change is told, however near the outputs are', async () => {
  const { verdict, faults } = await compare(
    edited('2.weight', (data) => data.map((value) => value * (1 + 1e-5 * normal()))),
  );
  expect([verdict, faults[0].cause, faults[0].tensor]).toEqual(['different', 'perturbed', '2.weight']);
});

test('a unit that answers to rare inputs alone does not pass', async () => {
  // No drawn input reaches it.
  const quiet = edited('0.bias', (data) => data.fill(-60, 0, 1));
  const [weight, ...shape] = quiet['0.weight'];
  const other = {
    ...quiet,
    '0.weight': [weight.map((value, i) => (i < SIZES[0] ? -value : value)), ...shape],
  } as Given;
  const { outcome, verdict, summary } = await compare(other, quiet);
  expect([outcome, verdict]).toEqual(['undecided', 'unknown']);
  expect(summary).toMatch(/rare/);
});

test.each([
  [
    'a tensor less',
    () => Object.fromEntries(Object.entries(mlp).filter(([name]) => name !== '4.bias')),
    'missing-tensor',
    '4.bias',
  ],
  ['a tensor more', () => ({ ...mlp, '6.bias': [drawn(4), 4] }) as Given, 'extra-tensor', '6.bias'],
  ['another shape', () => ({ ...mlp, '4.bias': [drawn(5), 5] }) as Given, 'wrong-shape', '4.bias'],
  ['NaN', () => edited('4.weight', (data) => data.fill(Number.NaN, 3, 4)), 'not-finite', '4.weight'],
  ['zeros', () => edited('4.weight', (data) => data.fill(0)), 'collapsed', '4.weight'],
  ['twice as large', () => edited('4.weight', (data) => data.map((value) => 2 * value)), 'scaled', '4.weight'],
] as const)('%s is told by its name', async (_, make, cause, tensor) => {
  const { outcome, faults } = await compare(make());
  expect(outcome).toBe('fail');
  expect([faults[0].cause, faults[0].tensor]).toEqual([cause, tensor]);
});
