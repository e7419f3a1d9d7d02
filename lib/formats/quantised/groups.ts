import { TensimError } from '../../errors.js';
import type { TensorEntry } from '../entry.js';
import { wordsIn } from './numbers.js';
import { type StoredTensors, wrongShape } from './stored.js';

/** Which group of columns, that share a scale in every row, each column is in. */
export interface Groups {
  readonly of: Int32Array;
  /** Columns of a group. */
  readonly size: number;
  /** They do not lie beside each other. */
  readonly scattered?: true;
}

/** Groups of columns beside each other; undefined where they are not of one size. */
export function evenGroups(columns: number, count: number): Groups | undefined {
  const size = columns / count;
  if (!Number.isInteger(size) || size < 1) return undefined;
  return { of: Int32Array.from({ length: columns }, (_, column) => Math.floor(column / size)), size };
}

/**
 * Groups as a tensor tells them, `g_idx`: those of columns in the order of their activations do not lie together. One
 * that was never filled, with −1 or zeros alone, says nothing.
 * @throws TensimError `SHAPE_MISMATCH`; `INVALID_FILE` for groups that there are not
 */
export async function toldGroups(
  order: TensorEntry,
  columns: number,
  count: number,
  stored: StoredTensors,
): Promise<Groups | undefined> {
  const { dtype, shape, file, name } = order;
  if (dtype !== 'I32' || shape.length !== 1 || shape[0] !== columns)
    throw wrongShape(order, `of ${dtype}, and is to tell the groups of ${columns} columns`);
  const of = wordsIn(await stored.small(order));
  const even = evenGroups(columns, count);
  if (of.includes(-1) || (count > 1 && of.every((group) => group === 0))) return even;
  const odd = of.findIndex((group) => group < 0 || group >= count);
  if (odd >= 0)
    throw new TensimError('INVALID_FILE', `says that column ${odd} is in group ${of[odd]}, and there are ${count}`, {
      file,
      tensor: name,
      hint: 'It does not belong to the scales beside it: get all of the model again',
    });
  const isEven = even?.of.every((group, column) => group === of[column]);
  const isSorted = of.every((group, column) => column === 0 || group >= of[column - 1]);
  return isEven ? even : { of, size: Math.ceil(columns / count), ...(isSorted ? {} : { scattered: true as const }) };
}
