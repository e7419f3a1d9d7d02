import type { Control } from '../../backend/control.js';
import type { KeptOutputs } from '../../backend/forward.js';
import type { GramTile } from '../../backend/grams.js';
import { Pacer } from '../../cooperate.js';
import type { TensorData } from '../../tensor/tensor.js';
import { type BatchSums, productsOf, type SampleBatch, type SampleExecutor } from './batch.js';
import type { Draws, DrawsSpec } from './draws.js';
import { difference, dropOverflown, type Ensemble, type OutputSize, weighted } from './ensemble.js';
import { canBeKept, keptBy, keptSums } from './kept.js';
import { watchedPairs } from './monitor.js';
import type { SampleSettings } from './settings.js';
import { controlled, StandIns, withDifference } from './stand_ins.js';
import type { Surrogates } from './surrogate.js';

type SamplerSettings = Pick<SampleSettings, 'backend' | 'perOutput'>;

/** Evaluates batches in this process, by its backend, one after the other. */
export class LocalSampler implements SampleExecutor {
  readonly atOnce = 1;
  readonly #ensemble: Ensemble;
  readonly #drawsOf: (spec: DrawsSpec) => Draws;
  readonly #settings: SamplerSettings;
  /** Where outputs can stay until they are multiplied. */
  readonly #kept: KeptOutputs | null;
  readonly #standIns = new WeakMap<Surrogates, StandIns>();

  constructor(ensemble: Ensemble, drawsOf: (spec: DrawsSpec) => Draws, settings: SamplerSettings) {
    this.#ensemble = ensemble;
    this.#drawsOf = drawsOf;
    this.#settings = settings;
    this.#kept = keptBy(settings.backend);
  }

  batchBytes({ kind }: DrawsSpec): number | undefined {
    // Of vectors some may weigh so little that outputs have to be looked at here.
    return this.#kept !== null && kind === 'tokens' ? 2 * this.#kept.bytes : undefined;
  }

  async run({ draws, first, samples, watched, surrogates }: SampleBatch, control: Control): Promise<BatchSums> {
    const { perOutput } = this.#settings;
    const { count: models, positions, outputs } = this.#ensemble;
    const pacer = new Pacer(control.signal);
    const draw = await this.#drawsOf(draws).at(first, samples, control);
    const { inputs, count, weights } = draw;
    const pairs = watched ? watchedPairs(models) : [];
    if (this.#kept !== null && surrogates === null && canBeKept(weights)) {
      return keptSums(this.#kept, this.#ensemble, draw, pairs, perOutput, control);
    }
    const size = { count, positions, outputs };
    const values: TensorData[] = [];
    for (let m = 0; m < models; m++) values.push(await this.#ensemble.evaluate(m, inputs, control));
    const standIns = surrogates === null ? null : this.#standInsOf(surrogates);
    const others = (await standIns?.evaluate(values, inputs, control)) ?? [];
    const lost = weights === null ? 0 : dropOverflown([...values, ...others], weights, positions * outputs);
    const exponents = values.map((_, m) => this.#ensemble.exponent(m));
    const [u, v] = exponents;
    const functions = models === 2 ? [...values, difference(values[0], values[1], u, v)] : values;
    const tile = await this.#sums(functions, weights, size, pacer, control);
    const slices = perOutput ? 1 + outputs : 1;
    if (standIns === null) {
      return { count, lost, exponents, tile, products: productsOf(values, weights, size, slices, pairs) };
    }
    const expected = standIns.expected();
    const products = productsOf(values, weights, size, slices, pairs, { values: others, expected });
    if (models !== 2) {
      const other = await this.#sums(others, weights, size, pacer, control);
      return { count, lost, exponents, tile: controlled(tile, other, expected, count), products };
    }
    const all = withDifference(expected, u, v);
    const change = difference(others[0], others[1], u, v);
    for (let i = 0; i < change.length; i++) if (!all.usable(i % outputs)) change[i] = 0;
    const other = await this.#sums([...others, change], weights, size, pacer, control);
    return { count, lost, exponents, tile: controlled(tile, other, all, count), products };
  }

  #standInsOf(surrogates: Surrogates): StandIns {
    const known = this.#standIns.get(surrogates);
    if (known !== undefined) return known;
    const made = new StandIns(this.#ensemble, surrogates);
    this.#standIns.set(surrogates, made);
    return made;
  }

  async #sums(
    functions: readonly TensorData[],
    weights: Float64Array | null,
    size: OutputSize,
    pacer: Pacer,
    control: Control,
  ): Promise<GramTile> {
    const { backend, perOutput } = this.#settings;
    const prepared = [];
    try {
      for (const values of functions) {
        const segments = await weighted(values, weights, size, perOutput, pacer);
        prepared.push(await backend.grams.prepare({ kind: 'features', segments }, 'float64', control));
      }
      const job = { measure: 'gaussian', symmetric: true, perOutput } as const;
      return await backend.grams.tile(job, prepared, prepared, control);
    } finally {
      for (const model of prepared) model.dispose();
    }
  }
}
