import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Pacer } from '../../lib/cooperate.js';
import { checkQuantised } from '../../lib/verify/quantised.js';
import type { Source } from '../../lib/verify/slots.js';
import { compareSlot } from '../../lib/verify/tally.js';
import type { QuantisedCheck } from '../../lib/verify/terms.js';

/** A matrix, what it was quantised to, and its errors, by numpy: the best of every block among 8,002 scales. */
interface Table extends Omit<QuantisedCheck, 'format'> {
  readonly shape: readonly [rows: number, columns: number];
  readonly block: readonly [rows: number, columns: number];
  readonly levels: readonly number[];
  readonly values: readonly number[];
  readonly stored: readonly number[];
}

const TABLES = Object.entries(
  JSON.parse(readFileSync(new URL('../golden/verify/error_table.json', import.meta.url), 'utf8')) as Readonly<
    Record<string, Table>
  >,
);

const pacer = new Pacer();

/** A matrix in memory as if a file had it. */
function sourceOf(values: readonly number[], { shape, block, levels }: Table, isQuantised: boolean): Source {
  const [rows, columns] = shape;
  const data = Float64Array.from(values);
  const quantised = { format: 'made', block, levels: Float64Array.from(levels), offset: false, stored: [] };
  const entry = { name: 'w', dtype: 'F32', shape, bytes: 4 * data.length, file: 'made', offset: 0 };
  return {
    ...{ rows, columns, offset: 0, piece: { tensor: 'w' } },
    file: {
      read: async (_, { rows: some = { from: 0, to: rows } } = {}) =>
        data.slice(some.from * columns, some.to * columns),
      done: () => {},
      extent: () => [rows, columns, 4],
      entryOf: () => (isQuantised ? { ...entry, quantised } : entry),
      letGo: () => {},
    },
  } as Source;
}

test.each(TABLES)('errors by blocks are those that numpy finds: %s', async (_, table) => {
  const [reference, candidate] = [sourceOf(table.values, table, false), sourceOf(table.stored, table, true)];
  const compared = await compareSlot({ layer: 0, role: 'mlp.up', reference, candidate }, pacer);
  const { quantised, isOne } = await checkQuantised(compared, {}, pacer);
  expect(isOne).toBe(true);
  expect(quantised.blocks).toBe(table.blocks);
  expect(quantised.error).toBeCloseTo(table.error, 12);
  // Numpy looks at so many scales, and the search at all of them.
  expect(quantised.best).toBeLessThanOrEqual(table.best * (1 + 1e-12));
  expect(quantised.best).toBeGreaterThan(table.best * 0.999);
  expect(quantised.worst.block).toBe(table.worst.block);
  expect(quantised.worst.error).toBeCloseTo(table.worst.error, 12);
  expect(quantised.worst.best).toBeGreaterThan(table.worst.best * 0.99);
});

test.each(TABLES)('a block that has lost its numbers among good ones is told: %s', async (_, table) => {
  const stored = [...table.stored];
  const [height, width] = table.block;
  // All of the second block.
  for (let row = 0; row < height; row++) stored.fill(0, row * table.shape[1] + width, row * table.shape[1] + 2 * width);
  const [reference, candidate] = [sourceOf(table.values, table, false), sourceOf(stored, table, true)];
  const compared = await compareSlot({ layer: 0, role: 'mlp.up', reference, candidate }, pacer);
  const { isOne, fault, quantised } = await checkQuantised(compared, { tolerance: 4 }, pacer);
  expect(isOne).toBe(false);
  expect(fault?.cause).toBe('coarse');
  expect(quantised.worst).toMatchObject({ block: 1, error: 1 });
});
