import type { Control, GramTile } from '../../backend/backend.js';
import { Pacer, throttle } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { checkProduct } from '../gram/control.js';
import type { ResolvedSettings } from '../options.js';
import type { Sampling } from '../types.js';
import type { Draws } from './draws.js';
import { type Ensemble, powers, weighted } from './ensemble.js';
import { FEWEST_EFFECTIVE, GROUPS, GroupSums, INTERVAL } from './jackknife.js';

/** Samples at a time: enough to occupy every thread. */
const MOST_AT_ONCE = 2048;
/** Bytes that the inputs of one batch, and the outputs of all models on it, may take. */
const BATCH_BYTES = 2 ** 27;
/** Bytes that the sums of all groups may take. */
const SUMS_BYTES = 2 ** 30;
/** More than the errors ask for, so that one round is usually the last. */
const MARGIN = 1.1;

/** A Gram matrix estimated from samples. */
export interface SampledGram extends GramTile {
  /** (n, n): of every similarity. */
  readonly standardError: Float64Array;
  /** (n, n, slices), if asked for. */
  readonly perOutputError?: Float64Array;
  readonly sampling: Sampling;
}

/** What sampling needs to know of the settings. */
export type SampleSettings = Pick<
  ResolvedSettings,
  'backend' | 'dtype' | 'threads' | 'signal' | 'onProgress' | 'perOutput' | 'seed' | 'tolerance' | 'maxSamples'
> & {
  /** Bytes that models packed for the forward pass may take at a time; default: any number. */
  readonly memoryLimit?: number | undefined;
};

export const controlOf = ({ signal, threads }: SampleSettings): Control => ({ signal, threads });

/** A Gram matrix of different models that becomes better with every batch. */
export class Estimate {
  readonly #ensemble: Ensemble;
  readonly #settings: SampleSettings;
  readonly #sums: GroupSums;
  readonly #pacer: Pacer;
  readonly #report: (done: number, total: number) => void;
  /** Σ w |f|² and Σ (w |f|²)² of every model. */
  readonly #powers: Float64Array;
  readonly #squares: Float64Array;
  #samples = 0;
  #errors: Float64Array = new Float64Array(1);
  #interval = 1;

  constructor(ensemble: Ensemble, settings: SampleSettings) {
    const { perOutput, onProgress, signal } = settings;
    const size = perOutput ? 1 + ensemble.outputs : 1;
    const bytes = GroupSums.bytes(ensemble.count, size);
    if (bytes > SUMS_BYTES) {
      throw new TensimError(
        'MEMORY_LIMIT',
        `the sums over samples of ${ensemble.count} models with ${size} slices would take ${(bytes / 2 ** 30).toFixed(1)} GiB`,
        { hint: perOutput ? 'Leave "perOutput" out, or compare fewer models at a time' : 'Compare fewer at a time' },
      );
    }
    this.#ensemble = ensemble;
    this.#settings = settings;
    this.#sums = new GroupSums(ensemble.count, size);
    this.#pacer = new Pacer(signal);
    this.#report =
      onProgress === undefined ? () => {} : throttle((done, total) => onProgress({ phase: 'sample', done, total }));
    this.#powers = new Float64Array(ensemble.count);
    this.#squares = new Float64Array(ensemble.count);
  }

  /** Inputs that models were evaluated on. */
  get samples(): number {
    return this.#samples;
  }

  /** Whether every similarity is known to the tolerance, as far as the samples tell. */
  reached(): boolean {
    return this.#samples > 0 && this.#interval <= this.#settings.tolerance && this.#effective() >= FEWEST_EFFECTIVE;
  }

