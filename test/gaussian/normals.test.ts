import { describe, expect, test } from 'vitest';
import { FALLBACK } from '../../lib/fallback/backend.js';
import { streamKey, threefry } from '../../lib/gaussian/threefry.js';
import { availableBackends, fullBackend } from '../support/backends.js';

describe('threefry', () => {
  // The known answers that the authors of Random123 publish with it.
  test.each([
    [
      [0, 0],
      [0, 0],
      [0x6b200159, 0x99ba4efe],
    ],
    [
      [0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      [0x1cb996fc, 0xbb002be7],
    ],
    [
      [0x243f6a88, 0x85a308d3],
      [0x13198a2e, 0x03707344],
      [0xc4923a9c, 0x483df7a0],
    ],
  ])('counter %j under key %j', (counter, key, expected) => {
    const words = new Uint32Array(2);
    threefry(counter[0], counter[1], key[0], key[1], words);
    expect([...words]).toEqual(expected);
  });

  test('every seed and stream has a key of its own', () => {
    const keys = [0, 1, 2 ** 32, 2 ** 53 - 1].flatMap((seed) => [0, 1, 2047].map((stream) => streamKey(seed, stream)));
    expect(new Set(keys.map(String)).size).toBe(keys.length);
  });
});

describe.each(availableBackends)('normals on %s', (name) => {
  const backend = fullBackend(name);
  const stream = { seed: 7, stream: 1, dimension: 37 };

  test('the moments are those of a standard normal', async () => {
    const count = 200_000;
    const z = await backend.normals.draw({ seed: 3, stream: 0, dimension: 1 }, 0, count);
    const w = await backend.normals.draw({ seed: 3, stream: 0, dimension: 2 }, 0, count / 2);
    for (const values of [z, w]) {
      // Var zᵏ = (2k−1)!! − ((k−1)!!)² for even k: five standard errors.
      for (const [power, moment, variance] of [
        [1, 0, 1],
        [2, 1, 2],
        [3, 0, 15],
        [4, 3, 96],
        [6, 15, 10_170],
        [8, 105, 2_016_000],
      ]) {
        const mean = values.reduce((sum, value) => sum + value ** power, 0) / values.length;
        expect(Math.abs(mean - moment)).toBeLessThan(5 * Math.sqrt(variance / values.length));
      }
    }
    const product = w.reduce((sum, value, i) => (i % 2 === 0 ? sum + value * w[i + 1] : sum), 0) / (count / 2);
    expect(Math.abs(product)).toBeLessThan(5 / Math.sqrt(count / 2));
  });

  test('a number depends on its own place alone, to the bit', async () => {
    const all = await backend.normals.draw(stream, 0, 50);
    expect(await backend.normals.draw(stream, 20, 30)).toEqual(all.slice(20 * 37));
    expect(await backend.normals.draw(stream, 20, 30, { threads: 1 })).toEqual(all.slice(20 * 37));
    expect(await backend.normals.draw({ ...stream, stream: 2 }, 0, 50)).not.toEqual(all);
    expect(await backend.normals.draw({ ...stream, seed: 2 ** 40 + 7 }, 0, 50)).not.toEqual(all);
  });

  test.each([1, 2, 31, 32, 33, 64, 101])(
    'dimension %i: the same numbers as on the fallback, to the bit',
    async (dimension) => {
      const far = { seed: 2 ** 53 - 1, stream: 2047, dimension };
      const numbers = await backend.normals.draw(far, 2 ** 32 - 9, 9);
      expect(numbers).toEqual(await FALLBACK.normals.draw(far, 2 ** 32 - 9, 9));
      expect(numbers.every((value) => Number.isFinite(value) && Math.abs(value) < 8)).toBe(true);
    },
  );

  test('empty requests are fine, and an abort is heard', async () => {
    expect(await backend.normals.draw({ ...stream, dimension: 0 }, 0, 5)).toHaveLength(0);
    expect(await backend.normals.draw(stream, 5, 0)).toHaveLength(0);
    const controller = new AbortController();
    const running = backend.normals.draw({ ...stream, dimension: 2000 }, 0, 5000, { signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(running).rejects.toThrow('enough');
  });
});
