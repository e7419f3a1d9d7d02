import { describe, expect, test } from 'vitest';
import { Pacer } from '../../../lib/cooperate.js';
import { FALLBACK } from '../../../lib/fallback/backend.js';
import { orthogonalise } from '../../../lib/similarity/sampled/frames.js';

describe('frames', () => {
  const normals = (dimension: number, count: number) =>
    FALLBACK.normals.draw({ seed: 2, stream: 0, dimension }, 0, count);
  const dot = (z: Float64Array, dimension: number, s: number, t: number) => {
    let sum = 0;
    for (let i = 0; i < dimension; i++) sum += z[s * dimension + i] * z[t * dimension + i];
    return sum;
  };

  test('are orthogonal among rows of one kind, which keep their lengths', async () => {
    const plain = await normals(7, 40);
    const z = plain.slice();
    await orthogonalise(z, 7, [0, 0, 1, 0], new Pacer());
    for (let s = 0; s < 40; s++) expect(dot(z, 7, s, s)).toBeCloseTo(dot(plain, 7, s, s), 10);
    const first = [0, 1, 3, 4, 5, 7, 8];
    for (const s of first) for (const t of first) if (s !== t) expect(Math.abs(dot(z, 7, s, t))).toBeLessThan(1e-12);
    // The next frame begins anew, and its first row is as it was.
    expect(Array.from(z.subarray(9 * 7, 10 * 7))).toEqual(
      Array.from(plain.subarray(9 * 7, 10 * 7), (value) => expect.closeTo(value, 12)),
    );
    expect(Math.abs(dot(z, 7, 0, 2))).toBeGreaterThan(1e-3);
  });

  test('leave every row standard normal', async () => {
    const z = await normals(3, 30_000);
    await orthogonalise(z, 3, [0], new Pacer());
    for (const row of [0, 1, 2]) {
      for (let i = 0; i < 3; i++) {
        let [mean, square, fourth] = [0, 0, 0];
        for (let s = row; s < 30_000; s += 3) {
          const value = z[s * 3 + i];
          mean += value / 10_000;
          square += value ** 2 / 10_000;
          fourth += value ** 4 / 10_000;
        }
        expect(Math.abs(mean)).toBeLessThan(0.045);
        expect(Math.abs(square - 1)).toBeLessThan(0.065);
        expect(Math.abs(fourth - 3)).toBeLessThan(0.45);
      }
    }
  });

  test('make means of linear functions squared as exact as they are on whole frames', async () => {
    const z = await normals(4, 4000);
    await orthogonalise(z, 4, [0], new Pacer());
    // Over a frame Σ (q·a)² = |a|² for unit rows.
    for (let frame = 0; frame < 1000; frame++) {
      let sum = 0;
      for (let s = 4 * frame; s < 4 * frame + 4; s++) {
        const along = 0.6 * z[4 * s] + 0.8 * z[4 * s + 2];
        sum += along ** 2 / dot(z, 4, s, s);
      }
      expect(sum).toBeCloseTo(1, 10);
    }
  });

  test('are not made in one dimension, nor in too many', async () => {
    for (const dimension of [1, 65]) {
      const plain = await normals(dimension, 16);
      const z = plain.slice();
      await orthogonalise(z, dimension, [0], new Pacer());
      expect(z).toEqual(plain);
    }
  });
});
