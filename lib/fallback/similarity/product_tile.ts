import { DEGREE_PARTS, type GramJob } from '../../backend/grams.js';
import type { Pacer } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import type { TensorData } from '../../tensor/tensor.js';
import { denseFormSize } from '../gaussian/dense_form.js';
import { copyInto } from './convert.js';
import { addFeatureProducts } from './feature_products.js';
import { throughMetric, type UnfoldedPart } from './metric.js';
import { pairProducts } from './pair_kernel.js';
import type { Content, PreparedFeatures, PreparedOneBlock } from './prepared.js';

/**
 * What is compared by products over all models of a tile: plain vectors, and chains of one block with their parts that
 * are such.
 */
export type ProductContent = PreparedOneBlock | PreparedFeatures;

export function isProduct(content: Content): content is ProductContent {
  return content.kind === 'one-block' || content.kind === 'features';
}

/** What a tile is made of, cell after cell; null for what it does not have, or is not asked for. */
export interface TileValues {
  /** (rows, columns, outputs), zero at first. */
  readonly slices: Float64Array;
  /** (rows, columns, 4), as `GramTile.perDegree`. */
  readonly degrees: Float64Array | null;
  /** (rows, columns), as `GramTile.bound`. */
  readonly bound: Float64Array | null;
}

/**
 * The slices of a tile. With P_c = 2⟨B_c, B'_c⟩ (MATH.md sections 3 and 7), from factors pair after pair or from forms
 * all at once:
 *
 *     gaussian            P_c + w_c·w'_c + m_c m'_c
 *     tensor, one block   ½ (P_c + w_c·w'_c) + e_c e'_c     the linear part fills two legs of x̃ ⊗ x̃, half in each
 *     tensor, no block    w_c·w'_c + e_c e'_c
 *
 * Positions are independent and alike, so each adds the same. Of a symmetric tile only i ≤ j is meant. The three terms
 * of the first line are what degrees 2, 1 and 0 contribute.
 */
export async function productSlices(
  job: GramJob,
  rows: readonly ProductContent[],
  columns: readonly ProductContent[],
  { slices, degrees }: TileValues,
  pacer: Pacer,
  onProgress: (done: number, total: number) => void,
): Promise<void> {
  if (rows.length === 0 || columns.length === 0) return;
  if (job.measure === 'tensor') checkDegrees([...rows, ...columns]);
  const vectors = vectorsOf(rows, columns);
  const factors = rows.some(hasFactors) && columns.some(hasFactors);
  const outputs = slices.length / rows.length / columns.length;
  const total = (factors ? rows.length : 0) + vectors.length * outputs;
  let done = 0;
  const advance = () => onProgress(++done, total);
  if (factors) await addQuadratic(job, rows, columns, outputs, slices, pacer, advance);
  const addVectors = ({ of, offsets }: Vectors, to: Float64Array) => {
    const features = { rows: rows.map(of), columns: columns.map(of), offsets, symmetric: job.symmetric };
    return addFeatureProducts(features, to, pacer, advance);
  };
  for (const part of vectors) if (part.degree !== 1) await addVectors(part, slices);
  if (degrees !== null) addDegree(2, slices, degrees);
  for (const part of vectors) {
    if (part.degree !== 1) continue;
    const linear = degrees === null ? slices : new Float64Array(slices.length);
    await addVectors(part, linear);
    if (degrees === null) continue;
    addDegree(1, linear, degrees);
    for (let i = 0; i < slices.length; i++) slices[i] += linear[i];
  }
  for (const [i, a] of rows.entries()) {
    for (const [j, b] of columns.entries()) {
      if (a.kind === 'one-block' && b.kind === 'one-block') {
        const cell = i * columns.length + j;
        finish(job.measure, a, b, slices.subarray(cell * outputs, (cell + 1) * outputs));
        if (degrees !== null) finishDegrees(a, b, degrees.subarray(cell * PARTS, (cell + 1) * PARTS));
      }
    }
    if (pacer.due(columns.length * outputs)) await pacer.pause();
  }
}

function finish(measure: GramJob['measure'], a: PreparedOneBlock, b: PreparedOneBlock, pair: Float64Array): void {
  const gaussian = measure === 'gaussian';
  const weight = gaussian || !a.quadratic ? 1 : 0.5;
  const [x, y] = gaussian ? [a.mean, b.mean] : [a.constant, b.constant];
  for (let c = 0; c < pair.length; c++) pair[c] = a.positions * (weight * pair[c] + x[c] * y[c]);
}

