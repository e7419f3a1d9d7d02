import { constantNodes, joinsOf, type Tree, treeCost, weightedCost } from '../tree.js';
import { optimal } from './optimal.js';
import type { Problem, Search } from './problem.js';

/** Branches of a part that is made optimal: few enough that each takes about a millisecond. */
const PART = 8;
/** A part must get cheaper by this factor, so that rounding does not keep the rounds going. */
const WORTH = 1 - 1e-9;

/** A tree with what is known of its nodes, as long as it is the tree. */
interface Known {
  readonly tree: Tree;
  readonly labels: readonly (readonly number[])[];
  /** Whether all leaves below a node are constant. */
  readonly constant: readonly boolean[];
  /** Of the join that makes a node; 0 for a leaf. */
  readonly costs: readonly number[];
  readonly cost: number;
}

/**
 * A tree at least as cheap: around every join, the part of the tree that reaches down to at most eight branches is
 * replaced by the optimal tree of these branches, until nothing gets cheaper or after `rounds`
 * (cotengra's subtree reconfiguration). A part is looked at by itself; the whole tree only where one was replaced.
 */
export function* improve(problem: Problem, start: Tree, rounds: number): Search {
  const leaves = problem.network.leaves.length;
  let known = yield* knownOf(problem, start);
  for (let round = 0; round < rounds; round++) {
    let changed = false;
    for (let join = start.length - 1; join >= 0; join--) {
      const better = yield* improveAt(problem, known, leaves + join);
      if (better !== undefined) {
        known = yield* knownOf(problem, better);
        changed = true;
      }
      yield;
    }
    if (!changed) break;
  }
  return known.tree;
}

function* knownOf({ network, model, constant }: Problem, tree: Tree): Generator<void, Known> {
  const joins = yield* joinsOf(network, tree);
  const flags = constantNodes(tree, network.leaves.length, constant);
  const costs = joins.map((join) => weightedCost(join, network.sizes, model, flags[join.node]));
  return {
    tree,
    labels: [...network.leaves, ...joins.map(({ kept }) => kept)],
    constant: flags,
    costs: [...network.leaves.map(() => 0), ...costs],
    cost: costs.reduce((sum, cost) => sum + cost, 0),
  };
}

function* improveAt({ network, model }: Problem, known: Known, node: number): Generator<void, Tree | undefined> {
  const { tree, labels, constant, costs, cost } = known;
  const leaves = network.leaves.length;
  const { branches, opened } = branchesBelow(tree, leaves, node);
  if (branches.length < 3) return undefined;
  const part = { leaves: branches.map((n) => labels[n]), output: labels[node], sizes: network.sizes };
  const inside = branches.map((n) => constant[n]);
  const subtree = yield* optimal({ network: part, model, constant: inside });
  const before = opened.reduce((sum, n) => sum + costs[n], 0);
  const after = yield* treeCost(part, subtree, model, inside);
  if (cost < Number.POSITIVE_INFINITY) {
    if (!(cost - before + after < cost * WORTH)) return undefined;
    return replacePart(tree, leaves, node, branches, subtree);
  }
  // A cost beyond the range of numbers has no difference to a part of it.
  const better = replacePart(tree, leaves, node, branches, subtree);
  return (yield* knownOf({ network, model, constant: constant.slice(0, leaves) }, better)).cost < cost * WORTH
    ? better
    : undefined;
}

/**
 * Up to `PART` nodes that together make up `node`: it is opened up, always the join made last first. `opened` are the
 * joins between.
 */
function branchesBelow(tree: Tree, leaves: number, node: number): { branches: number[]; opened: number[] } {
  const branches = [node];
  const opened: number[] = [];
  while (branches.length < PART) {
    const open = branches.reduce((latest, n) => (n >= leaves && n > latest ? n : latest), -1);
    if (open < 0) break;
    const [a, b] = tree[open - leaves];
    branches.splice(branches.indexOf(open), 1, a, b);
    opened.push(open);
  }
  return { branches, opened };
}

/** `tree` with the joins between `branches` and `node` replaced by `subtree`, nodes numbered anew. */
function replacePart(tree: Tree, leaves: number, node: number, branches: readonly number[], subtree: Tree): Tree {
  const result: [number, number][] = [];
  const renamed = new Map<number, number>();
  // On an explicit stack: a tree of thousands of operands in a row is deeper than the call stack.
  const stack = [leaves + tree.length - 1];
  const place = (n: number) => (n < leaves ? n : renamed.get(n));
  while (stack.length > 0) {
    const n = stack.at(-1)!;
    const children = n === node ? branches : n < leaves ? [] : tree[n - leaves];
    const next = children.find((child) => place(child) === undefined);
    if (next !== undefined) stack.push(next);
    else {
      stack.pop();
      if (place(n) !== undefined) continue;
      const local = children.map((child) => place(child)!);
      for (const [a, b] of n === node ? subtree : [[0, 1] as const]) {
        local.push(leaves + result.push([local[a], local[b]]) - 1);
      }
      renamed.set(n, local.at(-1)!);
    }
  }
  return result;
}
