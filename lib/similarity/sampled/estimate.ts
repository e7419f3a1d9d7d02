import { Pacer, throttle } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { timesPower } from '../../tensor/power.js';
import { bytesIn } from '../../words/bytes.js';
import { checkProduct } from '../gram/control.js';
import { cosine, norm } from '../gram/derived.js';
import { inTurn } from '../gram/in_turn.js';
import type { Sampling } from '../terms/sampling.js';
import type { BatchSums, SampleBatch, SampleExecutor } from './batch.js';
import { type DrawsSpec, inputsPerSample } from './draws.js';
import type { EnsembleShape } from './ensemble.js';
import { GROUPS, GroupSums, INTERVAL } from './jackknife.js';
import { type Known, Monitor } from './monitor.js';
import { PERIOD } from './proposal.js';
import { asGiven, pairSums, type SampledGram, type SampledPair } from './result.js';
import { controlOf, type SampleSettings } from './settings.js';
import type { Surrogates } from './surrogate.js';

/** Samples at a time: enough to occupy every thread. */
export const MOST_AT_ONCE = 2048;
/** Bytes that the inputs of one batch, and the outputs of all models on it, may take. */
const BATCH_BYTES = 2 ** 27;
/** Bytes that the sums of all groups may take. */
export const SUMS_BYTES = 2 ** 30;
/** More than the errors ask for, so that one stage is usually the last. */
const MARGIN = 1.25;
/** Samples for the outputs at most, in those for the similarity in all. */
const FOR_OUTPUTS = 4;
/** More samples for what is not to be trusted yet. */
const DOUBT = 4;
/** Standard errors that two stages may differ by, and rounding. */
const DISAGREEMENT = 4;
const ROUNDING = 1e-12;

/** Control variates, and the variance of similarities with them in parts of that without. */
export interface Variates {
  readonly surrogates: Surrogates;
  readonly varianceRatio: number;
}

/**
 * One stage of estimating the Gram matrix of different models: samples of their own, and how far they can be trusted.
 * The stage before told how many to take, and what it expects of their errors stands where theirs are smaller by luck.
 */
export class Estimate {
  readonly #ensemble: EnsembleShape;
  readonly #executor: SampleExecutor;
  readonly #settings: SampleSettings;
  readonly #before: Estimate | null;
  readonly #variates: Variates | null;
  /** Of the models, and of the difference of two. */
  readonly #sums: GroupSums;
  readonly #monitor: Monitor;
  readonly #pacer: Pacer;
  readonly #report: (done: number, total: number) => void;
  #samples = 0;
  /** Samples left out although they may count. */
  #lost = 0;
  /** The units of the models. */
  #exponents: readonly number[] = [];
  /** Standard errors of similarities, in all and per output, (functions, functions) each. */
  #errors: Float64Array[] = [];
  /** Means of inner products likewise. */
  #means: Float64Array[] = [];
  /** Whether slices can be relied on, once that was asked for. */
  readonly #trusted: boolean[] = [];

  constructor(
    ensemble: EnsembleShape,
    executor: SampleExecutor,
    settings: SampleSettings,
    before: Estimate | null = null,
    variates: Variates | null = null,
  ) {
    const { perOutput, onProgress, signal } = settings;
    const { count, outputs } = ensemble;
    const size = perOutput ? 1 + outputs : 1;
    const functions = count === 2 ? 3 : count;
    const bytes = GroupSums.bytes(functions, size);
    if (bytes > SUMS_BYTES) {
      throw new TensimError(
        'MEMORY_LIMIT',
        `the sums over samples of ${count} models with ${size} slices would take ${bytesIn('GiB', bytes)} GiB`,
        { hint: perOutput ? 'Leave "perOutput" out, or compare fewer models at a time' : 'Compare fewer at a time' },
      );
    }
    this.#ensemble = ensemble;
    this.#executor = executor;
    this.#settings = settings;
    this.#before = before;
    this.#variates = variates;
    this.#sums = new GroupSums(functions, size);
    this.#monitor = new Monitor(count, size, before === null ? null : before.#known());
    this.#pacer = new Pacer(signal);
    this.#report =
      onProgress === undefined ? () => {} : throttle((done, total) => onProgress({ phase: 'sample', done, total }));
  }

  /** Inputs that models were evaluated on. */
  get samples(): number {
    return this.#samples;
  }

  /** Whether every similarity is known to the tolerance, as far as the samples tell. */
  reached(): boolean {
    return this.#interval(0) <= this.#settings.tolerance && this.#trusts(0);
  }

