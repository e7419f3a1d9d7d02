import { sizeOf } from '../tensor/tensor.js';

/** The strides of row-major order, in elements. */
export function rowMajorStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  for (let axis = shape.length - 1, stride = 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  return strides;
}

/** Whether elements so placed are in row-major order without gaps; strides of axes of extent 1 do not matter. */
export function isRowMajor(shape: readonly number[], strides: readonly number[]): boolean {
  const wanted = rowMajorStrides(shape);
  return sizeOf(shape) === 0 || shape.every((extent, axis) => extent === 1 || strides[axis] === wanted[axis]);
}

/** How many elements lie from the first to the last of a tensor, both included; 0 for an empty one. */
export function spanOf(shape: readonly number[], strides: readonly number[]): number {
  if (shape.includes(0)) return 0;
  return shape.reduce((span, extent, axis) => span + (extent - 1) * strides[axis], 1);
}

/**
 * Whether the places of a tensor can be walked through from the lowest to the highest by turning its axes around: true
 * for every transposed, sliced or expanded tensor, false for overlapping windows.
 */
export function isWalkable(shape: readonly number[], strides: readonly number[]): boolean {
  let reach = 0;
  for (const axis of storageOrder(shape, strides).reverse()) {
    if (strides[axis] === 0) continue;
    if (strides[axis] <= reach) return false;
    reach += (shape[axis] - 1) * strides[axis];
  }
  return true;
}

/** The axes of more than one element, that of the longest stride first. */
function storageOrder(shape: readonly number[], strides: readonly number[]): number[] {
  return [...shape.keys()].filter((axis) => shape[axis] > 1).sort((a, b) => strides[b] - strides[a]);
}

/** A typed array of whatever elements. */
interface Writable {
  [index: number]: number | bigint;
}

/**
 * Walks through a walkable tensor in the order of its elements in the file, so that it can be read from front to back,
 * and puts them where they belong in row-major order.
 */
export class StorageWalk {
  /** The place of the next element, counted from the first. */
  #place = 0;
  /** Its index in row-major order. */
  #index = 0;
  #left: number;
  readonly #extents: readonly number[];
  readonly #places: readonly number[];
  readonly #indices: readonly number[];
  readonly #counters: number[];

  constructor(shape: readonly number[], strides: readonly number[]) {
    const order = storageOrder(shape, strides);
    const indices = rowMajorStrides(shape);
    this.#left = sizeOf(shape);
    this.#extents = order.map((axis) => shape[axis]);
    this.#places = order.map((axis) => strides[axis]);
    this.#indices = order.map((axis) => indices[axis]);
    this.#counters = order.map(() => 0);
  }

  /** Moves the elements among `values`, which are those of the places from `from` on, to `target`. */
  scatter(values: ArrayLike<number | bigint>, from: number, target: Writable): void {
    const to = from + values.length;
    const [extents, places, indices, counters] = [this.#extents, this.#places, this.#indices, this.#counters];
    let [place, index, left] = [this.#place, this.#index, this.#left];
    while (left > 0 && place < to) {
      target[index] = values[place - from];
      left--;
      // Like an odometer: the last axis moves; one that is through goes back to zero and moves the axis before it.
      for (let axis = extents.length - 1; axis >= 0; axis--) {
        place += places[axis];
        index += indices[axis];
        if (++counters[axis] < extents[axis]) break;
        place -= places[axis] * extents[axis];
        index -= indices[axis] * extents[axis];
        counters[axis] = 0;
      }
    }
    [this.#place, this.#index, this.#left] = [place, index, left];
  }
}
