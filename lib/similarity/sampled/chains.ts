import { Pacer } from '../../cooperate.js';
import { streamKey, threefry } from '../../gaussian/threefry.js';

/** What chains tend to. */
export interface Target {
  /** Samples of a centred normal law, (chains, dimension), others in every round. */
  readonly normals: (round: number) => Promise<Float64Array>;
  /** The natural logarithm of the density at z, (chains, dimension), relative to that law: every chain has its own. */
  readonly logLikelihood: (z: Float64Array) => Promise<Float64Array>;
}

export interface ChainSettings {
  readonly dimension: number;
  /** Of the random numbers that steps are decided by. */
  readonly seed: number;
  readonly stream: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * Markov chains whose law tends to a likelihood times a normal law, by elliptical slice sampling (Murray, Adams and
 * MacKay, 2010): no step size, and every evaluation of all chains together moves each to the next proposal of its own
 * step. All chains take part in all rounds.
 */
export class Chains {
  readonly #settings: ChainSettings;
  readonly #pacer: Pacer;
  /** Where chains stand, the other ends of their ellipses, and the logarithms of the likelihoods. */
  readonly #z: Float64Array;
  readonly #other: Float64Array;
  /** Of one round: large for inputs of many numbers, where new memory would cost as much as the model. */
  readonly #proposed: Float64Array;
  #likelihood: Float64Array;
  readonly #least: Float64Array;
  /** Angles: proposed, and the bracket that it was drawn from. */
  readonly #angle: Float64Array;
  readonly #low: Float64Array;
  readonly #high: Float64Array;

  #target: Target;
  #round = 0;

  private constructor(start: Float64Array, target: Target, settings: ChainSettings) {
    const count = start.length / settings.dimension;
    this.#settings = settings;
    this.#target = target;
    this.#pacer = new Pacer(settings.signal);
    this.#z = start;
    this.#other = new Float64Array(start.length);
    this.#proposed = new Float64Array(start.length);
    this.#likelihood = new Float64Array(count);
    this.#least = new Float64Array(count);
    this.#angle = new Float64Array(count);
    this.#low = new Float64Array(count);
    this.#high = new Float64Array(count);
  }

  /** @param start (chains, dimension); belongs to the chains from now on. */
  static async open(start: Float64Array, target: Target, settings: ChainSettings): Promise<Chains> {
    const chains = new Chains(start, target, settings);
    await chains.aim(target);
    return chains;
  }

  get points(): Float64Array {
    return this.#z;
  }

  /** One evaluation of every chain. */
  async round(): Promise<void> {
    const { dimension } = this.#settings;
    this.#round++;
    const count = this.#likelihood.length;
    const proposed = this.#proposed;
    for (let c = 0, at = 0; c < count; c++) {
      const [cos, sin] = [Math.cos(this.#angle[c]), Math.sin(this.#angle[c])];
      for (const end = at + dimension; at < end; at++) proposed[at] = cos * this.#z[at] + sin * this.#other[at];
      if (this.#pacer.due(2 * dimension)) await this.#pacer.pause();
    }
    const values = await this.#target.logLikelihood(proposed);
    const others = await this.#target.normals(this.#round);
    for (let c = 0; c < count; c++) {
      if (values[c] >= this.#least[c]) {
        this.#z.set(proposed.subarray(c * dimension, (c + 1) * dimension), c * dimension);
        this.#likelihood[c] = values[c];
        this.#begin(c, others);
      } else {
        if (this.#angle[c] < 0) this.#low[c] = this.#angle[c];
        else this.#high[c] = this.#angle[c];
        this.#angle[c] = this.#low[c] + this.#uniform(c, 0) * (this.#high[c] - this.#low[c]);
      }
    }
  }

  /** Steps begin anew, towards a target; takes an evaluation as well. */
  async aim(target: Target): Promise<void> {
    this.#target = target;
    this.#likelihood = await target.logLikelihood(this.#z);
    const others = await target.normals(++this.#round);
    for (let c = 0; c < this.#likelihood.length; c++) this.#begin(c, others);
  }

  #begin(c: number, others: Float64Array): void {
    const { dimension } = this.#settings;
    this.#other.set(others.subarray(c * dimension, (c + 1) * dimension), c * dimension);
    this.#least[c] = this.#likelihood[c] + Math.log(1 - this.#uniform(c, 1));
    this.#high[c] = 2 * Math.PI * this.#uniform(c, 0);
    this.#low[c] = this.#high[c] - 2 * Math.PI;
    this.#angle[c] = this.#high[c];
  }

  #uniform(c: number, which: 0 | 1): number {
    const { seed, stream } = this.#settings;
    const words = new Uint32Array(2);
    threefry(c, this.#round, ...streamKey(seed, stream), words);
    return words[which] / 2 ** 32;
  }
}