  /** Half the width of the widest 95 % interval. */
  get interval(): number {
    return this.#interval(0);
  }

  /** How many samples the tolerance is expected to take; with a part of the variance. */
  wanted(part = 1): number {
    const forError = MARGIN * part * (this.#interval(0) / this.#settings.tolerance) ** 2;
    const doubtful = this.#before !== null && !this.#trusts(0) ? DOUBT : 0;
    const needed = Math.max(forError, this.#monitor.lacks(0), doubtful);
    // Outputs have no tolerance of their own, but their intervals are to be relied on, if that is not too dear.
    let factor = needed;
    for (let c = 1; c < this.#sums.size; c++) factor = Math.max(factor, this.#monitor.lacks(c));
    factor = Math.min(factor, FOR_OUTPUTS * needed);
    return factor < Number.POSITIVE_INFINITY ? Math.ceil(factor * this.#samples) : Number.POSITIVE_INFINITY;
  }

  /** Evaluates about `inputs`, the same number in every group. */
  async run(draws: DrawsSpec, inputs: number): Promise<this> {
    const batches = this.#batches(draws, inputs);
    const control = controlOf(this.#settings);
    const done = inTurn<SampleBatch, BatchSums>({
      next: () => batches.next().value ?? undefined,
      start: (batch) => this.#executor.run(batch, control),
      atOnce: () => this.#executor.atOnce,
      // What a batch adds is read from its outputs: one more would have to lie beside them.
      meanwhile: () => this.#executor.atOnce - 1,
    });
    for await (const { job, result } of done) {
      await this.#add(job, result);
      this.#report(Math.min(this.#samples, inputs - 1), inputs);
    }
    for (let c = 0; c < this.#sums.size; c++) {
      this.#means.push(await this.#sums.mean(this.#samples, 1, c, this.#pacer));
      this.#errors.push(await this.#sums.standardErrors(c, this.#pacer));
    }
    const { labels } = this.#ensemble;
    for (const [i, a] of labels.entries()) {
      for (const [j, b] of labels.entries()) checkProduct(this.#means[0][this.#cell(i, j)], a, b, i === j);
    }
    if (this.#before !== null) {
      const shrunk = Math.sqrt(this.#before.samples / this.#samples);
      for (const [c, errors] of this.#errors.entries()) {
        const expected = await this.#before.#sums.standardErrors(c, this.#pacer, false);
        for (let cell = 0; cell < errors.length; cell++) {
          errors[cell] = Math.max(errors[cell], Math.min(1, shrunk * expected[cell]));
        }
      }
    }
    return this;
  }

  /** The matrix of the models as they were given, with its errors. */
  async gram(): Promise<SampledGram> {
    const { seed, tolerance } = this.#settings;
    this.#report(this.#samples, this.#samples);
    const sampling: Sampling = {
      samples: this.#samples,
      effectiveSamples: Math.round(this.#monitor.effective(0)),
      seed,
      tolerance,
      interval: this.#interval(0),
      reached: this.reached(),
      tokenModels: this.#ensemble.tokenModels,
      ...(this.#variates && { surrogate: { varianceRatio: this.#variates.varianceRatio } }),
    };
    const slices = this.#sums.size - 1;
    const exponents = this.#ensemble.places.map((m) => this.#exponents[m]);
    const isPlain = exponents.every((exponent) => exponent === 0);
    return {
      total: await this.#asGiven(this.#means.slice(0, 1)),
      standardError: await this.#asGiven(this.#errors.slice(0, 1)),
      sampling,
      ...(!isPlain && { exponents: pairSums(exponents, 1), sliceExponents: pairSums(exponents, slices) }),
      ...(this.#ensemble.places.length === 2 && { pair: await this.#pair() }),
      ...(slices > 0 && {
        perOutput: await this.#asGiven(this.#means.slice(1)),
        perOutputError: await this.#asGiven(this.#errors.slice(1)),
      }),
    };
  }

  async #pair(): Promise<SampledPair> {
    const [a, b] = this.#ensemble.places;
    const slices = [...this.#means.keys()];
    const errors: Float64Array[] = [];
    for (const c of slices) errors.push(await this.#sums.meanErrors(c, this.#samples, this.#pacer));
    const last = this.#cell(this.#sums.models - 1, this.#sums.models - 1);
    const of = (values: (c: number) => number) => Float64Array.from(slices, values);
    const [u, v] = [this.#exponents[a], this.#exponents[b]];
    return {
      exponent: Math.max(u, v),
      distance: of((c) => (a === b ? 0 : Math.sqrt(this.#means[c][last]))),
      distanceError: of((c) => (a === b ? 0 : errors[c][last])),
      // That of one model with itself is its square, whose error follows from that of the norm.
      innerProductError: of((c) => {
        const cell = this.#cell(a, b);
        const error = a === b ? 2 * Math.sqrt(this.#means[c][cell]) * errors[c][cell] : errors[c][cell];
        return timesPower(error, u + v);
      }),
      normAError: of((c) => timesPower(errors[c][this.#cell(a, a)], u)),
      normBError: of((c) => timesPower(errors[c][this.#cell(b, b)], v)),
      effectiveSamples: of((c) => Math.round(this.#monitor.effective(c))),
      interval: of((c) => this.#interval(c)),
      trusted: slices.map((c) => this.#trusts(c)),
    };
  }

  #asGiven(matrices: readonly Float64Array[]): Promise<Float64Array> {
    return asGiven(matrices, this.#sums.models, this.#ensemble.places, this.#pacer);
  }

  #cell(i: number, j: number): number {
    return i * this.#sums.models + j;
  }

  /** Half the width of the widest 95 % interval of slice c. */
  #interval(c: number): number {
    const { count } = this.#ensemble;
    let widest = 0;
    for (let i = 0; i < count; i++) {
      for (let j = 0; j < i; j++) widest = Math.max(widest, this.#errors[c][this.#cell(i, j)]);
    }
    return INTERVAL * widest;
  }

  /** Whether samples enough carry slice c, and those of the stage before agree with them. */
  #trusts(c: number): boolean {
    this.#trusted[c] ??= this.#lost === 0 && this.#monitor.trusts(c) && this.#agrees(c);
    return this.#trusted[c];
  }

  #agrees(c: number): boolean {
    const before = this.#before;
    if (before === null) return true;
    return this.#monitor.pairs.every(([i, j]) => {
      const cell = this.#cell(i, j);
      const off = Math.abs(this.#cosine(c, i, j) - before.#cosine(c, i, j));
      // Where both are zero the similarity is undefined in both.
      return !(off > DISAGREEMENT * Math.hypot(this.#errors[c][cell], before.#errors[c][cell]) + ROUNDING);
    });
  }

  #cosine(c: number, i: number, j: number): number {
    const means = this.#means[c];
    return cosine(means[this.#cell(i, j)], means[this.#cell(i, i)], means[this.#cell(j, j)]);
  }

  /** What the samples of the next stage are held against. */
  #known(): readonly (readonly Known[])[] {
    return this.#monitor.pairs.map(([i, j]) =>
      this.#means.map((means, c) => ({
        cosine: this.#cosine(c, i, j),
        normA: norm(means[this.#cell(i, i)]),
        normB: norm(means[this.#cell(j, j)]),
      })),
    );
  }

  /** The batches of a stage, in the order in which they are added up. */
  *#batches(draws: DrawsSpec, inputs: number): Generator<SampleBatch, undefined> {
    const whole = PERIOD * GROUPS * inputsPerSample(draws);
    const most = this.#atOnce(draws);
    const surrogates = this.#variates?.surrogates ?? null;
    let left = PERIOD * Math.max(1, Math.floor(inputs / whole));
    for (let first = 0; left > 0; ) {
      const samples = Math.min(most, left);
      for (let group = 0; group < GROUPS; group++, first += samples) {
        yield { draws, first, samples, group, watched: this.#before !== null, surrogates };
      }
      left -= samples;
    }
  }

  async #add({ group }: SampleBatch, { count, lost, exponents, tile, products }: BatchSums): Promise<void> {
    this.#exponents = exponents;
    this.#lost += lost;
    await this.#monitor.add(products, this.#pacer);
    await this.#sums.add(group, tile.total, 1, 0, this.#pacer);
    if (tile.perOutput) await this.#sums.add(group, tile.perOutput, this.#ensemble.outputs, 1, this.#pacer);
    this.#samples += count;
  }

  /** Samples of a batch: whole periods, within the bytes that it may take. */
  #atOnce(draws: DrawsSpec): number {
    const { count, inputSize, positions, outputs } = this.#ensemble;
    const functions = this.#variates === null ? count : 2 * count;
    const bytes = 8 * Math.max(inputSize, 2 * functions * positions * outputs);
    const most = this.#executor.batchBytes?.(draws) ?? BATCH_BYTES;
    return PERIOD * Math.max(1, Math.floor(Math.min(MOST_AT_ONCE, most / bytes) / PERIOD));
  }
}
