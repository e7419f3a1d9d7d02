import { sizeOfLabels } from '../network.js';
import { LABELS_PER_PAUSE, type Tree } from '../tree.js';
import { Holders } from './holders.js';
import type { Problem, Search } from './problem.js';
import { PairQueue } from './queue.js';

/** How far a greedy search strays from the best next join. */
export interface Noise {
  /** Uniform numbers in [0, 1). */
  readonly random: () => number;
  /** 0: none. About 1: often another join. */
  readonly temperature: number;
  /** How much the size of what disappears counts against the size of what is made; 1 is the plain measure. */
  readonly balance: number;
}

/** Scores stay ordered where sizes leave the range of numbers. */
const HUGE = 1e300;

/**
 * Joins, again and again, the pair of operands that share a label and whose join shrinks the network most (the size
 * made less the sizes that disappear). What is left without a common label is joined by size, smallest first. About
 * p log p work for p pairs that share a label; of a label that more than a thousand operands have, an operand is paired
 * with the nearest in the list only.
 *
 * With `noise` the sizes are compared by their logarithms and a random (Gumbel) amount is added: other good trees.
 */
export function* greedy(problem: Problem, noise?: Noise): Search {
  const { leaves, sizes } = problem.network;
  const holders = new Holders(problem.network);
  const candidates = new PairQueue();
  const tree: [number, number][] = [];
  let work = 0;
  for (const [leaf, labels] of leaves.entries()) {
    holders.add(leaf, labels);
    work += labels.length;
    if (work > LABELS_PER_PAUSE) {
      work = 0;
      yield;
    }
  }
  const score = (a: number, b: number): number => {
    const labels = holders.made(a, b);
    work += labels.length + holders.labels(a).length + holders.labels(b).length + 1;
    const gain = Math.min(HUGE, sizeOfLabels(labels, sizes));
    const loss = Math.min(HUGE, sizeOfLabels(holders.labels(a), sizes) + sizeOfLabels(holders.labels(b), sizes));
    if (noise === undefined) return gain - loss;
    const gumbel = -Math.log(-Math.log(noise.random() || Number.MIN_VALUE));
    return Math.log(1 + gain) - noise.balance * Math.log(1 + loss) - noise.temperature * gumbel;
  };
  const join = (a: number, b: number): number => {
    const labels = holders.made(a, b);
    const node = leaves.length + tree.push([a, b]) - 1;
    for (const old of [a, b]) holders.delete(old);
    holders.add(node, labels);
    work += labels.length + 1;
    return node;
  };
  for (const a of holders.nodes()) {
    for (const b of holders.neighbours(a)) {
      if (a >= b) continue;
      candidates.push(score(a, b), a, b);
      if (work > LABELS_PER_PAUSE) {
        work = 0;
        yield;
      }
    }
    work++;
  }
  for (let pair = candidates.pop(); pair !== undefined; pair = candidates.pop()) {
    const [a, b] = pair;
    work++;
    if (holders.has(a) && holders.has(b)) {
      const node = join(a, b);
      for (const other of holders.neighbours(node)) candidates.push(score(other, node), other, node);
    }
    if (work > LABELS_PER_PAUSE) {
      work = 0;
      yield;
    }
  }
  // What is left has no label in common, and what is made of it neither.
  const left = new PairQueue();
  for (const node of holders.nodes()) left.push(sizeOfLabels(holders.labels(node), sizes), node, node);
  while (left.size > 1) {
    const node = join(left.pop()![0], left.pop()![0]);
    left.push(sizeOfLabels(holders.labels(node), sizes), node, node);
    work += holders.labels(node).length;
    if (work > LABELS_PER_PAUSE) {
      work = 0;
      yield;
    }
  }
  return tree satisfies Tree;
}
