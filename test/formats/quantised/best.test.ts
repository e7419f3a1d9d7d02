import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { bestError } from '../../../lib/formats/quantised/best.js';
import { random } from '../../support/random.js';

/**
 * Blocks of many kinds, and the least error that any scale, and offset, leaves: found with NumPy by trying all ways to
 * put the values at levels that can be best, which are those between two moves of a value, and with offsets all orders.
 */
interface Golden {
  readonly levels: readonly number[];
  readonly offset: boolean;
  readonly blocks: readonly { readonly kind: string; readonly values: readonly number[]; readonly least: number }[];
}
const golden: Readonly<Record<string, Golden>> = JSON.parse(
  readFileSync(new URL('../../golden/best_error.json', import.meta.url), 'utf8'),
);

const counting = (from: number, to: number) => Float64Array.from({ length: to - from + 1 }, (_, i) => from + i);
const drawn = (seed: number, count: number) => {
  const { normal } = random(seed);
  return Float64Array.from({ length: count }, normal);
};
/** The squared error of values at the nearest of a few levels. */
function errorAt(values: Float64Array, levels: Float64Array, scale: number, offset: number): number {
  let sum = 0;
  for (const value of values) {
    let least = Infinity;
    for (const level of levels) least = Math.min(least, (value - scale * level - offset) ** 2);
    sum += least;
  }
  return sum;
}

describe('the least error of a block is that of brute force', () => {
  test.each(
    Object.entries(golden).flatMap(([format, { levels, offset, blocks }]) =>
      blocks.map(({ kind, values, least }) => ({ format, kind, levels, offset, values, least })),
    ),
  )('$format, $kind', ({ format, levels, offset, values, least }) => {
    const found = bestError(Float64Array.from(values), { levels: Float64Array.from(levels), offset });
    const rounding = 1e-12 * values.reduce((sum, value) => sum + value * value, 0);
    expect(found).toBeGreaterThanOrEqual(least - rounding);
    // Of 256 levels only scales near the one that reaches the largest value are tried.
    const slack = format === 'int8' ? 1.5 : offset ? 1.02 : 1;
    expect(found).toBeLessThanOrEqual(least * slack + rounding);
  });
});

describe('the least error', () => {
  const q4 = { levels: counting(-8, 7), offset: false };

  test('does not depend on the sign, nor but by its square on the size of the values', () => {
    const values = drawn(1, 32);
    const found = bestError(values, q4);
    expect(
      bestError(
        values.map((value) => -value),
        q4,
      ),
    ).toBeCloseTo(found, 12);
    expect(
      bestError(
        values.map((value) => value * 1e-6),
        q4,
      ),
    ).toBeCloseTo(found * 1e-12, 24);
    const q41 = { levels: counting(0, 15), offset: true };
    const moved = bestError(
      values.map((value) => value + 100),
      q41,
    );
    expect(moved).toBeCloseTo(bestError(values, q41), 9);
  });

  test('of values that are levels times a scale, and an offset, is none', () => {
    const { integer } = random(2);
    const levels = Float64Array.from({ length: 32 }, (_, i) => (i === 0 ? -8 : integer(-8, 7)));
    expect(
      bestError(
        levels.map((level) => 0.37 * level),
        q4,
      ),
    ).toBeLessThan(1e-28);
    const offset = { levels: counting(0, 15), offset: true };
    expect(
      bestError(
        levels.map((level) => 0.37 * level + 5),
        offset,
      ),
    ).toBeLessThan(1e-26);
    expect(bestError(new Float64Array(32).fill(3), offset)).toBe(0);
    expect(bestError(new Float64Array(32), q4)).toBe(0);
    expect(bestError(new Float64Array(0), q4)).toBe(0);
  });

  test('of values that are not finite is NaN', () => {
    for (const odd of [NaN, Infinity, -Infinity]) expect(bestError(Float64Array.of(1, odd, 2), q4)).toBeNaN();
  });

  test('of parts with factors of their own is the sum of theirs', () => {
    const values = drawn(3, 256);
    const format = { levels: counting(0, 15), offset: true };
    const parts = Array.from({ length: 8 }, (_, i) => bestError(values.subarray(32 * i, 32 * (i + 1)), format));
    const sum = parts.reduce((one, other) => one + other, 0);
    expect(bestError(values, { ...format, inner: 32 })).toBeCloseTo(sum, 12);
    expect(bestError(values, format)).toBeGreaterThan(1.5 * sum);
  });

  test('of scales that are powers of two is that of the best of them', () => {
    const levels = Float64Array.of(-6, -4, -3, -2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 3, 4, 6);
    for (let seed = 0; seed < 20; seed++) {
      const values = drawn(seed, 32).map((value) => value * 1.3 ** seed);
      const errors = Array.from({ length: 40 }, (_, i) => errorAt(values, levels, 2 ** (i - 20), 0));
      const found = bestError(values, { levels, offset: false, powers: true });
      expect(found).toBeCloseTo(Math.min(...errors), 9);
      expect(found).toBeGreaterThanOrEqual(bestError(values, { levels, offset: false }));
    }
  });

  test.each([
    ['one level more on one side', q4],
    ['as many on either side', { levels: counting(-7, 7), offset: false }],
    ['ternary', { levels: counting(-1, 1), offset: false }],
    ['with an offset', { levels: counting(0, 15), offset: true }],
  ])('of a large block is that of the best of many scales: %s', (_, { levels, offset }) => {
    const values = drawn(4, 3000);
    const last = levels.at(-1)!;
    let least = Infinity;
    for (let reach = 0.4; reach < 5; reach *= 1.05) {
      const [scale, begin] = offset ? [(2 * reach) / last, -reach] : [reach / last, 0];
      least = Math.min(least, errorAt(values, levels, scale, begin));
    }
    const found = bestError(values, { levels, offset });
    expect(found).toBeLessThan(least * 1.02);
    expect(found).toBeGreaterThan(least * 0.95);
  });
});