  /** How many samples the tolerance is expected to take. */
  wanted(): number {
    if (this.#samples === 0) return 0;
    const forError = MARGIN * (this.#interval / this.#settings.tolerance) ** 2;
    const forNorm = FEWEST_EFFECTIVE / this.#effective();
    return this.reached() ? this.#samples : Math.ceil(Math.max(1.5, forError, forNorm) * this.#samples);
  }

  /** Adds about `inputs` more, the same number to every group; progress counts up to `total`. */
  async extend(draws: Draws, inputs: number, total: number): Promise<void> {
    const most = this.#atOnce();
    let left = Math.max(2, 2 * Math.floor(inputs / draws.inputsPerSample / GROUPS / 2));
    while (left > 0) {
      const samples = Math.min(most, left);
      for (let group = 0; group < GROUPS; group++) {
        await this.#addBatch(draws, samples, group);
        this.#report(Math.min(this.#samples, total - 1), total);
      }
      left -= samples;
    }
    const { count, labels } = this.#ensemble;
    const gram = await this.#sums.mean(this.#samples, 1, 0, this.#pacer);
    for (const [i, a] of labels.entries()) {
      for (const [j, b] of labels.entries()) checkProduct(gram[i * count + j], a, b, i === j);
    }
    this.#errors = await this.#sums.standardErrors(0, this.#pacer);
    this.#interval = INTERVAL * this.#errors.reduce((largest, error) => Math.max(largest, error), 0);
  }

  /** The matrix of the models as they were given, with its errors. */
  async gram(): Promise<SampledGram> {
    const { seed, tolerance, perOutput } = this.#settings;
    const { outputs } = this.#ensemble;
    const sums = this.#sums;
    const pacer = this.#pacer;
    this.#report(this.#samples, this.#samples);
    const sampling: Sampling = {
      samples: this.#samples,
      effectiveSamples: Math.round(this.#effective()),
      seed,
      tolerance,
      interval: this.#interval,
      reached: this.reached(),
      tokenModels: this.#ensemble.tokenModels,
    };
    const total = await this.#asGiven(await sums.mean(this.#samples, 1, 0, pacer), 1);
    const standardError = await this.#asGiven(this.#errors, 1);
    if (!perOutput) return { total, standardError, sampling };
    const errors = new Float64Array(this.#ensemble.count ** 2 * outputs);
    for (let c = 0; c < outputs; c++) {
      const slice = await sums.standardErrors(1 + c, pacer);
      for (let cell = 0; cell < slice.length; cell++) errors[cell * outputs + c] = slice[cell];
    }
    return {
      total,
      standardError,
      sampling,
      perOutput: await this.#asGiven(await sums.mean(this.#samples, outputs, 1, pacer), outputs),
      perOutputError: await this.#asGiven(errors, outputs),
    };
  }

  /** The least number of equal samples that would carry the norm of any model as it is carried. */
  #effective(): number {
    let least = Number.POSITIVE_INFINITY;
    for (const [m, power] of this.#powers.entries()) least = Math.min(least, power ** 2 / this.#squares[m]);
    return least;
  }

  async #addBatch(draws: Draws, samples: number, group: number): Promise<void> {
    const { backend, perOutput } = this.#settings;
    const { count: models, positions, outputs } = this.#ensemble;
    const control = controlOf(this.#settings);
    const { inputs, count, weights } = await draws.next(samples, control);
    const size = { count, positions, outputs };
    const prepared = [];
    try {
      for (let m = 0; m < models; m++) {
        const values = await this.#ensemble.evaluate(m, inputs, control);
        const shares = await powers(values, size, this.#pacer);
        for (let s = 0; s < count; s++) {
          const share = (weights === null ? 1 : weights[s]) * shares[s];
          this.#powers[m] += share;
          this.#squares[m] += share * share;
        }
        const segments = await weighted(values, weights, size, perOutput, this.#pacer);
        prepared.push(await backend.prepare({ kind: 'features', segments }, 'float64', control));
      }
      const job = { measure: 'gaussian', symmetric: true, perOutput } as const;
      const tile = await backend.gramTile(job, prepared, prepared, control);
      await this.#sums.add(group, tile.total, 1, 0, this.#pacer);
      if (tile.perOutput) await this.#sums.add(group, tile.perOutput, outputs, 1, this.#pacer);
      this.#samples += count;
    } finally {
      for (const model of prepared) model.dispose();
    }
  }

  /** Samples of a batch: an even number, within the bytes that it may take. */
  #atOnce(): number {
    const { count, inputSize, positions, outputs } = this.#ensemble;
    const bytes = 8 * Math.max(inputSize, count * positions * outputs);
    return Math.max(2, Math.min(MOST_AT_ONCE, 2 * Math.floor(BATCH_BYTES / bytes / 2)));
  }

  /** Cells of `size` numbers of different models, at the places of the models as they were given. */
  async #asGiven(cells: Float64Array, size: number): Promise<Float64Array> {
    const { count, places } = this.#ensemble;
    if (places.length === count) return cells;
    const all = new Float64Array(places.length ** 2 * size);
    for (const [i, from] of places.entries()) {
      for (const [j, to] of places.entries()) {
        const at = (from * count + to) * size;
        all.set(cells.subarray(at, at + size), (i * places.length + j) * size);
        if (this.#pacer.due(size)) await this.#pacer.pause();
      }
    }
    return all;
  }
}
