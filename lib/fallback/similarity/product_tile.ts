import type { GramJob } from '../../backend/grams.js';
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

/**
 * The slices of a tile. With P_c = 2⟨B_c, B'_c⟩ (MATH.md sections 3 and 7), from factors pair after pair or from forms
 * all at once:
 *
 *     gaussian            P_c + w_c·w'_c + m_c m'_c
 *     tensor, one block   ½ (P_c + w_c·w'_c) + e_c e'_c     the linear part fills two legs of x̃ ⊗ x̃, half in each
 *     tensor, no block    w_c·w'_c + e_c e'_c
 *
 * Positions are independent and alike, so each adds the same. Of a symmetric tile only i ≤ j is meant.
 *
 * @param slices (rows, columns, outputs), zero.
 */
export async function productSlices(
  job: GramJob,
  rows: readonly ProductContent[],
  columns: readonly ProductContent[],
  slices: Float64Array,
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
  for (const { of, offsets } of vectors) {
    const features = { rows: rows.map(of), columns: columns.map(of), offsets, symmetric: job.symmetric };
    await addFeatureProducts(features, slices, pacer, advance);
  }
  for (const [i, a] of rows.entries()) {
    for (const [j, b] of columns.entries()) {
      if (a.kind === 'one-block' && b.kind === 'one-block') {
        finish(job.measure, a, b, slices.subarray((i * columns.length + j) * outputs).subarray(0, outputs));
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
  readonly offsets: readonly number[];
}

/** The parts that some rows and some columns have. */
function vectorsOf(rows: readonly ProductContent[], columns: readonly ProductContent[]): Vectors[] {
  const [first] = rows;
  if (first.kind === 'features') return [{ of: (model) => (model as PreparedFeatures).vector, offsets: first.offsets }];
  const { inputs, mean } = first;
  const every = (size: number) => Array.from({ length: mean.length + 1 }, (_, c) => c * size);
  const all: Vectors[] = [
    { of: (model) => (model as PreparedOneBlock).forms, offsets: every(denseFormSize(inputs)) },
    { of: (model) => (model as PreparedOneBlock).linear, offsets: every(inputs) },
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
