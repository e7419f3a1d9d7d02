import { sizeOfLabels } from '../network.js';
import type { Tree } from '../tree.js';
import type { Problem, Search } from './problem.js';

/** How far a greedy search strays from the best next join. */
export interface Noise {
  /** Uniform numbers in [0, 1). */
  readonly random: () => number;
  /** 0: none. About 1: often another join. */
  readonly temperature: number;
  /** How much the size of what disappears counts against the size of what is made; 1 is the plain measure. */
  readonly balance: number;
}

interface Candidate {
  readonly a: number;
  readonly b: number;
  readonly score: number;
}

/** Scores stay ordered where sizes leave the range of numbers. */
const HUGE = 1e300;
const CANDIDATES_PER_PAUSE = 50_000;

/**
 * Joins, again and again, the pair of operands that share a label and whose join shrinks the network most (the size
 * made less the sizes that disappear). What is left without a common label is joined by size, smallest first. About n²
 * work.
 *
 * With `noise` the sizes are compared by their logarithms and a random (Gumbel) amount is added: other good trees.
 */
export function* greedy(problem: Problem, noise?: Noise): Search {
  const { leaves, output, sizes } = problem.network;
  const nodes = new Map<number, readonly number[]>(leaves.map((labels, i) => [i, labels]));
  const holders = new Map<number, Set<number>>();
  for (const [node, labels] of nodes) for (const label of labels) hold(holders, label, node);
  const kept = new Set(output);

  const made = (a: number, b: number): number[] => {
    const all = new Set([...nodes.get(a)!, ...nodes.get(b)!]);
    return [...all].filter((label) => {
      const at = holders.get(label)!;
      return kept.has(label) || at.size > (at.has(a) ? 1 : 0) + (at.has(b) ? 1 : 0);
    });
  };
  const score = (a: number, b: number): number => {
    const gain = Math.min(HUGE, sizeOfLabels(made(a, b), sizes));
    const loss = Math.min(HUGE, sizeOfLabels(nodes.get(a)!, sizes) + sizeOfLabels(nodes.get(b)!, sizes));
    if (noise === undefined) return gain - loss;
    const gumbel = -Math.log(-Math.log(noise.random() || Number.MIN_VALUE));
    return Math.log(1 + gain) - noise.balance * Math.log(1 + loss) - noise.temperature * gumbel;
  };
  const neighbours = (node: number): Set<number> => {
    const found = new Set(nodes.get(node)!.flatMap((label) => [...holders.get(label)!]));
    found.delete(node);
    return found;
  };

  let candidates: Candidate[] = [];
  for (const a of nodes.keys()) {
    for (const b of neighbours(a)) if (a < b) candidates.push({ a, b, score: score(a, b) });
  }
  const tree: [number, number][] = [];
  let looked = 0;
  while (nodes.size > 1) {
    looked += candidates.length + 1;
    if (looked > CANDIDATES_PER_PAUSE) {
      looked = 0;
      yield;
    }
    const [a, b] = bestPair(candidates) ?? smallestPair(nodes, sizes);
    const labels = made(a, b);
    const node = leaves.length + tree.push([a, b]) - 1;
    for (const old of [a, b]) {
      for (const label of nodes.get(old)!) holders.get(label)!.delete(old);
      nodes.delete(old);
    }
    nodes.set(node, labels);
    for (const label of labels) hold(holders, label, node);
    candidates = candidates.filter((c) => c.a !== a && c.a !== b && c.b !== a && c.b !== b);
    for (const other of neighbours(node)) candidates.push({ a: other, b: node, score: score(other, node) });
  }
  return tree satisfies Tree;
}

function hold(holders: Map<number, Set<number>>, label: number, node: number): void {
  const at = holders.get(label);
  if (at === undefined) holders.set(label, new Set([node]));
  else at.add(node);
}

function bestPair(candidates: readonly Candidate[]): [number, number] | undefined {
  let best: Candidate | undefined;
  for (const candidate of candidates) if (best === undefined || candidate.score < best.score) best = candidate;
  return best && [best.a, best.b];
}

function smallestPair(nodes: ReadonlyMap<number, readonly number[]>, sizes: readonly number[]): [number, number] {
  const bySize = [...nodes].map(([node, labels]) => ({ node, size: sizeOfLabels(labels, sizes) }));
  bySize.sort((a, b) => a.size - b.size || a.node - b.node);
  return [bySize[0].node, bySize[1].node];
}
