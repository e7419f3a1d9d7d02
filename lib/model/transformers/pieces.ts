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

/**
 * A piece in double precision, or a part of it, (outputs, inputs) row-major.
 * @param tensor all of that the piece is in
 */
export async function readPiece(
  piece: Piece,
  tensor: Elements | Tensor,
  pacer: Pacer,
  part: Part = {},
): Promise<Float64Array> {
  const elements = 'data' in tensor ? elementsOf(tensor.data) : tensor;
  const [outputs, inputs] = extentOf(piece, tensor)!;
  const { rows = { from: 0, to: outputs }, columns = { from: 0, to: inputs } } = part;
  const rowAt = rowsOfCut(piece, tensor.shape);
  const own = columns.to - columns.from;
  const result = new Float64Array((rows.to - rows.from) * own);
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
