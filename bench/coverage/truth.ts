import { evaluate } from '../../lib/evaluation/evaluate.js';
import type { Model } from '../../lib/model/model.js';
import { similarity } from '../../lib/similarity/similarity.js';
import { tensor } from '../../lib/tensor/tensor.js';
import { hermite } from '../../test/support/hermite.js';

/** The similarities of two models, in all and per output; NaN where a slice is zero. */
export interface Truth {
  readonly whole: number;
  readonly slices: readonly number[];
}

/** Inputs at a time. */
const BATCH = 4096;

/** From inputs with weights that add up to an expectation. */
class Products {
  readonly #outputs: number;
  readonly #sums: Float64Array;

  constructor(outputs: number) {
    this.#outputs = outputs;
    this.#sums = new Float64Array(3 * outputs);
  }

  add(f: Float64Array, g: Float64Array, weights: readonly number[]): void {
    const width = f.length / weights.length;
    for (const [s, weight] of weights.entries()) {
      for (let i = s * width; i < (s + 1) * width; i++) {
        const c = 3 * (i % this.#outputs);
        this.#sums[c] += weight * f[i] * f[i];
        this.#sums[c + 1] += weight * f[i] * g[i];
        this.#sums[c + 2] += weight * g[i] * g[i];
      }
    }
  }

  truth(): Truth {
    const slices = Array.from({ length: this.#outputs }, (_, c) => this.#sums.subarray(3 * c, 3 * c + 3));
    const total = [0, 1, 2].map((part) => slices.reduce((sum, slice) => sum + slice[part], 0));
    return { whole: cosineOf(total), slices: slices.map(cosineOf) };
  }
}

const cosineOf = ([ff, fg, gg]: readonly number[] | Float64Array) => fg / (Math.sqrt(ff) * Math.sqrt(gg));

/**
 * By tensor Gauss–Hermite quadrature over all n·d numbers of an input: exact for polynomials of a degree below
 * `points`. For networks that see a subspace only, of their layers behind the projection.
 */
export async function byQuadrature([f, g]: readonly [Model, Model], points: number): Promise<Truth> {
  const [positions, features] = f.inputShape;
  const dimensions = positions * features;
  const { nodes, weights } = rule(points);
  const products = new Products(f.outputShape[1]);
  const total = points ** dimensions;
  for (let first = 0; first < total; first += BATCH) {
    const count = Math.min(BATCH, total - first);
    const data = new Float64Array(count * dimensions);
    const weight: number[] = [];
    for (let s = 0; s < count; s++) {
      let rest = first + s;
      let product = 1;
      for (let i = 0; i < dimensions; i++) {
        data[s * dimensions + i] = nodes[rest % points];
        product *= weights[rest % points];
        rest = Math.floor(rest / points);
      }
      weight.push(product);
    }
    const inputs = tensor(data, positions === 1 ? [count, features] : [count, positions, features]);
    const [a, b] = [await evaluate(f, inputs), await evaluate(g, inputs)];
    products.add(a.data as Float64Array, b.data as Float64Array, weight);
  }
  return products.truth();
}

/** Points of a grid per unit of length, in one and two dimensions: kinks cost 1e-6. */
const DENSITY = [0, 1024, 12] as const;
const REACH = 9;

/** By the trapezoidal rule, for functions of one or two numbers that need not be polynomials, nor smooth. */
export async function byGrid([f, g]: readonly [Model, Model]): Promise<Truth> {
  const features = f.inputShape[1];
  const side = 2 * REACH * DENSITY[features as 1 | 2] + 1;
  const products = new Products(f.outputShape[1]);
  const total = side ** features;
  for (let first = 0; first < total; first += BATCH) {
    const count = Math.min(BATCH, total - first);
    const data = Float64Array.from({ length: count * features }, (_, at) => {
      const place = Math.floor((first + Math.floor(at / features)) / side ** (at % features)) % side;
      return place / DENSITY[features as 1 | 2] - REACH;
    });
    // What all weights have in common cancels.
    const weights = Array.from({ length: count }, (_, s) => {
      return Math.exp(-0.5 * data.subarray(s * features, (s + 1) * features).reduce((sum, x) => sum + x * x, 0));
    });
    const inputs = tensor(data, [count, features]);
    const [a, b] = [await evaluate(f, inputs), await evaluate(g, inputs)];
    products.add(a.data as Float64Array, b.data as Float64Array, weights);
  }
  return products.truth();
}

const rules = new Map<number, ReturnType<typeof hermite>>();

function rule(points: number): ReturnType<typeof hermite> {
  const known = rules.get(points) ?? hermite(points);
  rules.set(points, known);
  return known;
}

/** By the formulas for one or two bilinear blocks, or one of attention. */
export async function byFormula([f, g]: readonly [Model, Model]): Promise<Truth> {
  const { similarity: whole, perOutput = [] } = await similarity(f, g, { method: 'exact', perOutput: true });
  return { whole, slices: perOutput.map((slice) => slice.similarity ?? Number.NaN) };
}

/** By evaluating all sequences of tokens. */
export async function byEnumeration([f, g]: readonly [Model, Model]): Promise<Truth> {
  const [positions, vocabulary] = f.inputShape;
  const total = vocabulary ** positions;
  const products = new Products(f.outputShape[1]);
  for (let first = 0; first < total; first += BATCH) {
    const sequences = Array.from({ length: Math.min(BATCH, total - first) }, (_, s) =>
      Array.from({ length: positions }, (_, i) => Math.floor((first + s) / vocabulary ** i) % vocabulary),
    );
    const [a, b] = [await evaluate(f, sequences), await evaluate(g, sequences)];
    const weights = sequences.map(() => 1 / total);
    products.add(a.data as Float64Array, b.data as Float64Array, weights);
  }
  return products.truth();
}
