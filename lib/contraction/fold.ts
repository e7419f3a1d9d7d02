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
export function foldConstants(
  equation: Equation,
  network: SimplifiedNetwork,
  tree: Tree,
  constant: readonly boolean[],
): Folded {
  const leaves = network.leaves.length;
  const folded = constantNodes(tree, leaves, constant);
  const joins = joinsOf(network, tree);
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
  const visit = (node: number): void => {
    if (node < leaves || folded[node]) {
      addLeaf(node);
      return;
    }
    for (const child of tree[node - leaves]) visit(child);
    rest.push(node);
  };
  visit(root);
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
  const visit = (at: number): void => {
    if (at < leaves) {
      operands.push(at);
      return;
    }
    for (const child of tree[at - leaves]) visit(child);
    inside.push(at);
  };
  visit(node);
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
