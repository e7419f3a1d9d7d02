import type { Pacer } from '../../cooperate.js';
import { extentOfCut, rowsOfCut } from '../../tensor/cut.js';
import type { Tensor, TensorData } from '../../tensor/tensor.js';
import type { TensorInfo } from '../blueprint.js';
import type { Piece } from './network.js';

/** The outputs and inputs of a piece; a vector has 1 input. Undefined where the tensor is no such thing. */
export function extentOf(
  piece: Piece,
  { shape }: Pick<TensorInfo, 'shape'>,
): readonly [outputs: number, inputs: number] | undefined {
  return extentOfCut(piece, shape);
}

/** The transpose of a piece that is all of its tensor. */
export function turned({ transposed, ...piece }: Omit<Piece, 'perHead' | 'rows'>): Piece {
  return transposed ? piece : { ...piece, transposed: true };
}

/** Rows of a matrix, or columns, from one to the one before another. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** Which part of a piece is wanted; all, where nothing is said. */
export interface Part {
  readonly rows?: Span | undefined;
  readonly columns?: Span | undefined;
}

/** Elements of a tensor, row-major, wherever they are kept. */
export interface Elements extends Pick<TensorInfo, 'shape'> {
  /** Puts the elements `at`, `at + step`, … into `into[to…]`. */
  copy(at: number, count: number, step: number, into: Float64Array, to: number): void;
}

/** Columns that are transposed at a time. */
const BAND = 64;

/**
 * A piece in double precision, or a part of it, (outputs, inputs) row-major.
 * @param tensor all of that the piece is in
 * @param make gives an array for it, of any content
 */
export async function readPiece(
  piece: Piece,
  tensor: Elements | Tensor,
  pacer: Pacer,
  part: Part = {},
  make = (length: number): Float64Array => new Float64Array(length),
): Promise<Float64Array> {
  const elements = 'data' in tensor ? elementsOf(tensor.data) : tensor;
  const [outputs, inputs] = extentOf(piece, tensor)!;
  const { rows = { from: 0, to: outputs }, columns = { from: 0, to: inputs } } = part;
  const rowAt = rowsOfCut(piece, tensor.shape);
  const own = columns.to - columns.from;
  const result = make((rows.to - rows.from) * own);
  if (piece.transposed && !piece.perHead && piece.rows === undefined) {
    // What lies together is read together, some columns at a time: element by element each would be a page of its own.
    const count = rows.to - rows.from;
    const [first, stored] = rowAt(rows.from);
    const band = new Float64Array(Math.min(own, BAND) * count);
    for (let j = 0; j < own; j += BAND) {
      const some = Math.min(BAND, own - j);
      for (let k = 0; k < some; k++) elements.copy(first + (columns.from + j + k) * stored, count, 1, band, k * count);
      for (let i = 0; i < count; i++) {
        for (let k = 0; k < some; k++) result[i * own + j + k] = band[k * count + i];
        if (pacer.due(2 * some)) await pacer.pause();
      }
    }
    return result;
  }
  for (let i = rows.from; i < rows.to; i++) {
    const [at, step] = rowAt(i);
    elements.copy(at + columns.from * step, own, step, result, (i - rows.from) * own);
    if (pacer.due(own)) await pacer.pause();
  }
  return result;
}

const elementsOf = (data: TensorData): Pick<Elements, 'copy'> => ({
  copy(at, count, step, into, to) {
    for (let i = 0, from = at; i < count; i++, from += step) into[to + i] = data[from];
  },
});

/**
 * The elements of the tensor that rows of a piece are, where they lie one behind the other; undefined where they do not.
 */
export function runOf(piece: Piece, rows: Span, inputs: number): Span | undefined {
  const { expert, perHead, transposed, rows: runs } = piece;
  if (expert !== undefined || perHead || transposed || runs !== undefined) return undefined;
  return { from: rows.from * inputs, to: rows.to * inputs };
}
