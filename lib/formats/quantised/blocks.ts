import { sizeOf } from '../../tensor/tensor.js';

/** How many elements share a scale along each axis. */
export type Blocks = readonly number[];

/** The blocks that FP8 is stored in, unless something else is said. */
const USUAL = 128;

/**
 * Which elements of a weight share a scale, by the shape of the scales: one for all, one for each row, or one for each
 * block along some axes; the last block of an axis may be shorter. Undefined for shapes that do not fit.
 * @param told the sizes of blocks along the last axes, where they are said
 * @param isEven blocks are of one size rather than of the usual one
 */
export function blocksOf(
  shape: readonly number[],
  scales: readonly number[],
  { told = [], isEven = false }: { readonly told?: readonly number[]; readonly isEven?: boolean } = {},
): Blocks | undefined {
  if (sizeOf(scales) === 1) return shape;
  if (scales.length > shape.length) return undefined;
  // Scales without the last axes are one for all along these.
  const extents = shape.map((_, axis) => scales[axis] ?? 1);
  const toldAt = (axis: number) => told[told.length - shape.length + axis];
  const blocks = extents.map((count, axis) => {
    const size = shape[axis];
    if (count === 1) return size;
    if (count === size) return 1;
    const fits = (block: number | undefined): block is number =>
      block !== undefined && block > 0 && Math.ceil(size / block) === count;
    const even = size % count === 0 ? size / count : undefined;
    return [toldAt(axis), ...(isEven ? [even, USUAL] : [USUAL, even])].find(fits);
  });
  return blocks.every((block) => block !== undefined) ? blocks : undefined;
}

/** Where in its scales the rows of a weight of these blocks begin, rows counted over all axes but the last. */
export class ScaleRows {
  readonly #extents: readonly number[];
  readonly #blocks: Blocks;
  /** Scales along the last axis. */
  readonly width: number;
  /** Elements along the last axis that share one. */
  readonly block: number;

  constructor(shape: readonly number[], blocks: Blocks) {
    this.#extents = shape.slice(0, -1);
    this.#blocks = blocks.slice(0, -1);
    this.block = blocks.at(-1)!;
    this.width = Math.ceil(shape.at(-1)! / this.block);
  }

  /** The place of the first scale of a row. */
  at(row: number): number {
    let [place, step, rest] = [0, this.width, row];
    for (let axis = this.#extents.length - 1; axis >= 0; axis--) {
      const [extent, block] = [this.#extents[axis], this.#blocks[axis]];
      place += Math.floor((rest % extent) / block) * step;
      step *= Math.ceil(extent / block);
      rest = Math.floor(rest / extent);
    }
    return place;
  }

  /** How many rows share the same scales, where so many after each other always do; else undefined. */
  get shared(): number | undefined {
    let shared = 1;
    for (let axis = this.#extents.length - 1; axis >= 0; axis--) {
      const [extent, block] = [this.#extents[axis], this.#blocks[axis]];
      shared *= block;
      // All below is one: the next axis goes on with it. Else blocks must not be cut, and nothing above may share.
      if (block >= extent) continue;
      const isWhole = extent % block === 0 || axis === 0;
      return isWhole && this.#blocks.slice(0, axis).every((one) => one === 1) ? shared : undefined;
    }
    return shared;
  }
}
