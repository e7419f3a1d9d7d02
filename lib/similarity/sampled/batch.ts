import type { Control } from '../../backend/control.js';
import type { GramTile } from '../../backend/grams.js';
import type { TensorData } from '../../tensor/tensor.js';
import type { DrawsSpec } from './draws.js';
import type { OutputSize } from './ensemble.js';
import type { Surrogates } from './surrogate.js';

/** A part of the samples of a stage: what all models are evaluated on at a time. */
export interface SampleBatch {
  readonly draws: DrawsSpec;
  /** Samples `first` to `first + samples` − 1 of the stage, whole periods of its proposal. */
  readonly first: number;
  readonly samples: number;
  /** The group of the jackknife that they belong to. */
  readonly group: number;
  /** Whether products of watched pairs are wanted beside the squares of the models. */
  readonly watched: boolean;
  /** What stands in for the models as control variates; null: nothing. */
  readonly surrogates: Surrogates | null;
}

/** What a batch adds to an estimate. */
export interface BatchSums {
  /** Inputs that the models were evaluated on. */
  readonly count: number;
  /** Samples left out although they may count. */
  readonly lost: number;
  /** The units of the models: outputs are 2^exponent times what is counted here. */
  readonly exponents: readonly number[];
  /**
   * Sums over the samples of the products of functions, (functions, functions) and per output: of the models in their
   * own order, and for two models also of their difference.
   */
  readonly tile: GramTile;
  readonly products: SampleProducts;
}

/** What every sample adds by itself: in all, and per output where that is wanted. */
export interface SampleProducts {
  readonly count: number;
  /** Numbers that a product is a sum of. */
  readonly width: number;
  /** |f|² of every model on sample s, into (models, slices). */
  squares(s: number, into: Float64Array): void;
  /**
   * ⟨f,g⟩ of models i and j, which are the `pair`th that are watched, into (slices); with surrogates what a sample adds
   * to its estimate, ⟨f,g⟩ − ⟨f̃,g̃⟩ + E ⟨f̃,g̃⟩.
   */
  product(s: number, pair: number, into: Float64Array): void;
  /** With surrogates, what a sample adds to the estimates of |f|², as `squares`; else absent. */
  readonly controlled?: ((s: number, into: Float64Array) => void) | undefined;
}

/** The surrogates of models on the same samples. */
export interface Controlling {
  readonly values: readonly TensorData[];
  /** E f̃·g̃, (models, models), and per output. */
  readonly expected: { readonly total: Float64Array; readonly perOutput: Float64Array | null };
}

/**
 * The seam between which samples are taken and where: a batch becomes its sums. The same batch gives the same bits
 * whenever and wherever it is run, and whoever adds them up does so in the order of the batches.
 */
export interface SampleExecutor {
  /** How many batches it wants at a time. */
  readonly atOnce: number;
  /** Bytes that the outputs of all models on one batch of such draws may take, where it wants more than is usual. */
  batchBytes?(draws: DrawsSpec): number | undefined;
  /**
   * @throws TensimError (rejects) `MEMORY_LIMIT` where a model alone takes more than the limit; the signal's reason.
   */
  run(batch: SampleBatch, control: Control): Promise<BatchSums>;
}

/**
 * Products of outputs that are at hand, (count, n, o) for every model.
 * @param slices 1, or with every output 1 + o.
 * @param pairs those that are watched.
 */
export function productsOf(
  values: readonly TensorData[],
  weights: Float64Array | null,
  { count, positions, outputs }: OutputSize,
  slices: number,
  pairs: readonly (readonly [number, number])[],
  controlling: Controlling | null = null,
): SampleProducts {
  const width = positions * outputs;
  const models = values.length;
  const rootOf = (s: number) => (weights === null ? 1 : Math.sqrt(weights[s]));
  const add = (of: readonly TensorData[], i: number, j: number, s: number, into: Float64Array, at: number) =>
    multiply(of[i], of[j], s * width, width, outputs, rootOf(s), into, at, slices);
  const other = new Float64Array(slices);
  /** From ⟨f,g⟩ to what it adds to the estimate. */
  const control = (
    { values: standIns, expected }: Controlling,
    i: number,
    j: number,
    s: number,
    into: Float64Array,
    at: number,
  ) => {
    add(standIns, i, j, s, other, 0);
    const cell = i * models + j;
    into[at] += expected.total[cell] - other[0];
    for (let c = 1; c < slices; c++) into[at + c] += expected.perOutput![cell * outputs + c - 1] - other[c];
  };
  const squares = (s: number, into: Float64Array) => {
    for (let m = 0; m < models; m++) add(values, m, m, s, into, m * slices);
  };
  return {
    count,
    width: controlling === null ? width : 2 * width,
    squares,
    product(s, pair, into) {
      const [i, j] = pairs[pair];
      add(values, i, j, s, into, 0);
      if (controlling !== null) control(controlling, i, j, s, into, 0);
    },
    ...(controlling !== null && {
      controlled(s, into) {
        squares(s, into);
        for (let m = 0; m < models; m++) control(controlling, m, m, s, into, m * slices);
      },
    }),
  };
}

/** Σ over positions of the products of outputs, in all and, where there is room for them, per output. */
function multiply(
  a: TensorData,
  b: TensorData,
  from: number,
  width: number,
  outputs: number,
  root: number,
  sums: Float64Array,
  at: number,
  slices: number,
): void {
  if (slices === 1) {
    let sum = 0;
    for (let i = from; i < from + width; i++) sum += root * a[i] * (root * b[i]);
    sums[at] = sum;
    return;
  }
  sums.fill(0, at, at + slices);
  for (let i = 0; i < width; i++) sums[at + 1 + (i % outputs)] += root * a[from + i] * (root * b[from + i]);
  for (let c = 1; c <= outputs; c++) sums[at] += sums[at + c];
}
