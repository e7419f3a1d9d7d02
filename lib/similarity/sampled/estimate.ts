import { Pacer, throttle } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { timesPower } from '../../tensor/power.js';
import { bytesIn } from '../../words/bytes.js';
import { checkProduct } from '../gram/control.js';
import type { Sampling } from '../terms/sampling.js';
import { type Basis, cosineIn, functionsOf, knownOf } from './basis.js';
import type { BatchSums, SampleExecutor } from './batch.js';
import type { EnsembleShape } from './ensemble.js';
import type { GroupState } from './group.js';
import { GROUPS, GroupSums, INTERVAL } from './jackknife.js';
import { Monitor } from './monitor.js';
import { asGiven, pairSums, type SampledGram, type SampledPair } from './result.js';
import type { SampleSettings } from './settings.js';
import { batchesOf, evaluateBatches, type Stage } from './stage.js';

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

/** What an estimate needs to know of the settings. */
export type EstimateSettings = Pick<
  SampleSettings,
  'signal' | 'onProgress' | 'perOutput' | 'seed' | 'tolerance' | 'threads'
>;

/**
 * One stage of estimating the Gram matrix of different models: samples of their own, and how far they can be trusted.
 * The stage before told how many to take, and what it expects of their errors stands where theirs are smaller by luck.
 */
export class Estimate {
  readonly #ensemble: EnsembleShape;
  readonly #settings: EstimateSettings;
  readonly #before: Basis | null;
  readonly #varianceRatio: number | null;
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

  /** @param varianceRatio with control variates, as in `Variates`; null: there are none. */
  constructor(
    ensemble: EnsembleShape,
    settings: EstimateSettings,
    before: Basis | null = null,
    varianceRatio: number | null = null,
  ) {
    const { perOutput, onProgress, signal } = settings;
    const { count, outputs } = ensemble;
    const size = perOutput ? 1 + outputs : 1;
    const functions = functionsOf(count);
    const bytes = GroupSums.bytes(functions, size);
    if (bytes > SUMS_BYTES) {
      throw new TensimError(
        'MEMORY_LIMIT',
        `the sums over samples of ${count} models with ${size} slices would take ${bytesIn('GiB', bytes)} GiB`,
        { hint: perOutput ? 'Leave "perOutput" out, or compare fewer models at a time' : 'Compare fewer at a time' },
      );
    }
    this.#ensemble = ensemble;
    this.#settings = settings;
    this.#before = before;
    this.#varianceRatio = varianceRatio;
    this.#sums = new GroupSums(functions, size);
    this.#monitor = new Monitor(count, size, before && knownOf(before, functions, count), GROUPS);
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

  /** Has all samples of a stage evaluated. */
  async run(stage: Stage, executor: SampleExecutor): Promise<this> {
    await evaluateBatches(batchesOf(stage), executor, this.#settings, async ({ group }, sums) => {
      await this.#add(group, sums);
      this.#report(Math.min(this.#samples, stage.inputs - 1), stage.inputs);
    });
    return this.finish();
  }

  /** Takes a group of samples that was evaluated elsewhere. */
  put(group: number, { count, lost, exponents, sums, watched }: GroupState): void {
    this.#exponents = exponents;
    this.#lost += lost;
    this.#samples += count;
    this.#sums.put(group, sums);
    this.#monitor.put(group, watched);
  }

  /** Groups that were not evaluated: the estimate is that of fewer samples. */
  leaveOut(groups: readonly number[]): void {
    this.#sums.leaveOut(groups);
  }

  /** Once all samples are there: what they tell. */
  async finish(): Promise<this> {
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
        const expected = this.#before.plainErrors[c];
        for (let cell = 0; cell < errors.length; cell++) {
          errors[cell] = Math.max(errors[cell], Math.min(1, shrunk * expected[cell]));
        }
      }
    }
    return this;
  }

  /** What the samples of the next stage are held against. */
  async basis(): Promise<Basis> {
    const plainErrors: Float64Array[] = [];
    for (let c = 0; c < this.#sums.size; c++) plainErrors.push(await this.#sums.standardErrors(c, this.#pacer, false));
    return { samples: this.#samples, means: this.#means, errors: this.#errors, plainErrors };
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
      ...(this.#varianceRatio !== null && { surrogate: { varianceRatio: this.#varianceRatio } }),
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
      const { models } = this.#sums;
      const off = Math.abs(cosineIn(this.#means[c], models, i, j) - cosineIn(before.means[c], models, i, j));
      // Where both are zero the similarity is undefined in both.
      return !(off > DISAGREEMENT * Math.hypot(this.#errors[c][cell], before.errors[c][cell]) + ROUNDING);
    });
  }

  async #add(group: number, { count, lost, exponents, tile, products }: BatchSums): Promise<void> {
    this.#exponents = exponents;
    this.#lost += lost;
    await this.#monitor.add(products, this.#pacer, group);
    await this.#sums.add(group, tile.total, 1, 0, this.#pacer);
    if (tile.perOutput) await this.#sums.add(group, tile.perOutput, this.#ensemble.outputs, 1, this.#pacer);
    this.#samples += count;
  }
}
