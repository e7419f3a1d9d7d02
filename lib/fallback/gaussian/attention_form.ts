import type { Pacer } from '../../cooperate.js';
import type { AttentionLayer, LinearLayer } from '../../model/model.js';
import { copyRows, identity, type MatrixView, matrixOf, rowMajor, vectorOf } from '../../tensor/matrix.js';
import { multiplyVector } from '../gemm/gemm.js';
import { scaledProduct, throughLayers, weightsLastFirst } from './fold.js';
import { PARTS, Rotary } from './rotary.js';

/**
 * Quadratic attention with its residual and the linear layers after it folded in: out_s = T (x_s, z_s) + c, z_s the
 * heads one after the other, z_s^h = Σ_t M_st (q1_s·k1_t)(q2_s·k2_t) v_t.
 */
export interface AttentionForm {
  readonly heads: number;
  /** d_head. */
  readonly size: number;
  /** d. */
  readonly inputs: number;
  /** Per head the rows of q1, k1, q2, k2 and v, (5·size, d), before the rotation. */
  readonly projections: readonly MatrixView[];
  /** Per head, (5·size). */
  readonly biases: readonly Float64Array[];
  readonly rotary: Rotary;
  /** T: (o, d + heads·size), or (o, heads·size) without a residual. */
  readonly mixer: MatrixView;
  readonly residual: boolean;
  /** c, (o). */
  readonly constant: Float64Array;
  readonly mask: AttentionLayer['mask'];
}

export async function attentionForm(
  layer: AttentionLayer,
  after: readonly LinearLayer[],
  pacer: Pacer,
): Promise<AttentionForm> {
  const { heads, alpha, beta, mask } = layer;
  const [rows, inputs] = layer.v.shape;
  const size = rows / heads;
  const tensors = [layer.q1, layer.k1, layer.q2, layer.k2, layer.v].map(matrixOf);
  const vectors = [layer.q1Bias, layer.k1Bias, layer.q2Bias, layer.k2Bias, layer.vBias].map((bias) =>
    vectorOf(bias, rows),
  );
  const projections: MatrixView[] = [];
  const biases: Float64Array[] = [];
  for (let head = 0; head < heads; head++) {
    const data = new Float64Array(PARTS * size * inputs);
    const bias = new Float64Array(PARTS * size);
    for (let part = 0; part < PARTS; part++) {
      const all = tensors[part];
      const view = { ...all, data: all.data.subarray(head * size * all.rowStride), rows: size };
      await copyRows(view, 1, data, part * size * inputs, inputs, pacer);
      bias.set(vectors[part].subarray(head * size, (head + 1) * size), part * size);
    }
    projections.push(rowMajor(data, PARTS * size, inputs));
    biases.push(bias);
  }
  const outputs = layer.o.shape[0];
  const constant = vectorOf(layer.oBias, outputs).map((value) => beta * value);
  return {
    heads,
    size,
    inputs,
    projections,
    biases,
    rotary: new Rotary(size, layer.rotaryBase),
    mixer: await mixerOf(layer, weightsLastFirst(after), beta / size ** 2, pacer),
    residual: alpha !== 0,
    constant: await throughLayers(after, constant, pacer),
    mask,
  };
}

/** [αW | β/d_head² · W O], W the layers after. */
async function mixerOf(
  { o, alpha }: AttentionLayer,
  after: readonly MatrixView[],
  factor: number,
  pacer: Pacer,
): Promise<MatrixView> {
  const values = await scaledProduct(factor, o.shape[1], [...after, matrixOf(o)], pacer);
  if (alpha === 0) return values;
  const skip = after.length === 0 ? identity(o.shape[0]) : await scaledProduct(1, o.shape[0], after, pacer);
  const columns = skip.columns + values.columns;
  const data = new Float64Array(values.rows * columns);
  await copyRows(skip, alpha, data, 0, columns, pacer);
  await copyRows(values, 1, data, skip.columns, columns, pacer);
  return rowMajor(data, values.rows, columns);
}

/** The positions that position s sees. */
export function visible(mask: AttentionLayer['mask'], s: number, positions: number): number[] {
  return Array.from({ length: mask === 'causal' ? s + 1 : positions }, (_, t) => t);
}

/** The means of q1, k1, q2, k2 and v of one head at a position, (5·size). */
export async function projectedMean(
  form: AttentionForm,
  head: number,
  mean: Float64Array,
  position: number,
  pacer: Pacer,
): Promise<Float64Array> {
  const projected = await multiplyVector(form.projections[head], mean, form.biases[head], pacer);
  form.rotary.turnRows(projected, 1, position);
  return projected;
}
