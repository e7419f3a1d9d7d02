import type { Pacer } from '../../cooperate.js';
import type { BatchSums } from './batch.js';
import { addTile } from './jackknife.js';
import { type GroupWatched, type Known, Monitor } from './monitor.js';

/** What the samples of one group of a stage have added up to so far: plain data. */
export interface GroupState {
  /** Batches of the group, in order. */
  readonly batches: number;
  /** Inputs that models were evaluated on. */
  readonly count: number;
  /** Samples left out although they may count. */
  readonly lost: number;
  /** The units of the models. */
  readonly exponents: readonly number[];
  /** (functions, functions, slices). */
  readonly sums: Float64Array;
  readonly watched: GroupWatched;
}

/** Models, the functions made of them, and slices of their products. */
export interface GroupSize {
  readonly models: number;
  readonly functions: number;
  /** 1, or with every output 1 + o. */
  readonly slices: number;
}

/** Adds up the batches of one group, apart from the others: to the same bits as an `Estimate` of them all does. */
export class Group {
  readonly #slices: number;
  readonly #monitor: Monitor;
  readonly #sums: Float64Array;
  #batches = 0;
  #count = 0;
  #lost = 0;
  #exponents: readonly number[] = [];

  /**
   * @param known as of `Monitor`.
   * @param begun what some of the batches have added up to; default: nothing yet.
   */
  constructor({ models, functions, slices }: GroupSize, known: readonly (readonly Known[])[], begun?: GroupState) {
    this.#slices = slices;
    this.#monitor = new Monitor(models, slices, known);
    this.#sums = begun === undefined ? new Float64Array(functions * functions * slices) : begun.sums.slice();
    if (begun === undefined) return;
    this.#monitor.put(0, begun.watched);
    this.#batches = begun.batches;
    this.#count = begun.count;
    this.#lost = begun.lost;
    this.#exponents = begun.exponents;
  }

  async add({ count, lost, exponents, tile, products }: BatchSums, pacer: Pacer): Promise<void> {
    this.#exponents = exponents;
    this.#lost += lost;
    await this.#monitor.add(products, pacer);
    await addTile(this.#sums, this.#slices, tile.total, 1, 0, pacer);
    if (tile.perOutput) await addTile(this.#sums, this.#slices, tile.perOutput, this.#slices - 1, 1, pacer);
    this.#count += count;
    this.#batches++;
  }

  state(): GroupState {
    return {
      batches: this.#batches,
      count: this.#count,
      lost: this.#lost,
      exponents: this.#exponents,
      sums: this.#sums.slice(),
      watched: this.#monitor.state(),
    };
  }
}
