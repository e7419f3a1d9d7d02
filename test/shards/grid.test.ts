import { describe, expect, it } from 'vitest';
import { cutByCoverings } from '../../lib/shards/coverings.js';
import { type Costs, cutOf, type Extent, pairsOf, shardOf } from '../../lib/shards/grid.js';
import { regionsOf } from '../../lib/shards/regions.js';
import { placesIn } from '../../lib/shards/share.js';
import { random } from '../support/random.js';

const costs = (count: number, pair = (_: number) => 1, file = 0): Costs => ({
  pair: Float64Array.from({ length: count }, (_, i) => pair(i)),
  file: new Float64Array(count).fill(file),
  each: 0,
});

/** Every wanted pair of places, with the shard whose tile has it. */
function ownersOf(extent: Extent, count: number, cost: Costs): Map<string, number> {
  const { grid, starts } = cutOf(extent, cost, count);
  const owners = new Map<string, number>();
  const { columns, window } = extent;
  for (let tile = 0; tile < grid.tiles.length / 2; tile++) {
    const [row, column] = [grid.tiles[2 * tile], grid.tiles[2 * tile + 1]];
    for (let i = grid.bounds[row]; i < grid.bounds[row + 1]; i++) {
      for (let j = grid.bounds[column]; j < grid.bounds[column + 1]; j++) {
        if (columns === 0 && (j < i || (window !== null && j - i > window))) continue;
        expect(owners.has(`${i} ${j}`)).toBe(false);
        owners.set(`${i} ${j}`, shardOf(starts, tile));
      }
    }
  }
  return owners;
}

describe('a grid', () => {
  const draw = random(5);
  it.each([
    [{ rows: 1, columns: 0, window: null }, 1],
    [{ rows: 2, columns: 0, window: null }, 5],
    [{ rows: 37, columns: 0, window: null }, 3],
    [{ rows: 100, columns: 0, window: null }, 8],
    [{ rows: 100, columns: 0, window: 7 }, 6],
    [{ rows: 60, columns: 0, window: 1 }, 4],
    [{ rows: 5, columns: 80, window: null }, 4],
    [{ rows: 90, columns: 1, window: null }, 7],
  ] as const)('deals every pair of %j out once, to %i shards', (extent, count) => {
    const { rows, columns, window } = extent;
    const cost = costs(rows + columns, () => 0.1 + draw.normal() ** 2);
    const owners = ownersOf(extent, count, cost);
    const near = window === null ? rows : window + 1;
    const wanted =
      columns > 0
        ? rows * columns
        : Array.from({ length: rows }, (_, i) => Math.min(near, rows - i)).reduce((sum, own) => sum + own, 0);
    expect(owners.size).toBe(wanted);
    const { grid } = cutOf(extent, cost, count);
    let pairs = 0;
    for (let tile = 0; tile < grid.tiles.length / 2; tile++) pairs += pairsOf(grid, tile);
    expect(pairs).toBe(wanted);
  });

  it('is dealt out by cost and not by number, with models of which some are much larger', () => {
    const cost = costs(200, (i) => (i < 20 ? 10 : 1));
    const { loads, grid, starts } = cutOf({ rows: 200, columns: 0, window: null }, cost, 8);
    const mean = loads.reduce((sum, load) => sum + load, 0) / 8;
    expect(Math.max(...loads) / mean).toBeLessThan(1.1);
    const pairs = loads.map((_, shard) => {
      let own = 0;
      for (let tile = starts[shard]; tile < starts[shard + 1]; tile++) own += pairsOf(grid, tile);
      return own;
    });
    expect(Math.max(...pairs) / Math.min(...pairs)).toBeGreaterThan(3);
  });

  it.each([2, 3, 4, 8, 16, 32, 64, 100, 128])('cut into %i by coverings deals every pair out once, evenly', (count) => {
    const draw = random(count);
    const cost = { ...costs(500, () => 0.8 + 0.4 * draw.uniform(), 2), each: 3 };
    const cut = cutByCoverings(cost, count)!;
    const dealt = new Uint8Array(500 * 500);
    const { bounds, tiles } = cut.grid;
    const loads = new Float64Array(count).fill(3);
    for (let shard = 0; shard < count; shard++) {
      for (let tile = cut.starts[shard]; tile < cut.starts[shard + 1]; tile++) {
        const [row, column] = [tiles[2 * tile], tiles[2 * tile + 1]];
        for (let i = bounds[row]; i < bounds[row + 1]; i++) {
          for (let j = Math.max(i, bounds[column]); j < bounds[column + 1]; j++) {
            dealt[500 * i + j]++;
            loads[shard] += cost.pair[i] * cost.pair[j];
          }
        }
      }
      loads[shard] += 2 * placesIn(cut, shard).length;
      expect(Math.abs(cut.loads[shard] / loads[shard] - 1)).toBeLessThan(1e-9);
    }
    expect(dealt.every((times, at) => times === (at % 500 >= Math.floor(at / 500) ? 1 : 0))).toBe(true);
    const mean = loads.reduce((sum, load) => sum + load, 0) / count;
    expect(Math.max(...loads) / mean).toBeLessThan(1.15);
  });

  it('has shards that read few files: little more than the N/√c that c of them must', () => {
    for (const count of [8, 16, 64, 200, 1024]) {
      const cut = cutOf({ rows: 4096, columns: 0, window: null }, costs(4096, undefined, 1), count);
      const files = Array.from({ length: count }, (_, shard) => placesIn(cut, shard).length);
      const mean = files.reduce((sum, own) => sum + own, 0) / count;
      expect(mean).toBeLessThan(1.25 * (4096 / Math.sqrt(count)));
    }
  });

  it('cuts a hundred thousand models into a thousand shards in a moment', () => {
    const cut = cutOf({ rows: 1e5, columns: 0, window: null }, costs(1e5, undefined, 1), 1024);
    const mean = cut.loads.reduce((sum, load) => sum + load, 0) / 1024;
    expect(Math.max(...cut.loads) / mean).toBeLessThan(1.15);
  });
});

describe('regions', () => {
  it('are the tiles of a shard, each once, and few', () => {
    const cut = cutOf({ rows: 512, columns: 0, window: null }, costs(512), 8);
    const { tiles } = cut.grid;
    for (let shard = 0; shard < 8; shard++) {
      const own: [number, number][] = [];
      for (let tile = cut.starts[shard]; tile < cut.starts[shard + 1]; tile++)
        own.push([tiles[2 * tile], tiles[2 * tile + 1]]);
      const regions = regionsOf(own);
      const covered = regions.flatMap(({ rows, columns }) =>
        rows.flatMap((row, at) => (rows === columns ? columns.slice(at) : columns).map((column) => `${row} ${column}`)),
      );
      expect(covered.sort()).toEqual(own.map((tile) => tile.join(' ')).sort());
      expect(regions.length).toBeLessThan(20);
    }
  });
});
