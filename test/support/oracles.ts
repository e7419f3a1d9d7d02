import type { AttentionLayer, BilinearLayer, Layer, LinearLayer, Model } from '../../lib/model/model.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { polynomial } from './polynomial.js';

/** Slow, plain and independent of the library: matrices are arrays of rows. */
export type Rows = number[][];

/** An input law in the form x = mean + factor · z. */
export interface OracleLaw {
  readonly mean: readonly number[];
  readonly factor: Rows;
}

export function standardLaw(inputs: number): OracleLaw {
  return { mean: new Array(inputs).fill(0), factor: identity(inputs) };
}

/** The covariance factor · factorᵀ of a law. */
export function covarianceOf({ factor }: OracleLaw): Rows {
  return product(factor, transposed(factor));
}

/** f(x) of a plain network. */
export function evaluate(model: Model, x: readonly number[]): number[] {
  return evaluateSequence(model, [[...x]])[0];
}

/** f(x), layer after layer; x has a row per position. */
export function evaluateSequence(model: Model, x: Rows): Rows {
  return model.layers
    .map(polynomial)
    .reduce(
      (rows: Rows, layer) =>
        layer.type === 'attention' ? attend(layer, rows) : rows.map((row) => applyLayer(layer, row)),
      x,
    );
}

/** Quadratic attention as MATH.md section 1 writes it, position by position. */
function attend(layer: AttentionLayer, x: Rows): Rows {
  const { heads, mask, rotaryBase, alpha, beta } = layer;
  const size = layer.q1.shape[0] / heads;
  const rotated = (weight: Tensor, bias: Tensor | undefined): Rows =>
    x.map((row, s) => {
      const projected = affine(weight, bias, row);
      return rotaryBase === null ? projected : rotate(projected, s, size, rotaryBase);
    });
  const [q1, k1] = [rotated(layer.q1, layer.q1Bias), rotated(layer.k1, layer.k1Bias)];
  const [q2, k2] = [rotated(layer.q2, layer.q2Bias), rotated(layer.k2, layer.k2Bias)];
  const v = x.map((row) => affine(layer.v, layer.vBias, row));
  return x.map((row, s) => {
    const joined: number[] = [];
    for (let head = 0; head < heads; head++) {
      const part = (vector: readonly number[]) => vector.slice(head * size, (head + 1) * size);
      const sum = new Array<number>(size).fill(0);
      for (let t = 0; t < x.length; t++) {
        if (mask === 'causal' && t > s) continue;
        const pattern = (dot(part(q1[s]), part(k1[t])) * dot(part(q2[s]), part(k2[t]))) / size ** 2;
        for (const [i, value] of part(v[t]).entries()) sum[i] += pattern * value;
      }
      joined.push(...sum);
    }
    return affine(layer.o, layer.oBias, joined).map((value, i) => beta * value + (alpha === 0 ? 0 : alpha * row[i]));
  });
}

/** The half-split layout: coordinates j and j + size/2 of a head turn by the angle s·base^(−2j/size). */
function rotate(vector: readonly number[], s: number, size: number, base: number): number[] {
  return vector.map((value, i) => {
    const [head, at] = [Math.floor(i / size), i % size];
    const j = at % (size / 2);
    const angle = s * base ** ((-2 * j) / size);
    const partner = vector[head * size + (at < size / 2 ? at + size / 2 : at - size / 2)];
    return value * Math.cos(angle) + (at < size / 2 ? -partner : partner) * Math.sin(angle);
  });
}

/**
 * E f_c(x) g_c(x) for every output c, by a grid of three Gauss–Hermite points per coordinate of z. It is exact: f·g has
 * at most degree four in each coordinate, and three points integrate degree five.
 */
export function quadrature(f: Model, g: Model, { mean, factor }: OracleLaw): number[] {
  const nodes = [-Math.sqrt(3), 0, Math.sqrt(3)];
  const weights = [1 / 6, 2 / 3, 1 / 6];
  const dimensions = factor[0].length;
  const sums = new Array<number>(f.outputShape[1]).fill(0);
  for (let point = 0; point < 3 ** dimensions; point++) {
    const digits = Array.from({ length: dimensions }, (_, i) => Math.floor(point / 3 ** i) % 3);
    const weight = digits.reduce((value, digit) => value * weights[digit], 1);
    const z = digits.map((digit) => nodes[digit]);
    const x = factor.map((row, i) => mean[i] + dot(row, z));
    const [a, b] = [evaluate(f, x), evaluate(g, x)];
    for (let c = 0; c < sums.length; c++) sums[c] += weight * a[c] * b[c];
  }
  return sums;
}

/**
 * ⟨f_c, g_c⟩ of the measure `tensor` by the recursion of MATH.md section 7 over padded layers, the law as the first of
 * them.
 */
