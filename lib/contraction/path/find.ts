import { TensimError } from '../../errors.js';
import { type Tree, treeCost } from '../tree.js';
import { type ExplicitPath, treeOfPath } from './explicit.js';
import { greedy } from './greedy.js';
import { mergeOperands } from './merge.js';
import { isWithinReach, OPTIMAL_LIMIT, optimal } from './optimal.js';
import type { Problem, Search } from './problem.js';
import { effortFor, randomGreedy } from './random_greedy.js';

/**
 * How the order of the products is found.
 *
 * | `optimize` | search |
 * |---|---|
 * | `auto` | optimal up to 12 operands, else random-greedy |
 * | `optimal` | the cheapest of all trees; at most 16 operands |
 * | `greedy` | one greedy tree; quick at any size |
 * | `random-greedy` | the best of many seeded greedy trees, its parts made optimal; effort grows with the predicted time |
 * | a list | this path, as numpy and opt_einsum write it: `[[1, 2], [0, 1]]` |
 */
export type Optimize = 'auto' | 'optimal' | 'greedy' | 'random-greedy' | ExplicitPath;

export interface SearchOptions {
  readonly optimize: Optimize;
  /** Of the random search. */
  readonly seed: number;
  /** Turns the cost of a tree into seconds, which say how long a search it is worth. */
  readonly secondsPerCost: number;
}

const AUTO_OPTIMAL = 12;

/**
 * A tree for the network, by the search asked for.
 * @throws TensimError `INVALID_ARGUMENT` for an explicit path that does not fit, an unknown search, or `optimal` with
 * too
 *   many operands.
 */
export function* findTree(problem: Problem, options: SearchOptions): Search {
  const { optimize } = options;
  const count = problem.network.leaves.length;
  if (typeof optimize !== 'string') {
    if (Array.isArray(optimize)) return yield* treeOfPath(optimize, count);
    throw new TensimError('INVALID_ARGUMENT', 'optimize must be the name of a search or a path');
  }
  const labels = new Set(problem.network.leaves.flat()).size;
  const reachable = isWithinReach(count, labels);
  if (optimize === 'optimal' && !reachable) {
    const what = count > OPTIMAL_LIMIT ? `${count} operands` : `${count} operands with ${labels} labels`;
    const message = `an optimal path of ${what} is out of reach; at most ${OPTIMAL_LIMIT} can be searched`;
    throw new TensimError('INVALID_ARGUMENT', message, { hint: "Use optimize: 'auto' or 'random-greedy'" });
  }
  // Merging first saves work only: where the optimal tree is affordable without it, it is also looked for without it.
  if (optimize === 'optimal' || (optimize === 'auto' && count <= AUTO_OPTIMAL && reachable))
    return yield* optimal(problem);
  const merged = yield* mergeOperands(problem.network, problem.constant);
  const inner = { ...problem, network: merged.network, constant: merged.constant };
  return extend(merged.joins, merged.nodes, count, yield* searchMerged(inner, options));
}

function* searchMerged(problem: Problem, { optimize, seed, secondsPerCost }: SearchOptions): Search {
  if (optimize === 'greedy') return yield* greedy(problem);
  const count = problem.network.leaves.length;
  const labels = new Set(problem.network.leaves.flat()).size;
  if (optimize === 'auto' && count <= AUTO_OPTIMAL && isWithinReach(count, labels)) return yield* optimal(problem);
  if (optimize !== 'auto' && optimize !== 'random-greedy') {
    throw new TensimError('INVALID_ARGUMENT', `there is no search called "${String(optimize)}"`, {
      hint: "Use 'auto', 'optimal', 'greedy', 'random-greedy' or a path such as [[0, 1], [0, 1]]",
    });
  }
  const first = yield* greedy(problem);
  const cost = yield* treeCost(problem.network, first, problem.model, problem.constant);
  const seconds = cost * secondsPerCost;
  return yield* randomGreedy(problem, effortFor(count, seconds, seed));
}

/** The merging joins followed by the tree over what they made. */
function extend(joins: Tree, nodes: readonly number[], leaves: number, tree: Tree): Tree {
  const places = [...nodes];
  const result = [...joins];
  for (const [a, b] of tree) places.push(leaves + result.push([places[a], places[b]]) - 1);
  return result;
}