const PARTS = DEGREE_PARTS.length;

/** Adds up the outputs of every cell as what a degree contributes. */
function addDegree(degree: number, slices: Float64Array, degrees: Float64Array): void {
  const outputs = (slices.length * PARTS) / degrees.length;
  for (let i = 0; i < slices.length; i++) degrees[Math.floor(i / outputs) * PARTS + degree] += slices[i];
}

/** The constant part, and all positions. */
function finishDegrees(a: PreparedOneBlock, b: PreparedOneBlock, degrees: Float64Array): void {
  for (let c = 0; c < a.mean.length; c++) degrees[0] += a.mean[c] * b.mean[c];
  for (let degree = 0; degree < PARTS; degree++) degrees[degree] *= a.positions;
}

function checkDegrees(models: readonly ProductContent[]): void {
  const degrees = new Set(models.map((model) => model.kind === 'one-block' && model.quadratic));
  if (degrees.size === 1) return;
  throw new TensimError('SHAPE_MISMATCH', 'tensors of different degree have no inner product', {
    hint: 'Use the measure "gaussian"',
  });
}

/** A part of models that is plain vectors. */
interface Vectors {
  /** What it contributes to; null for vectors that stand for no function. */
  readonly degree: 1 | 2 | null;
  readonly of: (model: ProductContent) => TensorData | null;
  readonly offsets: readonly number[];
}

/** The parts that some rows and some columns have. */
function vectorsOf(rows: readonly ProductContent[], columns: readonly ProductContent[]): Vectors[] {
  const [first] = rows;
  if (first.kind === 'features')
    return [{ degree: null, of: (model) => (model as PreparedFeatures).vector, offsets: first.offsets }];
  const { inputs, mean } = first;
  const every = (size: number) => Array.from({ length: mean.length + 1 }, (_, c) => c * size);
  const all: Vectors[] = [
    { degree: 2, of: (model) => (model as PreparedOneBlock).forms, offsets: every(denseFormSize(inputs)) },
    { degree: 1, of: (model) => (model as PreparedOneBlock).linear, offsets: every(inputs) },
  ];
  return all.filter(({ of }) => [rows, columns].every((models) => models.some((model) => of(model) !== null)));
}

function hasFactors(model: ProductContent): model is PreparedOneBlock {
  return model.kind === 'one-block' && model.units > 0;
}

async function addQuadratic(
  { symmetric }: GramJob,
  rows: readonly ProductContent[],
  columns: readonly ProductContent[],
  outputs: number,
  slices: Float64Array,
  pacer: Pacer,
  onRow: () => void,
): Promise<void> {
  const [rowBuffers, columnBuffers]: Buffers[] = [{}, {}];
  const pair = new Float64Array(outputs);
  for (const [i, a] of rows.entries()) {
    const row = hasFactors(a) ? await widen(a, rowBuffers, pacer) : null;
    for (let j = symmetric ? i : 0; row !== null && j < columns.length; j++) {
      const b = columns[j];
      if (!hasFactors(b)) continue;
      const column = await widen(b, columnBuffers, pacer);
      const meeting = b.route === 'unfolded' ? await throughMetric(row, column, pacer) : row;
      await pairProducts(meeting, column, pair, pacer);
      const at = (i * columns.length + j) * outputs;
      for (let c = 0; c < outputs; c++) slices[at + c] += pair[c];
    }
    onRow();
  }
}

interface Buffers {
  factors?: Float64Array;
  embedding?: Float64Array;
}

/** The panels in double precision, for the one kernel there is: single precision is widened into buffers used again. */
async function widen(model: PreparedOneBlock, buffers: Buffers, pacer: Pacer): Promise<UnfoldedPart> {
  const wide = async (name: keyof Buffers): Promise<Float64Array> => {
    const panels = model[name];
    if (panels instanceof Float64Array) return panels;
    let buffer = buffers[name];
    if (buffer === undefined || buffer.length < panels.length) buffer = new Float64Array(panels.length);
    buffers[name] = buffer;
    await copyInto(buffer, panels, pacer);
    return buffer;
  };
  const { units, inputs, width, down, constant } = model;
  const [factors, embedding] = [await wide('factors'), await wide('embedding')];
  return { units, depth: width, inputs, outputs: constant.length, factors, down, embedding };
}
