import type { Layer, Model } from '../../lib/model/model.js';
import { hermite } from './hermite.js';
import { evaluate, evaluateSequence, type OracleLaw, product, type Rows, transposed } from './oracles.js';
import type { Random } from './random.js';

/** ⟨f_c, g_c⟩ of every two models: `[i][j][c]`. */
export type Products = number[][][];

/** Every point of the grid in so many dimensions, with its weight. */
function* grid(dimensions: number, points: number): Generator<{ z: number[]; weight: number }> {
  const { nodes, weights } = hermite(points);
  for (let index = 0; index < points ** dimensions; index++) {
    const digits = Array.from({ length: dimensions }, (_, i) => Math.floor(index / points ** i) % points);
    yield {
      z: digits.map((digit) => nodes[digit]),
      weight: digits.reduce((value, digit) => value * weights[digit], 1),
    };
  }
}

/** The input of all positions, independent and alike, that belongs to independent normals z. */
function inputOf({ mean, factor }: OracleLaw, positions: number, z: readonly number[]): Rows {
  const rank = factor[0].length;
  return Array.from({ length: positions }, (_, s) => {
    const own = z.slice(s * rank, (s + 1) * rank);
    return factor.map((row, i) => mean[i] + row.reduce((sum, value, k) => sum + value * own[k], 0));
  });
}

/** The products of all outputs of all models at one input, summed over positions. */
function productsAt(models: readonly Model[], x: Rows): Products {
  const outputs = models.map((model) => evaluateSequence(model, x));
  return outputs.map((a) =>
    outputs.map((b) => a[0].map((_, c) => a.reduce((sum, row, s) => sum + row[c] * b[s][c], 0))),
  );
}

/**
 * E f_c(x)·g_c(x), exact for models of a degree below `points` in every coordinate of the input (5 for one attention
 * block, 2 to the number of bilinear ones).
 */
export function exactProducts(models: readonly Model[], law: OracleLaw, points: number): Products {
  const positions = models[0].inputShape[0];
  let sum: Products | undefined;
  for (const { z, weight } of grid(positions * law.factor[0].length, points)) {
    const products = productsAt(models, inputOf(law, positions, z));
    sum = combine(sum ?? products, products, (total, value) => (sum ? total : 0) + weight * value);
  }
  return sum!;
}

/** Estimates of E f_c(x)·g_c(x) with their standard errors, from 32 batches. */
export function sampledProducts(models: readonly Model[], law: OracleLaw, perBatch: number, draw: Random) {
  const positions = models[0].inputShape[0];
  const batches = Array.from({ length: 32 }, () => {
    let sum: Products | undefined;
    for (let i = 0; i < perBatch; i++) {
      const z = Array.from({ length: positions * law.factor[0].length }, () => draw.normal());
      const products = productsAt(models, inputOf(law, positions, z));
      sum = combine(sum ?? products, products, (total, value) => (sum ? total : 0) + value / perBatch);
    }
    return sum!;
  });
  const mean = batches.reduce((a, b) => combine(a, b, (x, y) => x + y));
  const average = combine(mean, mean, (x) => x / batches.length);
  const squares = batches
    .map((batch) => combine(batch, average, (x, y) => (x - y) ** 2))
    .reduce((a, b) => combine(a, b, (x, y) => x + y));
  const error = combine(squares, squares, (x) => Math.sqrt(x / batches.length / (batches.length - 1)));
  return { average, error };
}

function combine(a: Products, b: Products, join: (x: number, y: number) => number): Products {
  return a.map((row, i) => row.map((cell, j) => cell.map((value, c) => join(value, b[i][j][c]))));
}

/**
 * The Gaussian closure of MATH.md section 6 by quadrature: what comes out of the i-th blocks of all models together is
 * replaced by normals of the same mean and covariance. Plain networks of few features.
 */
export function closureProducts(models: readonly Model[], { mean, factor }: OracleLaw): Products {
  const stages = models.map(({ layers }) => stagesOf(layers));
  let state = models.flatMap(() => [...mean]);
  let root: Rows = models.flatMap(() => factor);
  let widths = models.map(() => mean.length);
  for (let i = 0; i < Math.max(...stages.map((parts) => parts.length)); i++) {
    const parts = stages.map((list, m) => ({ ...models[m], layers: list[i] ?? [] }));
    const step = (x: readonly number[]) => {
      let start = 0;
      return parts.map((part, m) => {
        const own = x.slice(start, start + widths[m]);
        start += widths[m];
        return evaluate(part, own);
      });
    };
    const points = [...grid(root[0].length, 3)].map(({ z, weight }) => {
      const x = root.map((row, j) => state[j] + row.reduce((sum, value, k) => sum + value * z[k], 0));
      return { outputs: step(x), weight };
    });
    widths = points[0].outputs.map((output) => output.length);
    const average = points[0].outputs
      .flat()
      .map((_, j) => points.reduce((sum, p) => sum + p.weight * p.outputs.flat()[j], 0));
    const rows = points.map(({ outputs, weight }) =>
      outputs.flat().map((value, j) => Math.sqrt(weight) * (value - average[j])),
    );
    state = average;
    root = cholesky(product(transposed(rows), rows));
  }
  const cov = product(root, transposed(root));
  const starts = widths.map((_, m) => widths.slice(0, m).reduce((sum, width) => sum + width, 0));
  return starts.map((a) =>
    starts.map((b) => Array.from({ length: widths[0] }, (_, c) => state[a + c] * state[b + c] + cov[a + c][b + c])),
  );
}

/** The layers up to and with the first block, then up to the next …, the linear ones behind the last block with it. */
function stagesOf(layers: readonly Layer[]): Layer[][] {
  const stages: Layer[][] = [[]];
  for (const layer of layers) {
    if (layer.type !== 'linear' && stages.at(-1)!.some(({ type }) => type !== 'linear')) stages.push([]);
    stages.at(-1)!.push(layer);
  }
  return stages;
}

/** A root of a positive semi-definite matrix, with as many columns as it has rank. */
function cholesky(matrix: Rows): Rows {
  const root = matrix.map((row) => row.map(() => 0));
  const largest = Math.max(...matrix.map((row, i) => row[i]));
  for (let j = 0; j < matrix.length; j++) {
    const rest = (i: number) =>
      matrix[i][j] - root[i].reduce((sum, value, k) => sum + (k < j ? value * root[j][k] : 0), 0);
    const pivot = rest(j);
    if (pivot <= 1e-13 * largest) continue;
    for (let i = j; i < matrix.length; i++) root[i][j] = rest(i) / Math.sqrt(pivot);
  }
  return root.map((row) => row.filter((_, j) => root.some((other) => other[j] !== 0)));
}
