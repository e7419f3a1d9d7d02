import type { GramTile } from '../backend/grams.js';
import type { Job } from '../similarity/gram/schedule.js';
import type { ScaledTile } from '../similarity/scale/model_scale.js';

/** A job within a job: its products begin at this row and this column of the whole. */
export interface Part {
  readonly job: Job;
  readonly row: number;
  readonly column: number;
}

/** Cuts a job into such with at most so many models on a side, those of a row after each other. */
export function* partsOf({ rows, columns, symmetric }: Job, side: number): Generator<Part> {
  for (let row = 0; row < rows.length; row += side) {
    const own = rows.slice(row, row + side);
    for (let column = symmetric ? row : 0; column < columns.length; column += side) {
      const isOwn = symmetric && column === row;
      const job = { rows: own, columns: isOwn ? own : columns.slice(column, column + side), symmetric: isOwn };
      yield { job, row, column };
    }
  }
}

type Numbers = Float64Array | Int32Array;
type Arrays = { -readonly [name in keyof ScaledTile]?: Numbers | undefined };

/** Puts the tiles of the parts of a job together. */
export class Joined {
  readonly #whole: Job;
  readonly #arrays: Arrays = {};

  constructor(whole: Job) {
    this.#whole = whole;
  }

  put({ job, row, column }: Part, tile: GramTile | ScaledTile): void {
    const width = job.columns.length;
    const { rows, columns, symmetric } = this.#whole;
    for (const [name, array] of Object.entries(tile) as [keyof ScaledTile, Numbers | undefined][]) {
      if (array === undefined) continue;
      const size = array.length / (job.rows.length * width);
      this.#arrays[name] ??= new (array.constructor as new (length: number) => Numbers)(
        rows.length * columns.length * size,
      );
      const whole = this.#arrays[name];
      for (let r = 0; r < job.rows.length; r++) {
        whole.set(
          array.subarray(r * width * size, (r + 1) * width * size),
          ((row + r) * columns.length + column) * size,
        );
        // Products above the diagonal stand below it too, as backends return them.
        for (let c = 0; symmetric && row !== column && c < width; c++) {
          const cell = array.subarray((r * width + c) * size, (r * width + c + 1) * size);
          whole.set(cell, ((column + c) * columns.length + row + r) * size);
        }
      }
    }
  }

  get tile(): GramTile | ScaledTile {
    return this.#arrays as unknown as GramTile | ScaledTile;
  }
}