export function tensorRecursion(f: Model, g: Model, { mean, factor }: OracleLaw): number[] {
  const first = padLinear(factor, mean);
  let gram = product(first, transposed(first));
  f.layers.forEach((layer, i) => {
    gram = stepRecursion(layer, g.layers[i], gram);
  });
  return gram.slice(1).map((row, c) => row[c + 1]);
}

function stepRecursion(a: Layer, b: Layer, gram: Rows): Rows {
  if (a.type === 'linear' && b.type === 'linear') {
    const left = padLinear(rowsOf(a.weight), valuesOf(a.bias, a.weight.shape[0]));
    const right = padLinear(rowsOf(b.weight), valuesOf(b.bias, b.weight.shape[0]));
    return product(product(left, gram), transposed(right));
  }
  if (a.type !== 'bilinear' || b.type !== 'bilinear') throw new Error('the recursion needs layers of the same types');
  const [p, q] = [padBlock(a), padBlock(b)];
  const inner = (x: Rows, y: Rows) => product(product(x, gram), transposed(y));
  const [ll, rr, lr, rl] = [
    inner(p.left, q.left),
    inner(p.right, q.right),
    inner(p.left, q.right),
    inner(p.right, q.left),
  ];
  const squares = ll.map((row, i) => row.map((value, j) => (value * rr[i][j] + lr[i][j] * rl[i][j]) / 2));
  return product(product(p.down, squares), transposed(q.down));
}

function padLinear(weight: Rows, bias: readonly number[]): Rows {
  return [[1, ...new Array(weight[0].length).fill(0)], ...weight.map((row, i) => [bias[i], ...row])];
}

/** L̃, R̃ and D̃: the constant, the hidden units, and for the residual x_i against 1. */
function padBlock(block: BilinearLayer): { left: Rows; right: Rows; down: Rows } {
  const [left, right] = [rowsOf(block.left), rowsOf(block.right)];
  const inputs = left[0].length;
  const down = block.down === undefined ? identity(left.length) : rowsOf(block.down);
  const [l, r] = [valuesOf(block.leftBias, left.length), valuesOf(block.rightBias, left.length)];
  const c = valuesOf(block.downBias, down.length);
  const one = [1, ...new Array(inputs).fill(0)];
  const skip = block.alpha === 0 ? [] : identity(inputs);
  return {
    left: [one, ...left.map((row, h) => [l[h], ...row]), ...skip.map((row) => [0, ...row])],
    right: [one, ...right.map((row, h) => [r[h], ...row]), ...skip.map(() => one)],
    down: [
      [1, ...new Array(left.length + skip.length).fill(0)],
      ...down.map((row, i) => [
        block.beta * c[i],
        ...row.map((value) => block.beta * value),
        ...(skip[i] ?? []).map((value) => block.alpha * value),
      ]),
    ],
  };
}

function applyLayer(layer: LinearLayer | BilinearLayer, x: readonly number[]): number[] {
  if (layer.type === 'linear') return affine(layer.weight, layer.bias, x);
  const left = affine(layer.left, layer.leftBias, x);
  const right = affine(layer.right, layer.rightBias, x);
  const products = left.map((value, h) => value * right[h]);
  const c = valuesOf(layer.downBias, layer.down?.shape[0] ?? products.length);
  const sums = layer.down === undefined ? products : rowsOf(layer.down).map((row) => dot(row, products));
  return sums.map((sum, i) => layer.beta * (sum + c[i]) + (layer.alpha === 0 ? 0 : layer.alpha * x[i]));
}

function affine(weight: Tensor, bias: Tensor | undefined, x: readonly number[]): number[] {
  const b = valuesOf(bias, weight.shape[0]);
  return rowsOf(weight).map((row, i) => dot(row, x) + b[i]);
}

export function rowsOf({ data, shape: [rows, columns] }: Tensor): Rows {
  return Array.from({ length: rows }, (_, i) => Array.from(data.subarray(i * columns, (i + 1) * columns)));
}

export function tensorOf(rows: Rows): Tensor {
  return { data: Float64Array.from(rows.flat()), shape: [rows.length, rows[0].length] };
}

function valuesOf(vector: Tensor | undefined, length: number): number[] {
  return vector === undefined ? new Array(length).fill(0) : Array.from(vector.data);
}

export function identity(size: number): Rows {
  return Array.from({ length: size }, (_, i) => Array.from({ length: size }, (_, j) => (i === j ? 1 : 0)));
}

export function transposed(rows: Rows): Rows {
  return rows[0].map((_, j) => rows.map((row) => row[j]));
}

export function product(a: Rows, b: Rows): Rows {
  const columns = transposed(b);
  return a.map((row) => columns.map((column) => dot(row, column)));
}

export function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, i) => sum + value * b[i], 0);
}
