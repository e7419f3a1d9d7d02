import { expect, test } from 'vitest';
import { addTimesBlock, emptySystem, setBlock } from '../../lib/fallback/gaussian/vector_system.js';
import { random } from '../support/random.js';

test('products with a block have the bits of plain sums, whatever the sizes', () => {
  const { normal } = random(7);
  const numbers = (length: number) => Float64Array.from({ length }, normal);
  for (const inner of [1, 5, 8]) {
    for (const columns of [1, 2, 3, 6]) {
      const system = emptySystem([3, inner, columns]);
      const block = numbers(inner * columns);
      setBlock(system, 1, 2, block, columns, 0, 0);
      for (const rows of [1, 3, 4, 7, 8]) {
        const [a, sums] = [numbers(rows * inner), numbers(rows * columns)];
        const expected = sums.map((start, at) => {
          let sum = start;
          for (let k = 0; k < inner; k++)
            sum += a[Math.floor(at / columns) * inner + k] * block[k * columns + (at % columns)];
          return sum;
        });
        addTimesBlock(a, rows, system, 1, 2, sums);
        expect(sums).toEqual(expected);
      }
    }
  }
});
