import { describe, expect, test } from 'vitest';
import { assign, assignHeads } from '../../../lib/blocks/align/assignment.js';
import { random as seeded } from '../../support/random.js';

function* permutations(items: readonly number[]): Generator<number[]> {
  if (items.length === 0) yield [];
  for (const [at, item] of items.entries())
    for (const rest of permutations(items.filter((_, i) => i !== at))) yield [item, ...rest];
}
const counted = (count: number) => Array.from({ length: count }, (_, i) => i);
const sumOf = (values: Float64Array, columns: number, answer: ArrayLike<number>) =>
  Array.from(answer).reduce((sum, column, row) => sum + values[row * columns + column], 0);

describe('the best assignment', () => {
  test.each([
    [1, 1],
    [4, 4],
    [6, 6],
    [3, 6],
  ])('of %i rows to %i columns is the best of all', (rows, columns) => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = seeded(seed);
      const values = Float64Array.from({ length: rows * columns }, () => random.normal());
      const best = Math.max(
        ...[...permutations(counted(columns))].map((all) => sumOf(values, columns, all.slice(0, rows))),
      );
      const answer = assign(values, rows, columns);
      expect(new Set(answer).size).toBe(rows);
      expect(sumOf(values, columns, answer)).toBeCloseTo(best, 12);
    }
  });

  test('finds a permutation of 200 among noise', () => {
    const random = seeded(3);
    const order = counted(200).sort((a, b) => ((a * 7919) % 211) - ((b * 7919) % 211));
    const values = Float64Array.from({ length: 200 * 200 }, (_, at) => {
      return (order[Math.floor(at / 200)] === at % 200 ? 1 : 0) + 0.05 * random.normal();
    });
    expect([...assign(values, 200, 200)]).toEqual(order);
  });

  test('of heads in groups is the best of those that keep the groups together', () => {
    const random = seeded(5);
    const values = Float64Array.from({ length: 36 }, () => random.normal());
    const kept = [...permutations(counted(6))].filter((all) => {
      const groups = all.map((head) => Math.floor(head / 2));
      return groups[0] === groups[1] && groups[2] === groups[3] && groups[4] === groups[5];
    });
    expect(kept).toHaveLength(48);
    const best = Math.max(...kept.map((all) => sumOf(values, 6, all)));
    expect(sumOf(values, 6, assignHeads(values, 6, 3))).toBeCloseTo(best, 12);
    const free = Math.max(...[...permutations(counted(6))].map((all) => sumOf(values, 6, all)));
    expect(sumOf(values, 6, assignHeads(values, 6, 6))).toBeCloseTo(free, 12);
  });
});
