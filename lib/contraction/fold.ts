import type { Equation } from './equation.js';
import type { SimplifiedNetwork } from './network.js';
import { constantNodes, joinsOf, type Tree } from './tree.js';

/** A subtree of constants alone, as an equation of its own. */
export interface ConstantPart {
  readonly equation: Equation;
  readonly tree: Tree;
  /** The operands of the whole equation it takes, in its order. */
  readonly operands: readonly number[];
}

/** An equation whose products of constants are taken out: what remains to be done in every run. */
export interface Folded {
  readonly parts: readonly ConstantPart[];
  readonly equation: Equation;
  readonly tree: Tree;
  /** Where the operands of `equation` come from. */
  readonly operands: readonly OperandOrPart[];
}

export type OperandOrPart = { readonly operand: number } | { readonly part: number };

/**
 * Cuts a tree at the largest subtrees made of constants only.
 *
 *     'ij,jk,kl->il' with operands 1 and 2 constant, joined first:   part 'jk,kl->jl', rest 'ij,jl->il'
 */
export function* foldConstants(
  equation: Equation,
  network: SimplifiedNetwork,
  tree: Tree,
  constant: readonly boolean[],
): Generator<void, Folded> {
  const leaves = network.leaves.length;
  const folded = constantNodes(tree, leaves, constant);
  const joins = yield* joinsOf(network, tree);
  const parts: ConstantPart[] = [];
  const operands: OperandOrPart[] = [];
  const places = new Map<number, number>();
  const inputs: (readonly number[])[] = [];
  const shapes: (readonly number[])[] = [];

  const addLeaf = (node: number): void => {
    const lone = node < leaves && network.sources[node].lone.length > 0;
    places.set(node, operands.length);
    if (node < leaves && !(folded[node] && lone)) {
      operands.push({ operand: node });
      inputs.push(equation.inputs[node]);
      shapes.push(equation.shapes[node]);
      return;
    }
    const output = node < leaves ? network.leaves[node] : joins[node - leaves].kept;
    operands.push({ part: parts.push(partBelow(equation, tree, leaves, node, output)) - 1 });
    inputs.push(output);
    shapes.push(output.map((label) => equation.sizes[label]));
  };
  const rest: number[] = [];
  const root = leaves + tree.length - 1;
  for (const node of below(tree, leaves, root, (at) => folded[at])) {
    if (node < leaves || folded[node]) addLeaf(node);
    else rest.push(node);
    if ((operands.length + rest.length) % 1024 === 0) yield;
  }
  for (const [i, node] of rest.entries()) places.set(node, operands.length + i);
  return {
    parts,
    equation: { ...equation, inputs, shapes },
    tree: rest.map((node) => tree[node - leaves].map((child) => places.get(child)!) as [number, number]),
    operands,
  };
}

/** The subtree below a node, over the operands it reaches. */
function partBelow(
  equation: Equation,
  tree: Tree,
  leaves: number,
  node: number,
  output: readonly number[],
): ConstantPart {
  const operands: number[] = [];
  const inside: number[] = [];
  for (const at of below(tree, leaves, node, () => false)) (at < leaves ? operands : inside).push(at);
  const places = new Map([...operands, ...inside].map((at, i) => [at, i]));
  return {
    operands,
    equation: {
      ...equation,
      inputs: operands.map((operand) => equation.inputs[operand]),
      shapes: operands.map((operand) => equation.shapes[operand]),
      output,
    },
    tree: inside.map((at) => tree[at - leaves].map((child) => places.get(child)!) as [number, number]),
  };
}

/**
 * The nodes below one and itself, children first, leaves and ends without what is below them. On an explicit stack: a
 * tree of thousands of operands in a row is deeper than the call stack.
 */
function* below(tree: Tree, leaves: number, node: number, ends: (node: number) => boolean): Generator<number> {
  const stack = [{ node, ready: false }];
  while (stack.length > 0) {
    const { node: at, ready } = stack.pop()!;
    if (ready || at < leaves || ends(at)) {
      yield at;
      continue;
    }
    const [a, b] = tree[at - leaves];
    stack.push({ node: at, ready: true }, { node: b, ready: false }, { node: a, ready: false });
  }
}
