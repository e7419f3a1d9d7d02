import { TensimError } from '../../errors.js';
import { valueText } from '../../words/quoting.js';
import type { Tree } from '../tree.js';
import { Places } from './places.js';
import type { Search } from './problem.js';

/** About a millisecond. */
const ENTRIES_PER_PAUSE = 512;

/**
 * A path in the convention of numpy and opt_einsum: each entry names places in the list of operands that are left;
 * these are taken out, and their product is put at the end. Entries of more than two are joined from left to right; an
 * entry of one only moves its operand to the end.
 *
 *     [[1, 2], [0, 1]]     // 'ij,jk,kl->il' from the right
 */
export type ExplicitPath = readonly (readonly number[])[];

/**
 * The tree of an explicit path.
 * @throws TensimError `INVALID_ARGUMENT` if an entry names a place that is not there or one place twice, or if more or
 *   fewer than one operand is left at the end.
 */
export function* treeOfPath(path: ExplicitPath, operands: number): Search {
  const tree: [number, number][] = [];
  const left = new Places(operands + path.length);
  for (let node = 0; node < operands; node++) left.push(node);
  for (const [i, entry] of path.entries()) {
    if (i % ENTRIES_PER_PAUSE === 0) yield;
    const where = `entry ${i} of the path`;
    if (!Array.isArray(entry) || entry.length === 0) {
      throw invalid(`${where} is not a list of places such as [0, 1]`);
    }
    for (const place of entry) {
      if (!Number.isInteger(place) || place < 0 || place >= left.length) {
        throw invalid(
          `${where} names place ${valueText(place)}, but ${left.length} operands are left (0 … ${left.length - 1})`,
        );
      }
    }
    if (new Set(entry).size !== entry.length) throw invalid(`${where} names a place twice: ${valueText(entry)}`);
    const nodes: number[] = entry.map((place: number) => left.at(place));
    for (const node of nodes) left.delete(node);
    left.push(nodes.reduce((a, b) => operands + tree.push([a, b]) - 1));
  }
  if (left.length !== 1) throw invalid(`the path leaves ${left.length} operands; it must join all of them into one`);
  return tree;
}

/** A tree as such a path. */
export function* pathOfTree(tree: Tree, operands: number): Generator<void, [number, number][]> {
  const left = new Places(operands + tree.length);
  for (let node = 0; node < operands; node++) left.push(node);
  const path: [number, number][] = [];
  for (const [t, [a, b]] of tree.entries()) {
    if (t % ENTRIES_PER_PAUSE === 0) yield;
    path.push([left.of(a), left.of(b)]);
    for (const node of [a, b]) left.delete(node);
    left.push(operands + t);
  }
  return path;
}

function invalid(message: string): TensimError {
  return new TensimError('INVALID_ARGUMENT', message, {
    hint: 'A path is a list like [[0, 1], [0, 1]]: places among the operands left, whose product goes to the end',
  });
}
