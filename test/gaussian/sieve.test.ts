import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { balance, pairUp, type RepeatedRows, sieveLoss } from '../../lib/gaussian/sieve.js';
import { availableBackends, fullBackend } from '../support/backends.js';
import { runs } from '../support/campaign.js';
import type { Rows } from '../support/oracles.js';
import { random } from '../support/random.js';
import { symmetric } from './draws.js';
import { magnitudes, overMatchings, overSubsets, selected, spelledOut } from './oracles.js';

function rowsOf(edges: Rows, loops: readonly number[] | null, repeats: readonly number[]): RepeatedRows {
  return {
    edges: { size: edges.length, data: Float64Array.from(edges.flat()) },
    loops: loops && Float64Array.from(loops),
    repeats,
  };
}

describe.each(availableBackends)('the sieve on %s', (name) => {
  const backend = fullBackend(name);
  const sieve = async (given: RepeatedRows) => {
    const { rows, exponent } = balance(given);
    return (await backend.hafnians.loopHafnian(pairUp(rows))) * 2 ** exponent;
  };

  it('is the sum over all matchings, for any repeats, with and without loops', async () => {
    const even = fc
      .array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 6 })
      .filter((repeats) => spelledOut(repeats).length % 2 === 0 && spelledOut(repeats).length <= 10);
    await fc.assert(
      fc.asyncProperty(even, fc.integer(), fc.boolean(), async (repeats, seed, looped) => {
        const { normal } = random(seed);
        const edges = symmetric(repeats.length, normal);
        const loops = looped ? repeats.map(normal) : null;
        const list = spelledOut(repeats);
        const all = selected(edges, list);
        const wanted = overMatchings(all, loops && list.map((i) => loops[i]));
        const size = overMatchings(magnitudes(all), loops && list.map((i) => Math.abs(loops[i])));
        const found = await sieve(rowsOf(edges, loops, repeats));
        expect(Math.abs(found - wanted)).toBeLessThanOrEqual(1e-13 * size);
      }),
      { numRuns: runs(150) },
    );
  });

  it('counts the perfect matchings of graphs with 20 vertices to a few roundings', async () => {
    const { uniform } = random(5);
    for (const [low, high] of [
      [0, 1],
      [-1, 1],
    ]) {
      const edges = symmetric(20, () => low + Math.floor((high - low + 1) * uniform()));
      const found = await sieve(rowsOf(edges, null, new Array(20).fill(1)));
      expect(Math.abs(found - overSubsets(edges))).toBeLessThanOrEqual(1e-14 * overSubsets(magnitudes(edges)));
    }
  });

  it('loses about the digits that it is said to', async () => {
    const repeats = [16, 16];
    const found = await sieve(
      rowsOf(
        [
          [1, 1],
          [1, 1],
        ],
        null,
        repeats,
      ),
    );
    const wanted = Array.from({ length: 16 }, (_, i) => 2 * i + 1).reduce((product, odd) => product * odd, 1);
    expect(sieveLoss([16])).toBeGreaterThan(50);
    expect(Math.abs(found / wanted - 1)).toBeLessThanOrEqual(10 * sieveLoss([16]) * Number.EPSILON);
  });

  it('gives the same bits on any number of threads', async () => {
    const edges = symmetric(24, random(6).normal);
    const { rows } = balance(
      rowsOf(
        edges,
        edges.map((row) => row[0]),
        new Array(24).fill(1),
      ),
    );
    const values = [1, 2, 5].map((threads) => backend.hafnians.loopHafnian(pairUp(rows), { threads }));
    const [first, ...others] = await Promise.all(values);
    for (const other of others) expect(other).toBe(first);
  });

  it('stops when aborted, with the reason', async () => {
    const legs = pairUp(
      rowsOf(
        symmetric(56, () => 1),
        null,
        new Array(56).fill(1),
      ),
    );
    const controller = new AbortController();
    const reason = new Error('enough');
    const running = backend.hafnians.loopHafnian(legs, { signal: controller.signal });
    setTimeout(() => controller.abort(reason), 5);
    await expect(running).rejects.toBe(reason);
    await expect(backend.hafnians.loopHafnian(legs, { signal: controller.signal })).rejects.toBe(reason);
  });

  it('lets other work have its turn, and reports progress up to the whole', async () => {
    const legs = pairUp(
      rowsOf(
        symmetric(34, () => 1),
        null,
        new Array(34).fill(1),
      ),
    );
    const reports: [number, number][] = [];
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await backend.hafnians.loopHafnian(legs, { onProgress: (done, total) => reports.push([done, total]) });
    clearInterval(timer);
    expect(turns).toBeGreaterThan(0);
    for (const [i, [done, total]] of reports.entries()) {
      expect(done).toBeLessThanOrEqual(total);
      if (i > 0) expect(done).toBeGreaterThanOrEqual(reports[i - 1][0]);
    }
  });
});

describe('pairing rows', () => {
  it('takes few distinct pairs: equal repeats together, and a row with itself where it has most of the copies', () => {
    const pairs = (repeats: number[]) => [
      ...pairUp(
        rowsOf(
          symmetric(repeats.length, () => 1),
          null,
          repeats,
        ),
      ).repeats,
    ];
    expect(pairs([4, 4])).toEqual([4]);
    expect(pairs([8])).toEqual([4]);
    expect(pairs([4, 1, 1])).toEqual([1, 2]);
    expect(pairs([3, 3, 0, 2])).toEqual([1, 3]);
  });
});

describe('balancing rows', () => {
  it('undoes any powers of two on rows, so that the sieve sees the same numbers', () => {
    const edges = symmetric(6, random(7).uniform);
    const scales = [1, 2 ** 40, 2 ** -40, 2 ** 7, 1, 2 ** -3];
    const uneven = edges.map((row, i) => row.map((value, j) => value * scales[i] * scales[j]));
    const ones = new Array(6).fill(1);
    const ratio = (rows: Rows) => {
      const { data } = balance(rowsOf(rows, null, ones)).rows.edges;
      const off = Array.from(data).filter((_, k) => k % 7 !== 0);
      return Math.max(...off) / Math.min(...off);
    };
    expect(ratio(uneven)).toBeLessThanOrEqual(16 * ratio(edges));
  });
});
