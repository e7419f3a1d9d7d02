import { stepFlops } from '../cost.js';
import { CONSTANT_WEIGHT, type Tree, treeCost } from '../tree.js';
import { greedy } from './greedy.js';
import { labelSets, wordProduct } from './label_sets.js';
import type { Problem, Search } from './problem.js';

/** Beyond this many operands the tables of the dynamic programme no longer fit. */
export const OPTIMAL_LIMIT = 16;

/**
 * Words that the label sets of all subsets may take: 64 MiB in two tables. Some hundred labels of 16 operands take a
 * fiftieth of it.
 */
const MOST_WORDS = 2 ** 23;

/** Whether the tables of the dynamic programme fit for so many operands and labels. */
export function isWithinReach(operands: number, labels: number): boolean {
  return operands <= OPTIMAL_LIMIT && 2 ** operands * Math.ceil(labels / 32) <= MOST_WORDS;
}

/** Splits looked at between two pauses: about two milliseconds. */
const SPLITS_PER_PAUSE = 50_000;
const WORDS_PER_PAUSE = 100_000;

/**
 * The cheapest of all pairwise trees, outer products included, by dynamic programming over subsets of the operands:
 * the best tree of a subset is the best split of it into two subsets and their best trees. 3ⁿ/2 splits are looked at,
 * fewer where partial trees are dearer than the whole greedy tree.
 *
 * Which labels a subset keeps depends on the subset alone (those in the output or in an operand outside), so hyperedges
 * need no special care.
 */
export function* optimal(problem: Problem): Search {
  const { network, model, constant } = problem;
  const count = network.leaves.length;
  if (count === 1) return [];
  const bound = yield* greedyBound(problem);
  const full = 2 ** count - 1;
  const { words, tables, sets } = yield* labelSets(network);
  yield;
  const { kept, sizes } = yield* subsetLabels(count, words, tables, sets);
  let constants = 0;
  for (let i = 0; i < count; i++) if (constant?.[i]) constants |= 1 << i;

  const best = new Float64Array(full + 1).fill(Number.POSITIVE_INFINITY);
  const split = new Int32Array(full + 1);
  for (let i = 0; i < count; i++) best[1 << i] = 0;
  best[full] = bound.cost;
  let looked = 0;
  for (let subset = 3; subset <= full; subset++) {
    if ((subset & (subset - 1)) === 0) continue;
    // One side holds the lowest operand, so that each split is met once.
    const lowest = subset & -subset;
    const rest = subset ^ lowest;
    const weight = (subset & ~constants) === 0 ? CONSTANT_WEIGHT : 1;
    for (let right = rest; right > 0; right = (right - 1) & rest) {
      looked++;
      const left = subset ^ right;
      const before = best[left] + best[right];
      if (before >= best[subset] || before >= bound.cost) continue;
      looked += words >> 2;
      let points = 1;
      let summed = false;
      for (let w = 0; w < words; w++) {
        const all = (kept[left * words + w] | kept[right * words + w]) >>> 0;
        points *= wordProduct(tables, w, all);
        if (all !== kept[subset * words + w]) summed = true;
      }
      const elements = sizes[left] + sizes[right] + sizes[subset];
      const join = model.perFlop * stepFlops(points, summed) + model.perElement * elements + model.perStep;
      const cost = before + weight * join;
      if (cost < best[subset]) {
        best[subset] = cost;
        split[subset] = right;
      }
    }
    if (looked >= SPLITS_PER_PAUSE) {
      looked = 0;
      yield;
    }
  }
  return split[full] === 0 ? bound.tree : treeOfSplits(split, count);
}

/** The greedy tree and what it costs: an upper bound. It may be infinite or beyond counting, then it bounds nothing. */
function* greedyBound(problem: Problem): Generator<void, { tree: Tree; cost: number }> {
  const tree = yield* greedy(problem);
  const cost = yield* treeCost(problem.network, tree, problem.model, problem.constant);
  return { tree, cost: Number.isNaN(cost) ? Number.POSITIVE_INFINITY : cost };
}

/** The labels each subset of the leaves keeps, and their index combinations. */
function* subsetLabels(
  count: number,
  words: number,
  tables: Float64Array,
  sets: Uint32Array,
): Generator<void, { kept: Uint32Array; sizes: Float64Array }> {
  const full = 2 ** count - 1;
  const perPause = Math.ceil(WORDS_PER_PAUSE / words);
  const union = new Uint32Array((full + 1) * words);
  for (let subset = 1; subset <= full; subset++) {
    if (subset % perPause === 0) yield;
    const leaf = 31 - Math.clz32(subset & -subset);
    const rest = subset & (subset - 1);
    for (let w = 0; w < words; w++) union[subset * words + w] = union[rest * words + w] | sets[leaf * words + w];
  }
  const kept = new Uint32Array((full + 1) * words);
  const sizes = new Float64Array(full + 1).fill(1);
  for (let subset = 1; subset <= full; subset++) {
    if (subset % perPause === 0) yield;
    for (let w = 0; w < words; w++) {
      const outside = union[(full ^ subset) * words + w] | sets[count * words + w];
      const bits = (union[subset * words + w] & outside) >>> 0;
      kept[subset * words + w] = bits;
      sizes[subset] *= wordProduct(tables, w, bits);
    }
  }
  return { kept, sizes };
}

function treeOfSplits(split: Int32Array, count: number): Tree {
  const tree: [number, number][] = [];
  const build = (subset: number): number => {
    if ((subset & (subset - 1)) === 0) return 31 - Math.clz32(subset);
    const right = split[subset];
    return count + tree.push([build(subset ^ right), build(right)]) - 1;
  };
  build(2 ** count - 1);
  return tree;
}
