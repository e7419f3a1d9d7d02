import { DEGREE_PARTS, type GramJob } from '../../backend/grams.js';
import type { Pacer } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import type { TensorData } from '../../tensor/tensor.js';
import { denseFormSize } from '../gaussian/dense_form.js';
import { addFeatureProducts } from './feature_products.js';
import { throughMetric, type UnfoldedPart } from './metric.js';
import { pairProducts } from './pair_kernel.js';
import { type Content, copyInto, type PreparedFeatures, type PreparedOneBlock } from './prepared.js';

/**
 * What is compared by products over all models of a tile: plain vectors, and chains of one block with their parts that
 * are such.
 */
export type ProductContent = PreparedOneBlock | PreparedFeatures;

export function isProduct(content: Content): content is ProductContent {
  return content.kind === 'one-block' || content.kind === 'features';
}

/** The degrees that are told apart: 0, 1, 2, and all higher ones. */
export const DEGREES = DEGREE_PARTS.length;

/** What is computed of a tile, zero at first. */
export interface ProductSums {
  /** (rows, columns, outputs). */
  readonly slices: Float64Array;
  /** (rows, columns, DEGREES), where the degrees are asked for; of features all is linear. */
  readonly perDegree: Float64Array | null;
}

/**
 * The slices of a tile. With P_c = 2⟨B_c, B'_c⟩ (MATH.md sections 3 and 7), from factors pair after pair or from forms
 * all at once:
 *
 *     gaussian            P_c + w_c·w'_c + m_c m'_c
 *     tensor, one block   ½ (P_c + w_c·w'_c) + e_c e'_c     the linear part fills two legs of x̃ ⊗ x̃, half in each
 *     tensor, no block    w_c·w'_c + e_c e'_c
 *
 * Positions are independent and alike, so each adds the same. Of a symmetric tile only i ≤ j is meant.
 */
export async function productSlices(
  job: GramJob,
  rows: readonly ProductContent[],
  columns: readonly ProductContent[],
  { slices, perDegree }: ProductSums,
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
  const multiply = ({ of, offsets }: Vectors, sums: Float64Array) => {
    const features = { rows: rows.map(of), columns: columns.map(of), offsets, symmetric: job.symmetric };
    return addFeatureProducts(features, sums, pacer, advance);
  };
  for (const part of vectors.filter(({ degree }) => degree === 2)) await multiply(part, slices);
  if (perDegree !== null) addSums(slices, outputs, perDegree, 2);
  for (const part of vectors.filter(({ degree }) => degree === 1)) {
    if (perDegree === null) await multiply(part, slices);
    else {
      const own = new Float64Array(slices.length);
      await multiply(part, own);
      addSums(own, outputs, perDegree, 1);
      for (let i = 0; i < slices.length; i++) slices[i] += own[i];
    }
  }
  for (const [i, a] of rows.entries()) {
    for (const [j, b] of columns.entries()) {
      if (a.kind !== 'one-block' || b.kind !== 'one-block') continue;
      const cell = i * columns.length + j;
      finish(job.measure, a, b, slices.subarray(cell * outputs, (cell + 1) * outputs));
      if (perDegree !== null) finishDegrees(a, b, perDegree.subarray(cell * DEGREES, (cell + 1) * DEGREES));
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

/** Adds the sum over the outputs of every cell to the part of a degree. */
function addSums(slices: Float64Array, outputs: number, perDegree: Float64Array, degree: number): void {
  for (let i = 0, cell = 0; i < slices.length; i += outputs, cell++) {
    for (let c = 0; c < outputs; c++) perDegree[cell * DEGREES + degree] += slices[i + c];
  }
}

/** Under `gaussian`: the products of the means beside those of higher degree, of all positions. */
function finishDegrees(a: PreparedOneBlock, b: PreparedOneBlock, pair: Float64Array): void {
  for (let c = 0; c < a.mean.length; c++) pair[0] += a.mean[c] * b.mean[c];
  for (let degree = 0; degree < DEGREES; degree++) pair[degree] *= a.positions;
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
  readonly of: (model: ProductContent) => TensorData | null;
  /** Of the function whose coefficients they are. */
  readonly degree: 1 | 2;
  readonly offsets: readonly number[];
}

/** The parts that some rows and some columns have. */
function vectorsOf(rows: readonly ProductContent[], columns: readonly ProductContent[]): Vectors[] {
  const [first] = rows;
  if (first.kind === 'features')
    return [{ of: (model) => (model as PreparedFeatures).vector, degree: 1, offsets: first.offsets }];
  const { inputs, mean } = first;
  const every = (size: number) => Array.from({ length: mean.length + 1 }, (_, c) => c * size);
  const all: Vectors[] = [
    { of: (model) => (model as PreparedOneBlock).forms, degree: 2, offsets: every(denseFormSize(inputs)) },
    { of: (model) => (model as PreparedOneBlock).linear, degree: 1, offsets: every(inputs) },
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
