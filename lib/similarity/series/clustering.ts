import { Pacer } from '../../cooperate.js';
import type { Matrix } from '../terms/types.js';
import { angle } from './angle.js';

/** Two clusters that become one. */
export interface Merge {
  /** Numbers of clusters: below the number of models the model itself, above it the merge of that number less. */
  readonly left: number;
  readonly right: number;
  /** Mean angle between models of the two, in radians. */
  readonly height: number;
}

/** A group of models that stand next to each other. */
export interface Group {
  /** Place of its first model in the order. */
  readonly first: number;
  /** Inclusive. */
  readonly last: number;
}

/** From a merge to the next, the height must grow by this part of the whole for groups to be told apart. */
const CLEAR = 0.2;
const MOST_GROUPS = 8;

/**
 * Joins models by average linkage: the two clusters with the least mean angle between their models become one, until
 * all are. By chains of nearest neighbours (Benzécri 1982, Murtagh 1983), in time and memory O(N²).
 *
 * @param cosine similarities of every pair, all defined.
 * @returns the merges, heights never falling; merge k is cluster N + k.
 */
export async function clusterTree(cosine: Matrix, signal?: AbortSignal): Promise<Merge[]> {
  const count = cosine.length;
  const pacer = new Pacer(signal);
  const angles = cosine.map((row) => row.map(angle));
  const sizes = new Float64Array(count).fill(1);
  const alive = new Set(cosine.keys());
  const chain: number[] = [];
  const joined: { one: number; other: number; height: number }[] = [];
  while (alive.size > 1) {
    if (chain.length === 0) chain.push(alive.values().next().value!);
    const last = chain[chain.length - 1];
    const before = chain[chain.length - 2];
    // Of several at the same distance the one before, so that a chain comes to an end.
    let nearest = before ?? -1;
    for (const other of alive)
      if (other !== last && (nearest < 0 || angles[last][other] < angles[last][nearest])) nearest = other;
    if (pacer.due(alive.size)) await pacer.pause();
    if (nearest !== before) {
      chain.push(nearest);
      continue;
    }
    chain.length -= 2;
    joined.push({ one: last, other: nearest, height: angles[last][nearest] });
    const [a, b] = [sizes[last], sizes[nearest]];
    for (const other of alive) {
      const mean = (a * angles[last][other] + b * angles[nearest][other]) / (a + b);
      angles[last][other] = mean;
      angles[other][last] = mean;
    }
    sizes[last] = a + b;
    alive.delete(nearest);
  }
  return numbered(joined, count);
}

/** Merges in the order of their heights: chains find them in another. */
function numbered(joined: readonly { one: number; other: number; height: number }[], count: number): Merge[] {
  const clusterOf = Array.from({ length: count }, (_, model) => model);
  const rootOf = (model: number): number => {
    let root = model;
    while (parents[root] !== root) root = parents[root];
    for (let at = model; parents[at] !== root; ) [at, parents[at]] = [parents[at], root];
    return root;
  };
  const parents = [...clusterOf];
  let height = 0;
  return [...joined]
    .sort((a, b) => a.height - b.height)
    .map((merge, k) => {
      const [one, other] = [rootOf(merge.one), rootOf(merge.other)];
      const [left, right] = [clusterOf[one], clusterOf[other]].sort((a, b) => a - b);
      parents[other] = one;
      clusterOf[one] = count + k;
      // Means are rounded: a merge never lies below the one before.
      height = Math.max(height, merge.height);
      return { left, right, height };
    });
}

/**
 * Groups of models: the tree is cut where the height grows most from one merge to the next. None where that is no clear
 * step, where more than half of the groups would be models alone, and never more than eight.
 * @param order all models, as the tree has them next to each other.
 */
export function groupsOf(merges: readonly Merge[], order: readonly number[]): Group[] {
  const count = order.length;
  const top = merges.at(-1)?.height ?? 0;
  let [groups, step]: [Group[], number] = [[], CLEAR * top];
  for (let wanted = 2; wanted <= Math.min(MOST_GROUPS, count - 1); wanted++) {
    const grown = merges[count - wanted].height - merges[count - wanted - 1].height;
    if (grown <= step) continue;
    const found = groupsAt(merges.slice(0, count - wanted), order);
    const alone = found.filter(({ first, last }) => first === last).length;
    if (2 * alone <= wanted) [groups, step] = [found, grown];
  }
  return groups;
}

/** The clusters that these merges have made. */
function groupsAt(merges: readonly Merge[], order: readonly number[]): Group[] {
  const count = order.length;
  const names = Array.from({ length: count }, (_, model) => model);
  for (const [k, { left, right }] of merges.entries())
    for (const [model, name] of names.entries()) if (name === left || name === right) names[model] = count + k;
  const starts = [...order.keys()].filter((at) => at === 0 || names[order[at]] !== names[order[at - 1]]);
  return starts.map((first, i) => ({ first, last: (starts[i + 1] ?? count) - 1 }));
}
