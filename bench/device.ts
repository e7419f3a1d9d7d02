/**
 * What a device reaches in one call of the CUDA library: all pairs of N models, results copied, the best of three.
 *
 *     npm run bench:device
 *
 * scripts/device/rates.py measures what cuBLAS and copies reach there. With TENSIM_DEVICE_SMALL=1 everything is tiny,
 * for a library whose device is the host.
 */
import type { Grams, PreparedModel } from '../lib/backend/grams.js';
import { loadCuda } from '../lib/machines/cuda/backend.js';
import { selectBackend } from '../lib/machines/select.js';
import { similarityMatrix } from '../lib/similarity/matrix.js';
import { routeCosts } from '../lib/similarity/plan/gram_route.js';
import type { DType } from '../lib/tensor/tensor.js';
import { type AttentionShape, layersOf } from './deep/instances.js';
import { chainOf, modelsOf, pairsOf, type Shape, shapeName, weightsOf } from './matrix/grid.js';
import { cell, fillPseudoRandom, formatTable, timeCell } from './support.js';

const SMALL = process.env.TENSIM_DEVICE_SMALL === '1';
const DTYPES = ['float64', 'float32'] as const;
const JOB = { measure: 'gaussian', symmetric: true, perOutput: false } as const;
const LAW = { sigma: 1 };
const ROUNDS = 3;

const PAIRS: readonly (readonly [Shape, number])[] = SMALL
  ? [[{ d: 20, h: 8, o: 3 }, 4]]
  : [
      [{ d: 1024, h: 64, o: 10 }, 1000],
      [{ d: 784, h: 256, o: 10 }, 300],
      [{ d: 226, h: 64, o: 113 }, 1000],
      [{ d: 64, h: 32, o: 10 }, 2000],
    ];
const VECTORS: readonly (readonly [count: number, length: number])[] = SMALL
  ? [[4, 1000]]
  : [
      [1000, 1e6],
      [16, 1e7],
    ];
const attention = (tokens: number, width: number, heads: number): AttentionShape => {
  return { family: 'attention', tokens, width, heads, layers: 2, positions: 4 };
};
const CLOSURES: readonly AttentionShape[] = SMALL
  ? [attention(16, 8, 2)]
  : [attention(512, 64, 4), attention(4096, 256, 8)];
const CLOSED = SMALL ? 2 : 8;

async function best(work: () => Promise<unknown>): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    await work();
    least = Math.min(least, (performance.now() - start) / 1e3);
  }
  return least;
}

/** Seconds until all are prepared, and of the tile of all of them. */
async function measured(
  { preparesAtOnce = 1, tile }: Grams,
  count: number,
  prepare: (i: number) => Promise<PreparedModel>,
): Promise<[prepared: number, products: number]> {
  const models: PreparedModel[] = [];
  const start = performance.now();
  for (let i = 0; i < count; i += preparesAtOnce) {
    const some = Array.from({ length: Math.min(preparesAtOnce, count - i) }, (_, j) => prepare(i + j));
    models.push(...(await Promise.all(some)));
  }
  const prepared = (performance.now() - start) / 1e3;
  const products = await best(() => tile(JOB, models, models));
  for (const model of models) model.dispose();
  return [prepared, products];
}

async function pairs(grams: Grams, dtype: DType): Promise<string[][]> {
  const rows: string[][] = [];
  for (const [shape, count] of PAIRS) {
    const models = modelsOf(shape, weightsOf(shape, count, dtype));
    const [prepared, products] = await measured(grams, count, (i) => {
      const { layers } = models[i];
      const chain = { kind: 'chain', layers, inputs: shape.d, positions: 1, law: LAW } as const;
      return grams.prepare({ ...chain, method: 'one-block', route: 'factor' }, dtype);
    });
    const flops = pairsOf(count) * routeCosts('factor', chainOf(shape), dtype).pair.flops;
    const whole = await best(() => similarityMatrix(models, { backend: 'cuda', route: 'factor', dtype }));
    const times = [prepared, products, whole].map(timeCell);
    rows.push([shapeName(shape), `${count}`, dtype, ...times, cell(flops / products / 1e12)]);
  }
  return rows;
}

async function vectors(grams: Grams, dtype: DType): Promise<string[][]> {
  const rows: string[][] = [];
  for (const [count, length] of VECTORS) {
    const data = fillPseudoRandom(dtype === 'float64' ? new Float64Array(length) : new Float32Array(length), 1);
    const [prepared, products] = await measured(grams, count, () =>
      grams.prepare({ kind: 'features', segments: [data] }, dtype),
    );
    const rate = (2 * pairsOf(count) * length) / products / 1e12;
    rows.push([`vectors of ${length}`, `${count}`, dtype, timeCell(prepared), timeCell(products), '', cell(rate)]);
  }
  return rows;
}

async function closures(grams: Grams, dtype: DType): Promise<string[][]> {
  const rows: string[][] = [];
  for (const shape of CLOSURES) {
    const { tokens, width, heads, positions } = shape;
    const [prepared, products] = await measured(grams, CLOSED, (i) => {
      const chain = { kind: 'chain', layers: layersOf(shape, i + 1), inputs: tokens, positions, law: LAW } as const;
      return grams.prepare({ ...chain, method: 'closure' }, dtype);
    });
    const name = `closure V${tokens} d${width} H${heads}`;
    const pair = `${timeCell(products / pairsOf(CLOSED))} a pair`;
    rows.push([name, `${CLOSED}`, dtype, timeCell(prepared), timeCell(products), '', pair]);
  }
  return rows;
}

const { grams } = await selectBackend('cuda', { grams: {} });
const loaded = loadCuda();
const rows: string[][] = [];
for (const dtype of DTYPES) {
  if ('backend' in loaded)
    console.log(`on registers, ${dtype}: ${cell((await loaded.backend.peak(dtype)) / 1e12)} TFLOP/s`);
  rows.push(...(await pairs(grams, dtype)), ...(await vectors(grams, dtype)), ...(await closures(grams, dtype)));
}
console.log(formatTable(['models', 'N', 'dtype', 'prepare', 'one call', 'matrix', 'TFLOP/s'], rows));
