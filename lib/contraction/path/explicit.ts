import { TensimError } from '../../errors.js';
import { valueText } from '../../words/quoting.js';
import type { Tree } from '../tree.js';

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
export function treeOfPath(path: ExplicitPath, operands: number): Tree {
  const tree: [number, number][] = [];
  const left = Array.from({ length: operands }, (_, i) => i);
  for (const [i, entry] of path.entries()) {
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
    const nodes: number[] = entry.map((place: number) => left[place]);
    for (const place of [...entry].sort((a: number, b: number) => b - a)) left.splice(place, 1);
    left.push(nodes.reduce((a, b) => operands + tree.push([a, b]) - 1));
  }
  if (left.length !== 1) throw invalid(`the path leaves ${left.length} operands; it must join all of them into one`);
  return tree;
}

/** A tree as such a path. */
export function pathOfTree(tree: Tree, operands: number): [number, number][] {
  const left = Array.from({ length: operands }, (_, i) => i);
  return tree.map(([a, b], t) => {
    const places: [number, number] = [left.indexOf(a), left.indexOf(b)];
    for (const node of [a, b]) left.splice(left.indexOf(node), 1);
    left.push(operands + t);
    return places;
  });
}

function invalid(message: string): TensimError {
  return new TensimError('INVALID_ARGUMENT', message, {
    hint: 'A path is a list like [[0, 1], [0, 1]]: places among the operands left, whose product goes to the end',
  });
}
