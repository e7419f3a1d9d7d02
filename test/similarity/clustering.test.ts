import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clusterTree, groupsOf, type Merge } from '../../lib/similarity/series/clustering.js';
import { leafOrder } from '../../lib/similarity/series/leaf_order.js';
import type { Matrix } from '../../lib/similarity/terms/types.js';

/** Similarities of points on a half circle. */
const alike = (angles: readonly number[]): Matrix =>
  angles.map((one) => Float64Array.from(angles, (other) => (one === other ? 1 : Math.cos(one - other))));

/** Any symmetric similarities of two to `most` models; few values, so that many are equal. */
const similarities = (most: number) =>
  fc.integer({ min: 2, max: most }).chain((count) =>
    fc
      .array(fc.oneof(fc.constantFrom(0, 0.25, 0.5), fc.double({ min: -1, max: 1, noNaN: true })), {
        minLength: count * count,
        maxLength: count * count,
      })
      .map(
        (values): Matrix =>
          Array.from({ length: count }, (_, i) =>
            Float64Array.from({ length: count }, (__, j) =>
              i === j ? 1 : values[Math.min(i, j) * count + Math.max(i, j)],
            ),
          ),
      ),
  );

const leavesOf = (merges: readonly Merge[], count: number): number[][] => {
  const leaves = Array.from({ length: count }, (_, model) => [model]);
  for (const { left, right } of merges) leaves.push([...leaves[left], ...leaves[right]]);
  return leaves;
};

/** All orders that a tree allows. */
function orders(merges: readonly Merge[], count: number): number[][] {
  const all: number[][][] = Array.from({ length: count }, (_, model) => [[model]]);
  for (const { left, right } of merges)
    all.push(
      all[left].flatMap((a) =>
        all[right].flatMap((b) => [
          [...a, ...b],
          [...b, ...a],
        ]),
      ),
    );
  return all[all.length - 1];
}

const cost = (order: readonly number[], cosine: Matrix) =>
  order.slice(1).reduce((sum, model, i) => sum + 1 - cosine[order[i]][model], 0);

describe('average linkage', () => {
  it('joins the two clusters with the least mean angle, one after the other', async () => {
    await fc.assert(
      fc.asyncProperty(similarities(9), async (cosine) => {
        const count = cosine.length;
        const merges = await clusterTree(cosine);
        expect(merges).toHaveLength(count - 1);
        const leaves = leavesOf(merges, count);
        const mean = (a: number[], b: number[]) =>
          a.reduce((sum, i) => b.reduce((all, j) => all + Math.acos(cosine[i][j]), sum), 0) / (a.length * b.length);
        for (const [k, { left, right, height }] of merges.entries()) {
          expect(height).toBeCloseTo(mean(leaves[left], leaves[right]), 6);
          if (k > 0) expect(height).toBeGreaterThanOrEqual(merges[k - 1].height);
          // Nothing that was there could have been joined at less.
          const used = new Set(merges.slice(0, k).flatMap((merge) => [merge.left, merge.right]));
          const open = Array.from({ length: count + k }, (_, cluster) => cluster).filter((c) => !used.has(c));
          const least = open.flatMap((a) => open.filter((b) => b > a).map((b) => mean(leaves[a], leaves[b])));
          expect(height).toBeLessThanOrEqual(Math.min(...least) + 1e-6);
        }
        expect([...leaves[leaves.length - 1]].sort((a, b) => a - b)).toEqual([...cosine.keys()]);
      }),
    );
  });

  it('of one model is nothing, and of many takes no long', { timeout: 60_000 }, async () => {
    expect(await clusterTree(alike([0]))).toEqual([]);
    const count = 1500;
    const cosine = alike(Array.from({ length: count }, (_, i) => ((i * 7919) % count) / count));
    const order = await leafOrder(cosine, await clusterTree(cosine));
    expect(new Set(order).size).toBe(count);
  });

  it('is stopped by a signal', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(clusterTree(alike([0, 1]), signal)).rejects.toThrow('enough');
  });
});

describe('the order of leaves', () => {
  it('is the best that the tree allows', async () => {
    await fc.assert(
      fc.asyncProperty(similarities(8), async (cosine) => {
        const merges = await clusterTree(cosine);
        const order = await leafOrder(cosine, merges);
        const all = orders(merges, cosine.length);
        expect(all).toContainEqual(order);
        const best = all.reduce((least, next) => Math.min(least, cost(next, cosine)), Number.POSITIVE_INFINITY);
        expect(cost(order, cosine)).toBeCloseTo(best, 9);
        expect(order[0]).toBeLessThan(order[order.length - 1]);
      }),
    );
  });

  it('of too many is one that the tree allows', async () => {
    await fc.assert(
      fc.asyncProperty(similarities(8), async (cosine) => {
        const merges = await clusterTree(cosine);
        const order = await leafOrder(cosine, merges, { most: 1 });
        expect(orders(merges, cosine.length)).toContainEqual(order);
      }),
    );
  });

  it('finds points on a line again', async () => {
    const places = [0.31, 1.2, 0.05, 0.9, 0.47, 1.04, 0.2, 0.66];
    const cosine = alike(places);
    const sorted = [...places.keys()].sort((a, b) => places[a] - places[b]);
    const expected = sorted[0] < sorted[sorted.length - 1] ? sorted : sorted.reverse();
    const merges = await clusterTree(cosine);
    expect(await leafOrder(cosine, merges)).toEqual(expected);
    expect(await leafOrder(cosine, merges, { most: 1 })).toEqual(expected);
  });
});

describe('groups', () => {
  it('are cut where the angle grows most', async () => {
    const cosine = alike([0, 1.02, 0.02, 1, 0.01, 0.5]);
    const merges = await clusterTree(cosine);
    const order = await leafOrder(cosine, merges);
    expect(order.map((model) => (model === 5 ? 'b' : model % 2 === 0 ? 'a' : 'c')).join('')).toBe('aaabcc');
    expect(groupsOf(merges, order)).toEqual([
      { first: 0, last: 2 },
      { first: 3, last: 3 },
      { first: 4, last: 5 },
    ]);
  });

  it('are none where most of them would be models alone', async () => {
    // Two that are alike, and five that are like nothing.
    const cosine: Matrix = Array.from({ length: 7 }, (_, i) =>
      Float64Array.from({ length: 7 }, (__, j) => (i === j ? 1 : i + j === 1 ? 0.99 : 0)),
    );
    const merges = await clusterTree(cosine);
    expect(groupsOf(merges, await leafOrder(cosine, merges))).toEqual([]);
  });

  it('are none where no step is clear, and of few models', async () => {
    for (const angles of [[0], [0, 1], [0.2, 0.2, 0.2], Array.from({ length: 12 }, (_, i) => i / 12)]) {
      const cosine = alike(angles);
      const merges = await clusterTree(cosine);
      expect(groupsOf(merges, await leafOrder(cosine, merges)).length).not.toBe(1);
      if (angles.length < 4) expect(groupsOf(merges, await leafOrder(cosine, merges))).toEqual([]);
    }
  });
});
