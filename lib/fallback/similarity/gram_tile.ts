import type { GramJob, GramTile } from '../../backend/backend.js';
import type { Pacer } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import type { TensorData } from '../../tensor/tensor.js';
import { closureSlices } from '../gaussian/closure.js';
import { tensorSlices } from '../gaussian/tensor.js';
import { twoBlockSlices } from '../gaussian/two_block_pair.js';
import { pairProducts, type QuadraticPart } from './pair_kernel.js';
import {
  type Content,
  copyInto,
  type FallbackModel,
  type PreparedFeatures,
  type PreparedOneBlock,
} from './prepared.js';

/**
 * The inner products of rows with columns, pair after pair. A symmetric tile computes i ≤ j and mirrors.
 * @param onPair called after every pair with the pairs done and in all.
 */
export async function gramTile(
  job: GramJob,
  rows: readonly FallbackModel[],
  columns: readonly FallbackModel[],
  pacer: Pacer,
  onPair: (done: number, total: number) => void,
): Promise<GramTile> {
  const outputs = checkAgreement([...rows, ...columns]);
  const width = columns.length;
  const total = new Float64Array(rows.length * width);
  const slices = new Float64Array(job.perOutput ? total.length * outputs : 0);
  const pairs = job.symmetric ? (width * (width + 1)) / 2 : total.length;
  const pair = new Float64Array(outputs);
  const keep = (cell: number) => {
    total[cell] = pair.reduce((sum, value) => sum + value, 0);
    if (job.perOutput) slices.set(pair, cell * outputs);
  };
  const rowBuffer: { panels?: Float64Array } = {};
  const columnBuffer: { panels?: Float64Array } = {};
  let done = 0;
  for (let i = 0; i < rows.length; i++) {
    const row = await widen(rows[i].content, rowBuffer, pacer);
    for (let j = job.symmetric ? i : 0; j < width; j++) {
      const column = await widen(columns[j].content, columnBuffer, pacer);
      await pairSlices(job.measure, row, column, pair, pacer);
      keep(i * width + j);
      if (job.symmetric && j > i) keep(j * width + i);
      done++;
      onPair(done, pairs);
      if (pacer.due(outputs)) await pacer.pause();
    }
  }
  return job.perOutput ? { total, perOutput: slices } : { total };
}

interface WidenedOneBlock {
  readonly kind: 'one-block';
  readonly chain: PreparedOneBlock;
  readonly part: QuadraticPart;
}
type Widened = WidenedOneBlock | Exclude<Content, PreparedOneBlock>;

/** The panels in double precision, for the one kernel there is: single precision is widened into a buffer used again. */
async function widen(content: Content, buffer: { panels?: Float64Array }, pacer: Pacer): Promise<Widened> {
  if (content.kind !== 'one-block') return content;
  let panels = content.factors;
  if (!(panels instanceof Float64Array)) {
    if (buffer.panels === undefined || buffer.panels.length < panels.length) {
      buffer.panels = new Float64Array(panels.length);
    }
    await copyInto(buffer.panels, panels, pacer);
    panels = buffer.panels;
  }
  const { units, inputs, down, constant } = content;
  const part = { units, depth: inputs, outputs: constant.length, factors: panels, down };
  return { kind: 'one-block', chain: content, part };
}

/** The inner products of one pair, one per slice, into `result`. */
async function pairSlices(
  measure: GramJob['measure'],
  row: Widened,
  column: Widened,
  result: Float64Array,
  pacer: Pacer,
): Promise<void> {
  if (row.kind === 'one-block' && column.kind === 'one-block') await chainSlices(measure, row, column, result, pacer);
  else if (row.kind === 'features' && column.kind === 'features') await featureSlices(row, column, result, pacer);
  else if (row === column && 'self' in row) result.set(row.self);
  else if (row.kind === 'two-block' && column.kind === 'two-block') await twoBlockSlices(row, column, result, pacer);
  else if (row.kind === 'closure' && column.kind === 'closure') await closureSlices(row, column, result, pacer);
  else if (row.kind === 'tensor' && column.kind === 'tensor') await tensorSlices(row, column, result, pacer);
  else throw new TensimError('INVALID_ARGUMENT', `models of a tile are prepared as ${row.kind} and ${column.kind}`);
}

