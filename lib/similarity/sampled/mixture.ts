import type { Backend, Control } from '../../backend/backend.js';
import type { CompiledContraction } from '../../contraction/compile.js';
import { compileContraction } from '../../contraction/contract.js';
import { Pacer } from '../../cooperate.js';
import type { Tensor } from '../../tensor/tensor.js';

/**
 * The defensive mixture ½ N(0, I) + ½ N(0, S) of MATH.md section 8: S − I has low rank, and stretches the few directions of the input
 * along which polynomials of high degree have their weight.
 */
export interface Mixture {
  /** Directions that are stretched. */
  readonly rank: number;
  /**
   * Turns every second row of z, (samples, dimension) standard normal numbers, into one of N(0, S), in place.
   * @returns N(z; 0, I) / mixture for every row, at most 2.
   */
  stretch(z: Float64Array, samples: number, control: Control): Promise<Float64Array>;
}

/** Where S comes from. */
export interface MixtureFit {
  readonly backend: Backend;
  readonly threads: number | undefined;
  /** n·k, the length of z. */
  readonly dimension: number;
}

/** Eigenvalues of S are kept in this range; directions below the threshold are left alone. */
const MOST = 6;
const THRESHOLD = 1.3;
/** At most so many directions: the cost of stretching stays small beside that of a forward pass. */
const MOST_DIRECTIONS = 32;

/**
 * The second moment E[p z zᵀ] / E[p] that a fit gathers, batch after batch.
 */
export class SecondMoment {
  readonly #fit: MixtureFit;
  readonly #sum: Float64Array;
  readonly #plans = new Map<number, CompiledContraction>();
  #total = 0;
  #squares = 0;

  constructor(fit: MixtureFit) {
    this.#fit = fit;
    this.#sum = new Float64Array(fit.dimension ** 2);
  }

  /** Adds rows of z, (samples, dimension), each as often as its mass says; z is overwritten. */
  async add(z: Float64Array, mass: Float64Array, control: Control): Promise<void> {
    const { dimension } = this.#fit;
    const pacer = new Pacer(control.signal);
    const samples = mass.length;
    for (let s = 0, at = 0; s < samples; s++) {
      const root = Math.sqrt(mass[s]);
      for (let i = 0; i < dimension; i++, at++) z[at] *= root;
      this.#total += mass[s];
      this.#squares += mass[s] ** 2;
      if (pacer.due(dimension)) await pacer.pause();
    }
    const operand: Tensor = { data: z, shape: [samples, dimension] };
    let product = this.#plans.get(samples);
    if (product === undefined) {
      product = compileContraction('si,sj->ij', [operand.shape, operand.shape], options(this.#fit));
      this.#plans.set(samples, product);
    }
    const { data } = await product.run([operand, operand], control);
    for (let i = 0; i < data.length; i++) {
      this.#sum[i] += data[i];
      if (pacer.due(1)) await pacer.pause();
    }
  }

  /**
   * The mixture whose S has the large eigenvalues of the second moment; null if there are none. With few samples for the dimension,
   * pure noise has eigenvalues of up to (1 + √(dimension / samples))², so those are not believed.
   */
  async mixture(control: Control): Promise<Mixture | null> {
    const { backend, dimension } = this.#fit;
    if (!(this.#total > 0)) return null;
    const pacer = new Pacer(control.signal);
    const data = new Float64Array(this.#sum.length);
    for (let i = 0; i < data.length; i++) {
      data[i] = this.#sum[i] / this.#total;
      if (pacer.due(1)) await pacer.pause();
    }
    const wanted = Math.min(dimension, MOST_DIRECTIONS);
    const { values, vectors } = await backend.symmetricEigen({ data, count: 1, size: dimension }, wanted, control);
    const effective = this.#total ** 2 / this.#squares;
    const threshold = Math.max(THRESHOLD, 1 + Math.sqrt(dimension / effective));
    let rank = 0;
    while (rank < wanted && values[rank] > threshold) rank++;
    if (rank === 0) return null;
    const variances = values.slice(0, rank).map((value) => Math.min(value, MOST));
    return createMixture(vectors.slice(0, rank * dimension), variances, this.#fit);
  }
}

const options = ({ backend, threads }: MixtureFit) => ({ backend: backend.name, threads });

/** @param directions (rank, dimension), orthonormal. @param variances of S along them. */
export function createMixture(directions: Float64Array, variances: Float64Array, fit: MixtureFit): Mixture {
  const { dimension } = fit;
  const rank = variances.length;
  const basis: Tensor = { data: directions, shape: [rank, dimension] };
  const plans = new Map<number, { into: CompiledContraction; outOf: CompiledContraction }>();
  const plansFor = (samples: number) => {
    let found = plans.get(samples);
    if (found === undefined) {
      const shapes = { z: [samples, dimension], y: [samples, rank], basis: basis.shape };
      found = {
        into: compileContraction('si,ki->sk', [shapes.z, shapes.basis], options(fit)),
        outOf: compileContraction('sk,ki->si', [shapes.y, shapes.basis], options(fit)),
      };
      plans.set(samples, found);
    }
    return found;
  };
  const roots = variances.map(Math.sqrt);
  const logDeterminant = variances.reduce((sum, variance) => sum + Math.log(variance), 0);
  return {
    rank,
    async stretch(z, samples, control) {
      const pacer = new Pacer(control.signal);
      const { into, outOf } = plansFor(samples);
      const y = (await into.run([{ data: z, shape: [samples, dimension] }, basis], control)).data as Float64Array;
      const weights = new Float64Array(samples);
      for (let s = 0; s < samples; s++) {
        const stretched = s % 2 === 1;
        let quadratic = 0;
        for (let k = 0; k < rank; k++) {
          const at = s * rank + k;
          const along = stretched ? y[at] * roots[k] : y[at];
          quadratic += along * along * (1 / variances[k] - 1);
          // What is to be added to z along this direction.
          y[at] = along - y[at];
        }
        weights[s] = 1 / (0.5 + 0.5 * Math.exp(-0.5 * (logDeterminant + quadratic)));
        if (pacer.due(8 * rank)) await pacer.pause();
      }
      const added = (await outOf.run([{ data: y, shape: [samples, rank] }, basis], control)).data;
      for (let i = 0; i < z.length; i++) {
        z[i] += added[i];
        if (pacer.due(1)) await pacer.pause();
      }
      return weights;
    },
  };
}
