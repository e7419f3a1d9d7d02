import { describe, expect, test } from 'vitest';
import { polarFactor } from '../../../lib/blocks/align/polar.js';
import { productsBy } from '../../../lib/blocks/products.js';
import { Pacer } from '../../../lib/cooperate.js';
import { random } from '../../support/random.js';
import { orthogonal, product } from '../../support/rotations.js';
import { transposed } from '../../support/transformers.js';

const SIZE = 12;
const polar = (matrix: Float64Array) => polarFactor(matrix, SIZE, productsBy({}), new Pacer());
const farthest = (a: Float64Array, b: Float64Array) => Math.max(...a.map((value, i) => Math.abs(value - b[i])));
const identity = Float64Array.from({ length: SIZE * SIZE }, (_, at) => (at % (SIZE + 1) === 0 ? 1 : 0));
/** U S Vᵀ and the U Vᵀ of it. */
function made(values: (i: number) => number, seed = 1): { matrix: Float64Array; factor: Float64Array } {
  const [u, v] = [orthogonal(SIZE, seed), orthogonal(SIZE, seed + 1)];
  const scaled = u.map((value, at) => value * values(at % SIZE));
  return { matrix: product(scaled, v, SIZE), factor: product(u, v, SIZE) };
}

describe('the nearest orthogonal matrix', () => {
  test.each<[string, (i: number) => number, number]>([
    ['an orthogonal matrix', () => 1, 1e-11],
    ['singular values of one size', (i) => 1 + i / 5, 1e-11],
    ['a million between the singular values', (i) => 10 ** (-i / 2), 1e-9],
    ['large numbers', (i) => 1e100 * (1 + i), 1e-11],
    ['small numbers', (i) => 1e-100 * (1 + i), 1e-11],
  ])('is found for %s', async (_, values, tolerance) => {
    const { matrix, factor } = made(values);
    const found = await polar(matrix);
    expect(farthest(found, factor)).toBeLessThan(tolerance);
    expect(farthest(product(found, transposed(found, SIZE, SIZE), SIZE), identity)).toBeLessThan(1e-13);
  });

  test('turns as little as possible where the matrix says nothing', async () => {
    const { normal } = random(3);
    const vectors = Float64Array.from({ length: 4 * SIZE }, normal);
    const known = product(transposed(vectors, 4, SIZE), vectors, 4);
    // Of 8 directions only rounding is known, which the lean of 10⁻¹³ is far above.
    expect(farthest(await polar(known), identity)).toBeLessThan(1e-3);
    expect(farthest(await polar(new Float64Array(SIZE * SIZE)), identity)).toBeLessThan(1e-14);
  });
});
