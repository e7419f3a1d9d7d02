import { type CostModel, stepFlops } from './cost.js';
import { type Network, sizeOfLabels } from './network.js';

/**
 * A contraction tree. Nodes 0 … n−1 are the leaves; entry t joins two nodes into node n + t, and the last is the
 * result.
 *
 *     'ij,jk,kl->il' from the right:   [[1, 2], [0, 3]]
 */
export type Tree = readonly (readonly [number, number])[];

/** One join of a tree with what follows from it. */
export interface Join {
  readonly a: number;
  readonly b: number;
  /** The node it makes. */
  readonly node: number;
  readonly aLabels: readonly number[];
  readonly bLabels: readonly number[];
  /** Labels of the result: those in the output or still in another node. */
  readonly kept: readonly number[];
  readonly summed: readonly number[];
}

/** Labels looked at between two pauses: about a millisecond. */
export const LABELS_PER_PAUSE = 8192;

/**
 * The joins of a tree with their labels. A label on three or more operands is summed only where the last operands
 * holding it meet, and never if the output has it. Pauses now and then, as all that goes through a tree does.
 */
export function* joinsOf(network: Network, tree: Tree): Generator<void, Join[]> {
  const { leaves, output, sizes } = network;
  const holders = new Int32Array(sizes.length);
  for (const labels of [...leaves, output]) for (const label of labels) holders[label]++;
  const labelsOf: (readonly number[])[] = [...leaves];
  const joins: Join[] = [];
  let work = 0;
  for (const [a, b] of tree) {
    const aLabels = labelsOf[a];
    const bLabels = labelsOf[b];
    const all = new Set([...aLabels, ...bLabels]);
    for (const labels of [aLabels, bLabels]) for (const label of labels) holders[label]--;
    const kept: number[] = [];
    const summed: number[] = [];
    for (const label of all) {
      if (holders[label] === 0) summed.push(label);
      else {
        kept.push(label);
        holders[label]++;
      }
    }
    const node = labelsOf.push(kept) - 1;
    joins.push({ a, b, node, aLabels, bLabels, kept, summed });
    work += all.size + 16;
    if (work > LABELS_PER_PAUSE) {
      work = 0;
      yield;
    }
  }
  return joins;
}

/** Operations of a join. */
export function joinFlops(join: Join, sizes: readonly number[]): number {
  return stepFlops(sizeOfLabels(join.kept, sizes) * sizeOfLabels(join.summed, sizes), join.summed.length > 0);
}

/** Elements a join reads and writes. */
export function joinElements(join: Join, sizes: readonly number[]): number {
  return sizeOfLabels(join.aLabels, sizes) + sizeOfLabels(join.bLabels, sizes) + sizeOfLabels(join.kept, sizes);
}

export function joinCost(join: Join, sizes: readonly number[], model: CostModel): number {
  return model.perFlop * joinFlops(join, sizes) + model.perElement * joinElements(join, sizes) + model.perStep;
}

/** What a join of constants counts for: as if the plan were run a thousand times. */
export const CONSTANT_WEIGHT = 1e-3;

/** `constant` tells the leaves whose values never change between runs: joins of such leaves alone count for little. */
export function* treeCost(
  network: Network,
  tree: Tree,
  model: CostModel,
  constant?: readonly boolean[],
): Generator<void, number> {
  const once = constantNodes(tree, network.leaves.length, constant);
  const joins = yield* joinsOf(network, tree);
  return joins.reduce((sum, join) => sum + weightedCost(join, network.sizes, model, once[join.node]), 0);
}

/** What a join counts for in the cost of a tree: little where it is one of constants. */
export function weightedCost(join: Join, sizes: readonly number[], model: CostModel, once: boolean): number {
  return (once ? CONSTANT_WEIGHT : 1) * joinCost(join, sizes, model);
}

/** For every node whether all leaves below it are constant. */
export function constantNodes(tree: Tree, leaves: number, constant: readonly boolean[] | undefined): boolean[] {
  const flags = Array.from({ length: leaves }, (_, i) => constant?.[i] ?? false);
  for (const [a, b] of tree) flags.push(flags[a] && flags[b]);
  return flags;
}

/**
 * The same tree in the order in which it is best executed: depth first, at every join the child that needs more memory
 * first, so that few intermediates are alive at a time (Sethi–Ullman). Nodes are numbered anew.
 */
export function* scheduleTree(network: Network, tree: Tree): Generator<void, Tree> {
  const leaves = network.leaves.length;
  const joins = yield* joinsOf(network, tree);
  const own: number[] = network.leaves.map(() => 0);
  const peak: number[] = network.leaves.map(() => 0);
  for (const { a, b, kept } of joins) {
    const size = sizeOfLabels(kept, network.sizes);
    const [first, second] = later(peak, own, a, b);
    peak.push(Math.max(peak[first], own[first] + peak[second], own[a] + own[b] + size));
    own.push(size);
  }
  const ordered: [number, number][] = [];
  const renamed = new Map<number, number>();
  // An explicit stack: a tree of thousands of operands in a row is deeper than the call stack.
  const stack = leaves === 1 ? [] : [{ node: leaves + tree.length - 1, ready: false }];
  while (stack.length > 0) {
    const { node, ready } = stack.pop()!;
    if (ready && ordered.length % 1024 === 1023) yield;
    if (node < leaves) continue;
    const [a, b] = tree[node - leaves];
    if (ready) {
      renamed.set(node, leaves + ordered.push([renamed.get(a) ?? a, renamed.get(b) ?? b]) - 1);
      continue;
    }
    const [first, second] = later(peak, own, a, b);
    stack.push({ node, ready: true }, { node: second, ready: false }, { node: first, ready: false });
  }
  return ordered;
}

/** Two nodes in the order in which computing them needs least memory. */
function later(peak: readonly number[], own: readonly number[], a: number, b: number): [number, number] {
  return peak[a] - own[a] >= peak[b] - own[b] ? [a, b] : [b, a];
}
