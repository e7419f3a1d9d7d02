import { constantNodes, joinsOf, type Tree, treeCost } from '../tree.js';
import { optimal } from './optimal.js';
import type { Problem, Search } from './problem.js';

/** Branches of a part that is made optimal: few enough that each takes about a millisecond. */
const PART = 8;
/** A part must get cheaper by this factor, so that rounding does not keep the rounds going. */
const WORTH = 1 - 1e-9;

/**
 * A tree at least as cheap: around every join, the part of the tree that reaches down to at most eight branches is
 * replaced by the optimal tree of these branches, until nothing gets cheaper or after `rounds`
 * (cotengra's subtree reconfiguration).
 */
export function* improve(problem: Problem, start: Tree, rounds: number): Search {
  const leaves = problem.network.leaves.length;
  let tree = start;
  for (let round = 0; round < rounds; round++) {
    let changed = false;
    for (let join = tree.length - 1; join >= 0; join--) {
      const better = yield* improveAt(problem, tree, leaves + join);
      if (better !== undefined) {
        tree = better;
        changed = true;
      }
      yield;
    }
    if (!changed) break;
  }
  return tree;
}

function* improveAt(problem: Problem, tree: Tree, node: number): Generator<void, Tree | undefined> {
  const { network, model, constant } = problem;
  const leaves = network.leaves.length;
  const joins = joinsOf(network, tree);
  const labelsOf = (n: number) => (n < leaves ? network.leaves[n] : joins[n - leaves].kept);
  const branches = branchesBelow(tree, leaves, node, (n) => (n < leaves ? 0 : joins[n - leaves].node));
  if (branches.length < 3) return undefined;
  const inside = constantNodes(tree, leaves, constant);
  const part = { leaves: branches.map(labelsOf), output: labelsOf(node), sizes: network.sizes };
  const subtree = yield* optimal({ network: part, model, constant: branches.map((n) => inside[n]) });
  const better = replacePart(tree, leaves, node, branches, subtree);
  const cost = (candidate: Tree) => treeCost(network, candidate, model, constant);
  return cost(better) < cost(tree) * WORTH ? better : undefined;
}

/** Up to `PART` nodes that together make up `node`: it is opened up, always the join made last first. */
function branchesBelow(tree: Tree, leaves: number, node: number, made: (node: number) => number): number[] {
  const branches = [node];
  while (branches.length < PART) {
    const open = branches.reduce((latest, n) => (made(n) > made(latest) ? n : latest));
    if (open < leaves) break;
    const [a, b] = tree[open - leaves];
    branches.splice(branches.indexOf(open), 1, a, b);
  }
  return branches;
}

/** `tree` with the joins between `branches` and `node` replaced by `subtree`, nodes numbered anew. */
function replacePart(tree: Tree, leaves: number, node: number, branches: readonly number[], subtree: Tree): Tree {
  const result: [number, number][] = [];
  const renamed = new Map<number, number>();
  const build = (n: number): number => {
    const known = n < leaves ? n : renamed.get(n);
    if (known !== undefined) return known;
    let made: number;
    if (n === node) {
      const local = branches.map(build);
      for (const [a, b] of subtree) local.push(leaves + result.push([local[a], local[b]]) - 1);
      made = local.at(-1)!;
    } else {
      const [a, b] = tree[n - leaves];
      made = leaves + result.push([build(a), build(b)]) - 1;
    }
    renamed.set(n, made);
    return made;
  };
  build(leaves + tree.length - 1);
  return result;
}
