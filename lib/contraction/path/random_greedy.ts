import { mulberry32 } from '../random.js';
import { type Tree, treeCost } from '../tree.js';
import { greedy } from './greedy.js';
import { improve } from './improve.js';
import type { Problem, Search } from './problem.js';

export interface Effort {
  readonly seed: number;
  /** Greedy trees tried; the same number gives the same tree on every machine. */
  readonly trials: number;
  /** Rounds of making parts of the best of them optimal. */
  readonly rounds: number;
}

/** Trials are worth about this part of the time the contraction is predicted to take. */
const SEARCH_SHARE = 0.1;
const MOST_TRIALS = 512;
const FEWEST_TRIALS = 2;
const MOST_ROUNDS = 8;
/** Of more operands than these no parts are made optimal: a round takes about a millisecond for each. */
const MOST_IMPROVED = 8192;
/** Below this many seconds a contraction is not worth more than one round. */
const QUICK = 0.01;
/** Seconds one greedy tree takes per operand squared; measured, and a constant so that results can be repeated. */
const SECONDS_PER_PAIR = 1e-6;

/** The search that a contraction of `operands` which would take `seconds` by the greedy tree is worth. */
export function effortFor(operands: number, seconds: number, seed: number): Effort {
  const trials = (SEARCH_SHARE * seconds) / (SECONDS_PER_PAIR * operands * operands);
  return {
    seed,
    trials: Math.ceil(Math.min(MOST_TRIALS, Math.max(FEWEST_TRIALS, trials))),
    rounds: operands > MOST_IMPROVED ? 0 : seconds < QUICK ? 1 : MOST_ROUNDS,
  };
}

/**
 * The best of many greedy trees, each strayed by a different amount, with its parts then made optimal. Seeded: the same
 * seed and effort give the same tree.
 */
export function* randomGreedy(problem: Problem, effort: Effort): Search {
  const random = mulberry32(effort.seed);
  let best: Tree = yield* greedy(problem);
  let cost = yield* treeCost(problem.network, best, problem.model, problem.constant);
  for (let trial = 0; trial < effort.trials; trial++) {
    const tree = yield* greedy(problem, { random, temperature: random() ** 2, balance: 0.5 + random() });
    const found = yield* treeCost(problem.network, tree, problem.model, problem.constant);
    if (found < cost) {
      best = tree;
      cost = found;
    }
    yield;
  }
  return yield* improve(problem, best, effort.rounds);
}
