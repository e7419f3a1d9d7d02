import type { Pacer } from '../cooperate.js';
import { sizeOf, type Tensor, type TensorData } from './tensor.js';

/* Matrices and vectors that lie within a tensor of a checkpoint, in whatever order. */

/** Rows of a matrix, in runs: `count` runs of `run` rows, each `stride` rows behind the one before. */
export interface Runs {
  readonly start: number;
  readonly run: number;
  readonly stride: number;
  readonly count: number;
}

/** Which matrix of outputs by inputs, or which vector over outputs, is meant of a tensor. */
export interface Cut {
  /** Which of the first axis is meant, of experts that are stacked in one tensor. */
  readonly expert?: number;
  /** The tensor is (heads, in, width), and row (h, j) of the matrix is its [h, :, j]. */
  readonly perHead?: true;
  /** The tensor, all axes but the last taken as one, is stored as inputs by outputs. */
  readonly transposed?: true;
  /** All elements one after the other are meant, as a vector. */
  readonly vector?: true;
  /** Of the matrix of outputs by inputs; absent: all. */
  readonly rows?: Runs;
}

/** The outputs and inputs of a cut; a vector has 1 input. Undefined where a tensor of this shape has no such thing. */
export function extentOfCut(
  cut: Cut,
  shape: readonly number[],
): readonly [outputs: number, inputs: number] | undefined {
  const { expert, perHead, transposed, vector, rows: runs } = cut;
  const own = expert === undefined ? shape : shape.slice(1);
  if (expert !== undefined && !(expert < shape[0])) return undefined;
  if (own.length === 0 || sizeOf(own) === 0) return undefined;
  const isVector = vector === true || own.length === 1;
  let [rows, columns] = isVector ? [sizeOf(own), 1] : [sizeOf(own.slice(0, -1)), own[own.length - 1]];
  if (perHead) {
    if (own.length !== 3) return undefined;
    [rows, columns] = [own[0] * own[2], own[1]];
  } else if (transposed) [rows, columns] = [columns, rows];
  if (runs === undefined) return [rows, columns];
  const end = runs.start + (runs.count - 1) * runs.stride + runs.run;
  return end <= rows ? [runs.run * runs.count, columns] : undefined;
}

/** The shape of a cut as a part of a layer: a matrix, or a vector. */
export function shapeOfCut(cut: Cut, shape: readonly number[]): readonly number[] | undefined {
  const extent = extentOfCut(cut, shape);
  const isVector = cut.vector === true || shape.length === (cut.expert === undefined ? 1 : 2);
  return extent && (isVector ? [extent[0]] : extent);
}

/**
 * Where the rows of a cut lie in its tensor: of each the place of its first element, and how far it is from one of its
 * elements to the next.
 */
export function rowsOfCut(cut: Cut, shape: readonly number[]): (row: number) => readonly [at: number, step: number] {
  const [, inputs] = extentOfCut(cut, shape)!;
  const { expert, perHead, transposed, rows } = cut;
  const size = sizeOf(expert === undefined ? shape : shape.slice(1));
  const [from, width, stored] = [(expert ?? 0) * size, shape[shape.length - 1], size / inputs];
  return (i) => {
    const row = rows === undefined ? i : rows.start + Math.floor(i / rows.run) * rows.stride + (i % rows.run);
    if (perHead) return [from + Math.floor(row / width) * inputs * width + (row % width), width];
    return transposed ? [from + row, stored] : [from + row * inputs, 1];
  };
}

/** Rows and columns of what is copied together: of a transpose, elements of a row are neighbours of those of the next. */
const TILE = 64;

/**
 * Copies a cut row by row.
 * @param tensor that has it
 * @param into as many elements as it has, (outputs, inputs) row-major
 */
export async function copyCut<Data extends TensorData>(
  cut: Cut,
  { data, shape }: Tensor,
  into: Data,
  pacer: Pacer,
): Promise<Data> {
  const [outputs, inputs] = extentOfCut(cut, shape)!;
  const rowAt = rowsOfCut(cut, shape);
  // Alike in all rows. Rows in one piece are copied whole.
  const [, step] = rowAt(0);
  const wide = step === 1 ? inputs : TILE;
  for (let first = 0; first < outputs; first += TILE)
    for (let from = 0; from < inputs; from += wide) {
      const [last, to] = [Math.min(first + TILE, outputs), Math.min(from + wide, inputs)];
      for (let row = first; row < last; row++) {
        const [at] = rowAt(row);
        if (step === 1) into.set(data.subarray(at, at + inputs), row * inputs);
        else for (let j = from; j < to; j++) into[row * inputs + j] = data[at + j * step];
      }
      if (pacer.due((last - first) * (to - from))) await pacer.pause();
    }
  return into;
}

/** The transpose of a matrix, (rows, columns) row-major, in float64. */
export async function transposed(data: TensorData, rows: number, columns: number, pacer: Pacer): Promise<Float64Array> {
  const result = new Float64Array(data.length);
  if (result.length === 0) return result;
  return copyCut({ transposed: true }, { data, shape: [rows, columns] }, result, pacer);
}
