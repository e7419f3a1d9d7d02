import { finish } from '../cooperate.js';
import type { Equation } from './equation.js';

/** About a millisecond. */
const OPERANDS_PER_PAUSE = 1024;

/**
 * What a path search sees: operands as sets of labels. Labels of size 1 are gone, diagonals taken, and labels that one
 * operand has alone are summed before anything else, so a label of a leaf is in the output or in another leaf.
 */
export interface Network {
  /** Distinct labels of each leaf. */
  readonly leaves: readonly (readonly number[])[];
  readonly output: readonly number[];
  /** Extent by label. */
  readonly sizes: readonly number[];
}

/** How one operand becomes a leaf. */
export interface LeafSource {
  /** Distinct labels of the operand with size other than 1: what a strided view of it can show. */
  readonly labels: readonly number[];
  /** Those of them that are nowhere else: summed at once. */
  readonly lone: readonly number[];
}

export interface SimplifiedNetwork extends Network {
  /** Parallel to `leaves`. */
  readonly sources: readonly LeafSource[];
}

/**
 * The simplifications that are always right, whatever the path: drop labels of size 1 (and axes that stretch), take
 * diagonals, sum lone labels.
 *
 *     'iij,jk,l->k'   with l of size 1:   leaves {j}, {j,k}, {};   i is summed over the diagonal of the first operand
 */
export function simplifyOperands(equation: Equation): SimplifiedNetwork {
  return finish(simplifySteps(equation));
}

/** The same with pauses. */
export function* simplifySteps(equation: Equation): Generator<void, SimplifiedNetwork> {
  const { sizes, inputs, shapes } = equation;
  const shown: number[][] = [];
  for (const [operand, labels] of inputs.entries()) {
    if (operand % OPERANDS_PER_PAUSE === 0) yield;
    const seen = labels.filter((label, axis) => sizes[label] !== 1 && shapes[operand][axis] === sizes[label]);
    shown.push([...new Set(seen)]);
  }
  const holders = new Int32Array(sizes.length);
  for (const labels of shown) for (const label of labels) holders[label]++;
  for (const label of equation.output) holders[label]++;
  const sources = shown.map((labels) => ({ labels, lone: labels.filter((label) => holders[label] === 1) }));
  yield;
  return {
    leaves: shown.map((labels) => labels.filter((label) => holders[label] > 1)),
    output: equation.output.filter((label) => sizes[label] !== 1),
    sizes,
    sources,
  };
}

/** The number of index combinations of some labels. */
export function sizeOfLabels(labels: Iterable<number>, sizes: readonly number[]): number {
  let size = 1;
  for (const label of labels) size *= sizes[label];
  return size;
}
