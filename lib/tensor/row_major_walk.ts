import type { TensorData } from './tensor.js';

/** Walks through the elements of a strided tensor in row-major order, some at a time. */
export class RowMajorWalk {
  readonly #data: TensorData;
  readonly #shape: readonly number[];
  readonly #strides: readonly number[];
  readonly #index: number[];
  /** Where the next element lies. */
  #place = 0;

  constructor(data: TensorData, shape: readonly number[], strides: readonly number[]) {
    this.#data = data;
    this.#shape = shape;
    this.#strides = strides;
    this.#index = shape.map(() => 0);
  }

  /** The next elements, as many as `target` has room for. */
  fill(target: TensorData): void {
    const [data, shape, strides, index] = [this.#data, this.#shape, this.#strides, this.#index];
    let place = this.#place;
    for (let i = 0; i < target.length; i++) {
      target[i] = data[place];
      // Like an odometer: the last axis moves; one that is through goes back to zero and moves the axis before it.
      for (let axis = shape.length - 1; axis >= 0; axis--) {
        place += strides[axis];
        if (++index[axis] < shape[axis]) break;
        place -= strides[axis] * shape[axis];
        index[axis] = 0;
      }
    }
    this.#place = place;
  }
}
