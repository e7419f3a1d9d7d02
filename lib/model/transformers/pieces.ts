import type { Pacer } from '../../cooperate.js';
import { sizeOf, type Tensor } from '../../tensor/tensor.js';
import type { TensorInfo } from '../blueprint.js';
import type { Piece } from './network.js';

/** The outputs and inputs of a piece; a vector has 1 input. Undefined where the tensor is no such thing. */
export function extentOf(
  piece: Piece,
  { shape }: Pick<TensorInfo, 'shape'>,
): [outputs: number, inputs: number] | undefined {
  const own = piece.expert === undefined ? shape : shape.slice(1);
  if (piece.expert !== undefined && !(piece.expert < shape[0])) return undefined;
  if (own.length === 0 || sizeOf(own) === 0) return undefined;
  let [rows, columns] = own.length === 1 ? [own[0], 1] : [sizeOf(own.slice(0, -1)), own[own.length - 1]];
  if (piece.perHead) {
    if (own.length !== 3) return undefined;
    [rows, columns] = [own[0] * own[2], own[1]];
  } else if (piece.transposed) [rows, columns] = [columns, rows];
  const { rows: runs } = piece;
  if (runs === undefined) return [rows, columns];
  const end = runs.start + (runs.count - 1) * runs.stride + runs.run;
  return end <= rows ? [runs.run * runs.count, columns] : undefined;
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
  const [outputs, inputs] = extentOf(piece, tensor)!;
  const { expert, perHead, transposed, rows } = piece;
  const size = expert === undefined ? 0 : sizeOf(tensor.shape.slice(1));
  const data = tensor.data.subarray(
    expert === undefined ? 0 : expert * size,
    expert === undefined ? undefined : (expert + 1) * size,
  );
  const [stored, width] = [data.length / inputs, tensor.shape[tensor.shape.length - 1]];
  const result = new Float64Array(outputs * inputs);
  for (let i = 0; i < outputs; i++) {
    const row = rows === undefined ? i : rows.start + Math.floor(i / rows.run) * rows.stride + (i % rows.run);
    // Where the row begins, and how far it is from one of its elements to the next.
    const [at, step] = perHead
      ? [Math.floor(row / width) * inputs * width + (row % width), width]
      : transposed
        ? [row, stored]
        : [row * inputs, 1];
    for (let j = 0; j < inputs; j++) result[i * inputs + j] = data[at + j * step];
    if (pacer.due(inputs)) await pacer.pause();
  }
  return result;
}
