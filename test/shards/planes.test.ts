import { describe, expect, it } from 'vitest';
import { coveringsOf } from '../../lib/shards/planes.js';

describe('coverings', () => {
  const counts = [...Array.from({ length: 64 }, (_, i) => i + 1), 91, 132, 133, 183, 273, 307, 399, 549, 819, 1000];

  it.each(counts)('of %i sets in all hold any two of their points together somewhere', (count) => {
    const coverings = coveringsOf(count).map(({ covering }) => covering);
    expect(coverings.reduce((sum, { sets }) => sum + sets.length, 0)).toBe(count);
    for (const { points, sets } of coverings) {
      const together = new Set(sets.flatMap((set) => set.flatMap((one) => set.map((other) => one * points + other))));
      expect(together.size).toBe(points * points);
      const places = sets.flat();
      expect(places.every((point) => Number.isInteger(point) && point >= 0 && point < points)).toBe(true);
      expect(sets.every((set) => new Set(set).size === set.length)).toBe(true);
    }
  });

  it('have little more points in all than the least that so many sets could have', () => {
    for (const count of counts.filter((count) => count > 1)) {
      const [{ times }] = coveringsOf(count);
      expect(times).toBeLessThan(1.4 * Math.sqrt(count));
    }
    for (const [count, most] of [
      [3, 2],
      [7, 3],
      [13, 4],
      [57, 8],
      [307, 18],
    ] as const)
      expect(coveringsOf(count)[0].times).toBe(most);
  });
});
