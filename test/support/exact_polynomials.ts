import type { AttentionLayer, BilinearLayer, Layer } from '../../lib/model/model.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { polynomial } from './polynomial.js';

/**
 * Networks as polynomials with exact coefficients, and their expectations: every double is a whole number times a power
 * of two. For few inputs and weights of few bits; what is too close to tell in doubles is told here.
 */
export class Dyadic {
  readonly #value: bigint;
  /** The number is value · 2^−shift. */
  readonly #shift: number;

  constructor(value: bigint, shift: number) {
    this.#value = value;
    this.#shift = shift;
  }

  static of(value: number): Dyadic {
    let [scaled, shift] = [value, 0];
    while (!Number.isInteger(scaled)) [scaled, shift] = [scaled * 2, shift + 1];
    return new Dyadic(BigInt(scaled), shift);
  }

  plus(other: Dyadic): Dyadic {
    const shift = Math.max(this.#shift, other.#shift);
    return new Dyadic(this.#at(shift) + other.#at(shift), shift);
  }

  minus(other: Dyadic): Dyadic {
    return this.plus(new Dyadic(-other.#value, other.#shift));
  }

  times(other: Dyadic): Dyadic {
    return new Dyadic(this.#value * other.#value, this.#shift + other.#shift);
  }

  get isZero(): boolean {
    return this.#value === 0n;
  }

  /** The quotient as a double, right to 2⁻⁶⁰. */
  over(other: Dyadic): number {
    const shift = Math.max(this.#shift, other.#shift);
    const [numerator, denominator] = [this.#at(shift), other.#at(shift)];
    if (numerator === 0n) return 0;
    const size = (n: bigint) => (n < 0n ? -n : n).toString(2).length;
    const up = Math.max(0, 64 - size(numerator) + size(denominator));
    return Number((numerator << BigInt(up)) / denominator) * 2 ** -up;
  }

  #at(shift: number): bigint {
    return this.#value << BigInt(shift - this.#shift);
  }
}

/** Coefficients by exponents, "1,0,2" for z₀z₂². */
export class Polynomial {
  readonly #terms: ReadonlyMap<string, Dyadic>;
  readonly #variables: number;

  constructor(terms: ReadonlyMap<string, Dyadic>, variables: number) {
    this.#terms = terms;
    this.#variables = variables;
  }

  static constant(value: number, variables: number): Polynomial {
    return new Polynomial(new Map([[new Array(variables).fill(0).join(), Dyadic.of(value)]]), variables);
  }

  static variable(index: number, variables: number): Polynomial {
    const exponents = Array.from({ length: variables }, (_, i) => (i === index ? 1 : 0));
    return new Polynomial(new Map([[exponents.join(), Dyadic.of(1)]]), variables);
  }

  constant(value: number): Polynomial {
    return Polynomial.constant(value, this.#variables);
  }

  plus(other: Polynomial): Polynomial {
    const terms = new Map(this.#terms);
    for (const [key, value] of other.#terms) terms.set(key, terms.get(key)?.plus(value) ?? value);
    return new Polynomial(terms, this.#variables);
  }

  minus(other: Polynomial): Polynomial {
    return this.plus(other.scaled(-1));
  }

  scaled(factor: number): Polynomial {
    const by = Dyadic.of(factor);
    return new Polynomial(new Map([...this.#terms].map(([key, value]) => [key, value.times(by)])), this.#variables);
  }

  times(other: Polynomial): Polynomial {
    const terms = new Map<string, Dyadic>();
    for (const [one, a] of this.#terms) {
      if (a.isZero) continue;
      const exponents = one.split(',').map(Number);
      for (const [two, b] of other.#terms) {
        const key = String(two.split(',').map((e, i) => Number(e) + exponents[i]));
        const product = a.times(b);
        terms.set(key, terms.get(key)?.plus(product) ?? product);
      }
    }
    return new Polynomial(terms, this.#variables);
  }

  /** For independent standard normal variables: E z^2k = (2k − 1)!!. */
  expectation(): Dyadic {
    let sum = Dyadic.of(0);
    for (const [key, value] of this.#terms) {
      const exponents = key.split(',').map(Number);
      if (exponents.some((e) => e % 2 === 1)) continue;
      sum = sum.plus(value.times(Dyadic.of(exponents.reduce((product, e) => product * doubleFactorial(e - 1), 1))));
    }
    return sum;
  }
}

const doubleFactorial = (n: number): number => (n <= 1 ? 1 : n * doubleFactorial(n - 2));

type Vector = readonly Polynomial[];

/**
 * What a chain gives of inputs of some positions: a vector per position. Attention must be without rotary embeddings.
 */
export function forward(layers: readonly Layer[], inputs: readonly Vector[]): readonly Vector[] {
  return layers.map(polynomial).reduce((x, layer) => {
    if (layer.type === 'linear') return x.map((vector) => affine(layer.weight, layer.bias, vector));
    const y =
      layer.type === 'attention'
        ? attended(layer, x)
        : x.map((vector) => {
            const [u, v] = [affine(layer.left, layer.leftBias, vector), affine(layer.right, layer.rightBias, vector)];
            return mixed(
              layer,
              u.map((value, h) => value.times(v[h])),
            );
          });
    return y.map((vector, s) => residual(layer, vector, x[s]));
  }, inputs);
}

/**
 * A network of blocks as a multilinear function, each block symmetrised in its legs (MATH.md section 7); a leg is a
 * vector of inputs, and there are 2^blocks of them.
 */
export function multilinear(layers: readonly Layer[], legs: readonly Vector[]): Vector {
  const given = layers.at(-1);
  if (given === undefined) return legs[0];
  const last = polynomial(given);
  const before = layers.slice(0, -1);
  if (last.type === 'linear') return affine(last.weight, last.bias, multilinear(before, legs));
  if (last.type === 'attention') throw new Error('attention has no tensor');
  const half = legs.length / 2;
  const [x, y] = [multilinear(before, legs.slice(0, half)), multilinear(before, legs.slice(half))];
  const sides = [x, y].map((leg) => ({
    u: affine(last.left, last.leftBias, leg),
    v: affine(last.right, last.rightBias, leg),
  }));
  const products = sides[0].u.map((u, h) =>
    u.times(sides[1].v[h]).plus(sides[1].u[h].times(sides[0].v[h])).scaled(0.5),
  );
  return residual(
    last,
    mixed(last, products),
    x.map((value, i) => value.plus(y[i]).scaled(0.5)),
  );
}

function affine(weight: Tensor, bias: Tensor | undefined, x: Vector): Vector {
  const columns = weight.shape[1];
  return Array.from({ length: weight.shape[0] }, (_, i) => {
    const start = x[0].constant(bias === undefined ? 0 : bias.data[i]);
    return x.reduce((sum, value, j) => sum.plus(value.scaled(weight.data[i * columns + j])), start);
  });
}

function mixed({ down, downBias }: BilinearLayer, products: Vector): Vector {
  if (down !== undefined) return affine(down, downBias, products);
  return products.map((value, i) => value.plus(value.constant(downBias === undefined ? 0 : downBias.data[i])));
}

function residual({ alpha, beta }: { alpha: number; beta: number }, y: Vector, x: Vector): Vector {
  return y.map((value, i) => (alpha === 0 ? value.scaled(beta) : value.scaled(beta).plus(x[i].scaled(alpha))));
}

function attended(layer: AttentionLayer, x: readonly Vector[]): Vector[] {
  const { heads, mask } = layer;
  const size = layer.q1.shape[0] / heads;
  const project = (weight: Tensor, bias: Tensor | undefined) => x.map((vector) => affine(weight, bias, vector));
  const [q1, k1] = [project(layer.q1, layer.q1Bias), project(layer.k1, layer.k1Bias)];
  const [q2, k2] = [project(layer.q2, layer.q2Bias), project(layer.k2, layer.k2Bias)];
  const v = project(layer.v, layer.vBias);
  const zero = x[0][0].constant(0);
  const dot = (a: Vector, b: Vector, from: number) =>
    Array.from({ length: size }, (_, i) => a[from + i].times(b[from + i])).reduce((sum, term) => sum.plus(term), zero);
  return x.map((_, s) => {
    const joined = v[0].map((_, place) => {
      const from = place - (place % size);
      let sum = zero;
      for (let t = 0; t < (mask === 'causal' ? s + 1 : x.length); t++) {
        const weight = dot(q1[s], k1[t], from).times(dot(q2[s], k2[t], from));
        sum = sum.plus(weight.times(v[t][place]));
      }
      return sum.scaled(1 / size ** 2);
    });
    return affine(layer.o, layer.oBias, joined);
  });
}

/** Σ E a·b of some polynomials. */
export function product(a: Vector, b: Vector): Dyadic {
  return a.reduce((sum, value, i) => sum.plus(value.times(b[i]).expectation()), Dyadic.of(0));
}