/**
 * With P_c = 2⟨B_c, B'_c⟩ (MATH.md sections 3 and 7):
 *
 *     gaussian            P_c + w_c·w'_c + m_c m'_c
 *     tensor, one block   ½ (P_c + w_c·w'_c) + e_c e'_c     the linear part fills two legs of x̃ ⊗ x̃, half in each
 *     tensor, no block    w_c·w'_c + e_c e'_c
 *
 * Positions are independent and alike, so each adds the same.
 */
async function chainSlices(
  measure: GramJob['measure'],
  { chain: a, part: aPart }: WidenedOneBlock,
  { chain: b, part: bPart }: WidenedOneBlock,
  result: Float64Array,
  pacer: Pacer,
): Promise<void> {
  await pairProducts(aPart, bPart, result, pacer);
  if (a.linear !== null && b.linear !== null) {
    for (let c = 0; c < result.length; c++) {
      result[c] += await dot(a.linear, b.linear, c * a.inputs, (c + 1) * a.inputs, pacer);
    }
  }
  if (measure === 'gaussian') {
    for (let c = 0; c < result.length; c++) result[c] = a.positions * (result[c] + a.mean[c] * b.mean[c]);
    return;
  }
  if (a.quadratic !== b.quadratic) {
    throw new TensimError('SHAPE_MISMATCH', 'tensors of different degree have no inner product', {
      hint: 'Use the measure "gaussian"',
    });
  }
  const weight = a.quadratic ? 0.5 : 1;
  for (let c = 0; c < result.length; c++) {
    result[c] = a.positions * (weight * result[c] + a.constant[c] * b.constant[c]);
  }
}

async function featureSlices(
  { segments: a }: PreparedFeatures,
  { segments: b }: PreparedFeatures,
  result: Float64Array,
  pacer: Pacer,
): Promise<void> {
  for (let c = 0; c < result.length; c++) result[c] = await dot(a[c], b[c], 0, a[c].length, pacer);
}

/** Elements of a dot product between two chances to yield. */
const DOT_CHUNK = 1 << 17;

/** Σ a_i b_i over start ≤ i < end, in double precision. */
async function dot(a: TensorData, b: TensorData, start: number, end: number, pacer: Pacer): Promise<number> {
  let sum = 0;
  for (let at = start; at < end; at += DOT_CHUNK) {
    const stop = Math.min(at + DOT_CHUNK, end);
    sum += dotChunk(a, b, at, stop);
    if (pacer.due(stop - at)) await pacer.pause();
  }
  return sum;
}

/** Four sums side by side: one alone would wait for every addition to finish. */
function dotChunk(a: TensorData, b: TensorData, start: number, end: number): number {
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  let i = start;
  for (; i + 3 < end; i += 4) {
    s0 += a[i] * b[i];
    s1 += a[i + 1] * b[i + 1];
    s2 += a[i + 2] * b[i + 2];
    s3 += a[i + 3] * b[i + 3];
  }
  for (; i < end; i++) s0 += a[i] * b[i];
  return s0 + s1 + (s2 + s3);
}

/** The number of slices that all models share. */
function checkAgreement(models: readonly FallbackModel[]): number {
  const [first] = models;
  if (first === undefined) return 0;
  for (const model of models) {
    if (model.dtype !== first.dtype) {
      throw new TensimError('INVALID_ARGUMENT', `models of a tile are prepared as ${first.dtype} and ${model.dtype}`);
    }
    const sizes = shapeOf(model);
    const expected = shapeOf(first);
    if (sizes.length !== expected.length || sizes.some((size, i) => size !== expected[i])) {
      throw new TensimError(
        'SHAPE_MISMATCH',
        `models of a tile have the sizes [${expected.join(', ')}] and [${sizes.join(', ')}]`,
      );
    }
  }
  return first.outputs;
}

/** What must agree: the positions and the sizes of input and output, or the lengths of all segments. */
function shapeOf({ content, outputs }: FallbackModel): readonly number[] {
  if (content.kind === 'features') return content.segments.map((segment) => segment.length);
  return [content.positions, content.inputs, outputs];
}
