import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { extentsFor } from '../../lib/similarity/gram/local.js';
import { allPairs, bandPairs, crossPairs, type PairSet, pairCount } from '../../lib/similarity/gram/pairs.js';
import { type Extents, type Job, jobPairs, jobs } from '../../lib/similarity/gram/schedule.js';
import { oneTile, tileSize } from '../../lib/similarity/gram/tile_size.js';

/** The pairs that jobs compute, each as often as it is computed. */
function computed(order: Iterable<Job>): string[] {
  const pairs: string[] = [];
  for (const { rows, columns, symmetric } of order) {
    for (const i of rows) for (const j of columns) if (!symmetric || i <= j) pairs.push(`${i},${j}`);
  }
  return pairs.sort();
}

function wanted({ count, spans }: PairSet, known = (_i: number, _j: number) => false): string[] {
  const pairs: string[] = [];
  for (let i = 0; i < count; i++) {
    for (const [from, to] of spans(i)) for (let j = from; j < to; j++) if (!known(i, j)) pairs.push(`${i},${j}`);
  }
  return pairs.sort();
}

const size = fc.integer({ min: 1, max: 40 });
const extents = fc
  .tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 6 }))
  .map(([tile, tiles]): Extents => ({ tile, block: tile * tiles }));
const pairSets = fc.oneof(
  size.map(allPairs),
  fc
    .tuple(fc.nat({ max: 9 }), fc.nat({ max: 9 }), fc.nat({ max: 9 }))
    .map(([a, b, c]) => crossPairs(a, a + b, a + b + c)),
  fc
    .tuple(fc.array(fc.nat({ max: 12 }), { minLength: 1, maxLength: 30 }), fc.integer({ min: 1, max: 5 }))
    .map(([series, window]) => bandPairs(13, Int32Array.from(series), window)),
);

describe('the order of jobs', () => {
  it('computes every wanted pair that is not known, once, and none besides', () => {
    fc.assert(
      fc.property(pairSets, extents, fc.nat(), fc.constantFrom(0, 2, 3, 5), (pairs, cut, seed, share) => {
        const known = (i: number, j: number) => share > 0 && (i * 7919 + j * 104729 + seed) % share === 0;
        const order = [...jobs(pairs, cut, share > 0 ? known : undefined)];
        expect(computed(order)).toEqual(wanted(pairs, known));
        expect(order.reduce((sum, job) => sum + jobPairs(job), 0)).toBe(wanted(pairs, known).length);
        for (const { rows, columns } of order) {
          expect(rows.length).toBeLessThanOrEqual(cut.tile);
          expect(columns.length).toBeLessThanOrEqual(cut.tile);
          // Which of two is the row must not depend on the job that they are in.
          for (const i of rows) for (const j of columns) if (columns !== rows) expect(i).toBeLessThanOrEqual(j);
        }
      }),
    );
  });

  it('takes whole tiles, and only what new models add to known ones', () => {
    const cut = { tile: 10, block: 40 };
    expect([...jobs(allPairs(40), cut)]).toHaveLength(10);
    const isNew = (i: number) => i % 13 === 5;
    const added = [...jobs(allPairs(40), cut, (i, j) => !isNew(i) && !isNew(j))];
    expect(computed(added)).toEqual(wanted(allPairs(40), (i, j) => !isNew(i) && !isNew(j)));
    expect(added.length).toBeLessThan(40);
  });

  it('loads models about as rarely as the memory allows', () => {
    const loads = (count: number, capacity: number, tile: number) => {
      const held: number[] = [];
      let loaded = 0;
      let pinned: number[] = [];
      for (const { rows, columns } of jobs(allPairs(count), extentsFor(capacity, tile))) {
        const models = new Set([...rows, ...columns]);
        for (const model of models) {
          const place = held.indexOf(model);
          if (place >= 0) held.splice(place, 1);
          else loaded++;
          held.push(model);
        }
        while (held.length > capacity) {
          const leaving = held.find((model) => !models.has(model) && !pinned.includes(model));
          held.splice(held.indexOf(leaving!), 1);
        }
        pinned = [...models];
      }
      return loaded;
    };
    expect(loads(200, 1000, 16)).toBe(200);
    for (const capacity of [3, 10, 50, 100, 150]) {
      const block = extentsFor(capacity, 16).block;
      expect(loads(200, capacity, 16)).toBeLessThanOrEqual(1.1 * (200 ** 2 / (2 * block) + 200));
    }
  });

  it('keeps a block and two passing tiles within the memory', () => {
    for (let capacity = 2; capacity < 300; capacity++) {
      for (const tile of [1, 16, 32, 256]) {
        const { tile: side, block } = extentsFor(capacity, tile);
        expect(block % side).toBe(0);
        expect(side).toBeLessThanOrEqual(tile);
        expect(block + (capacity >= 3 ? 2 : 1) * side).toBeLessThanOrEqual(capacity);
      }
    }
  });
});

describe('wanted pairs', () => {
  it('are all, a band, or rows with columns, and every model with itself', () => {
    expect(pairCount(allPairs(5))).toBe(15);
    expect(wanted(bandPairs(4, Int32Array.of(0, 1, 2, 3), 1))).toEqual([
      '0,0',
      '0,1',
      '1,1',
      '1,2',
      '2,2',
      '2,3',
      '3,3',
    ]);
    // The second stands again at the end.
    expect(wanted(bandPairs(3, Int32Array.of(0, 1, 2, 1), 1))).toEqual(['0,0', '0,1', '1,1', '1,2', '2,2']);
    // 0 is a row, 1 both, 2 and 3 are columns.
    expect(wanted(crossPairs(1, 2, 4))).toEqual(['0,0', '0,1', '0,2', '0,3', '1,1', '1,2', '1,3', '2,2', '3,3']);
    expect(wanted(crossPairs(2, 2, 3))).toEqual(['0,0', '0,2', '1,1', '1,2', '2,2']);
  });
});

describe('the one tile of models whose forms are made in it', () => {
  it('takes all models where their forms are large and its results are not', () => {
    expect(oneTile(100, 100 * 2 ** 20, 0)).toBe(100);
    expect(oneTile(100, 99 * 2 ** 20, 0)).toBe(0);
    expect(oneTile(512, 2 ** 40, 0)).toBe(512);
    expect(oneTile(513, 2 ** 40, 0)).toBe(0);
    expect(oneTile(308, 2 ** 40, 10)).toBe(308);
    expect(oneTile(309, 2 ** 40, 10)).toBe(0);
  });
});

describe('the size of tiles', () => {
  it('follows the work of a pair and the memory of the results', () => {
    expect(tileSize(null, 0)).toBe(32);
    expect(tileSize(4e8, 0)).toBe(16);
    expect(tileSize(1, 0)).toBe(512);
    expect(tileSize(1e5, 0)).toBe(282);
    expect(tileSize(4e8, 0, 1e9)).toBe(16);
    expect(tileSize(4e8, 0, 2e13)).toBe(50);
    expect(tileSize(4e8, 0, 1e18)).toBe(512);
    for (const slices of [0, 10, 1000, 1e6])
      expect(8 * tileSize(1, slices) ** 2 * (1 + slices)).toBeLessThanOrEqual(Math.max(8 * 2 ** 20, 8 * (1 + slices)));
  });
});
