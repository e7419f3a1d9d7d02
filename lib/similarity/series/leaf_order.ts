import { Pacer } from '../../cooperate.js';
import type { Matrix } from '../terms/types.js';
import type { Merge } from './clustering.js';

/** Models that are put in the best order of all; more are put in a good one. */
export const MOST_OPTIMAL = 400;

/**
 * An order of models that keeps the clusters of a tree together and has the least sum of 1 − similarity from each model
 * to the next: of the 2^(N−1) orders that the tree allows the best, by dynamic programming over the outermost models of
 * every cluster (Bar-Joseph, Gifford and Jaakkola 2001), in time O(N³). Beyond `most` models every cluster is
 * turned as a whole so that the nearest ends meet, in O(N²).
 *
 * @param cosine similarities of every pair, all defined.
 * @param merges of `clusterTree`.
 * @returns numbers of the models; of an order and its reverse the one whose first number is the lower.
 */
export async function leafOrder(
  cosine: Matrix,
  merges: readonly Merge[],
  { most = MOST_OPTIMAL, signal }: { readonly most?: number; readonly signal?: AbortSignal | undefined } = {},
): Promise<number[]> {
  const order = cosine.length <= most ? await optimalOrder(cosine, merges, new Pacer(signal)) : turned(cosine, merges);
  return order.length > 1 && order[order.length - 1] < order[0] ? order.reverse() : order;
}

interface Cluster {
  readonly leaves: readonly number[];
  /** The two it was made of, and which models are those of the first; nothing of a model alone. */
  readonly halves?: readonly [Cluster, Cluster];
  readonly first?: ReadonlySet<number>;
}

async function optimalOrder(cosine: Matrix, merges: readonly Merge[], pacer: Pacer): Promise<number[]> {
  const count = cosine.length;
  const clusters: Cluster[] = Array.from({ length: count }, (_, model) => ({ leaves: [model] }));
  /** Of two models the least sum within the smallest cluster that has both, where they are its outermost ones. */
  const least = new Float64Array(count * count);
  const reach = new Float64Array(count);
  for (const { left, right } of merges) {
    const [one, other] = [clusters[left], clusters[right]];
    for (const start of one.leaves) {
      const ends = across(one, start);
      for (const next of other.leaves) {
        let best = Number.POSITIVE_INFINITY;
        for (const end of ends) best = Math.min(best, least[start * count + end] + 1 - cosine[end][next]);
        reach[next] = best;
      }
      for (const end of other.leaves) {
        let best = Number.POSITIVE_INFINITY;
        for (const next of across(other, end)) best = Math.min(best, reach[next] + least[next * count + end]);
        least[start * count + end] = best;
        least[end * count + start] = best;
      }
      if (pacer.due(other.leaves.length * (ends.length + other.leaves.length))) await pacer.pause();
    }
    const leaves = [...one.leaves, ...other.leaves];
    clusters.push({ leaves, halves: [one, other], first: new Set(one.leaves) });
  }
  return traced(clusters[clusters.length - 1], cosine, least);
}

/** The models that can be at the other end of a cluster: those of its other half. */
function across({ halves, first, leaves }: Cluster, model: number): readonly number[] {
  if (halves === undefined) return leaves;
  return halves[first!.has(model) ? 1 : 0].leaves;
}

/** The order whose sum was found to be the least. Clusters still to be traced are kept on a stack. */
function traced(root: Cluster, cosine: Matrix, least: Float64Array): number[] {
  const count = cosine.length;
  if (root.halves === undefined) return [...root.leaves];
  let ends: readonly [number, number] = [root.leaves[0], root.leaves[root.leaves.length - 1]];
  for (const start of root.halves[0].leaves)
    for (const end of root.halves[1].leaves)
      if (least[start * count + end] < least[ends[0] * count + ends[1]]) ends = [start, end];
  const order: number[] = [];
  const stack: { cluster: Cluster; start: number; end: number }[] = [{ cluster: root, start: ends[0], end: ends[1] }];
  while (stack.length > 0) {
    const { cluster, start, end } = stack.pop()!;
    if (cluster.halves === undefined) {
      order.push(start);
      continue;
    }
    const isForward = cluster.first!.has(start);
    const [one, other] = isForward ? cluster.halves : [cluster.halves[1], cluster.halves[0]];
    let [best, last, next] = [Number.POSITIVE_INFINITY, start, end];
    for (const m of across(one, start))
      for (const k of across(other, end)) {
        const sum = least[start * count + m] + 1 - cosine[m][k] + least[k * count + end];
        if (sum < best) [best, last, next] = [sum, m, k];
      }
    stack.push({ cluster: other, start: next, end }, { cluster: one, start, end: last });
  }
  return order;
}

/** Every cluster as it is, turned so that the nearest of its ends and those of the one it joins meet. */
function turned(cosine: Matrix, merges: readonly Merge[]): number[] {
  const orders: number[][] = Array.from({ length: cosine.length }, (_, model) => [model]);
  for (const { left, right } of merges) {
    const [one, other] = [orders[left], orders[right]];
    const [a, b] = [one[0], one[one.length - 1]];
    const [c, d] = [other[0], other[other.length - 1]];
    const most = Math.max(cosine[b][c], cosine[b][d], cosine[a][c], cosine[a][d]);
    if (most === cosine[a][c] || most === cosine[a][d]) one.reverse();
    if (most === cosine[a][d] || most === cosine[b][d]) other.reverse();
    orders.push(one.concat(other));
  }
  return orders[orders.length - 1];
}
