import type { Pacer } from '../../cooperate.js';
import { copyCut, extentOfCut } from '../../tensor/cut.js';
import type { Tensor } from '../../tensor/tensor.js';
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

/**
 * A piece in double precision, (outputs, inputs) row-major.
 * @param tensor as it was read
 */
export async function readPiece(piece: Piece, tensor: Tensor, pacer: Pacer): Promise<Float64Array> {
  const [outputs, inputs] = extentOfCut(piece, tensor.shape)!;
  return copyCut(piece, tensor, new Float64Array(outputs * inputs), pacer);
}
