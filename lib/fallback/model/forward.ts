import type { Control } from '../../backend/control.js';
import type { ForwardPass, ForwardSource } from '../../backend/forward.js';
import { Pacer, throttle } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { partsOf } from '../../layers/layer.js';
import type { AttentionLayer, BilinearLayer, Layer, LinearLayer } from '../../model/model.js';
import { matrixOf, rowMajor, transpose, vectorOf } from '../../tensor/matrix.js';
import type { DType, TensorData } from '../../tensor/tensor.js';
import { multiply } from '../gemm/gemm.js';
import { attend } from './attention.js';
import { addBias, addResidual, type Rows } from './rows.js';

/** Rows (positions of all inputs) taken through the layers together: enough to make packing a weight cheap. */
const CHUNK_ROWS = 256;

/** The forward pass of a chain (MATH.md section 1), in double precision whatever the dtype of the result. */
export function prepareForward(source: ForwardSource, dtype: DType): ForwardPass {
  let layers: readonly Layer[] | null = source.layers;
  return {
    // The weights stay where they are, and as long as this does.
    get bytes() {
      return layers === null ? 0 : weightBytes(layers);
    },
    async evaluate(inputs, control = {}) {
      if (layers === null) throw new TensimError('INVALID_ARGUMENT', 'this forward pass has been disposed of');
      return evaluateBatch(source, inputs, dtype, control);
    },
    dispose() {
      layers = null;
    },
  };
}

function weightBytes(layers: readonly Layer[]): number {
  return layers.flatMap((layer) => partsOf(layer)).reduce((sum, [, { data }]) => sum + data.byteLength, 0);
}

async function evaluateBatch(
  source: ForwardSource,
  inputs: TensorData | Int32Array,
  dtype: DType,
  { signal, onProgress }: Control,
): Promise<TensorData> {
  const { layers, positions, features, input } = source;
  const pacer = new Pacer(signal);
  const report = onProgress === undefined ? () => {} : throttle(onProgress);
  const perRow = input === 'tokens' ? 1 : features;
  const batch = inputs.length / (positions * perRow);
  const perChunk = Math.max(1, Math.floor(CHUNK_ROWS / positions));
  const outputs = outputsOf(layers);
  const size = batch * positions * outputs;
  const results = dtype === 'float64' ? new Float64Array(size) : new Float32Array(size);
  for (let start = 0; start < batch; start += perChunk) {
    const end = Math.min(batch, start + perChunk);
    const part = inputs.subarray(start * positions * perRow, end * positions * perRow);
    let rows: Rows;
    if (part instanceof Int32Array) rows = gather(layers[0] as LinearLayer, part);
    else rows = { data: Float64Array.from(part), count: part.length / features, width: features };
    for (const layer of part instanceof Int32Array ? layers.slice(1) : layers)
      rows = await applyLayer(layer, rows, positions, pacer);
    results.set(rows.data, start * positions * outputs);
    report(end, batch);
  }
  return results;
}

function outputsOf(layers: readonly Layer[]): number {
  const last = layers[layers.length - 1];
  if (last.type === 'linear') return last.weight.shape[0];
  return last.type === 'attention' ? last.o.shape[0] : (last.down ?? last.left).shape[0];
}

/** W e_t + b for every token t: column t of W. */
function gather({ weight, bias }: LinearLayer, tokens: Int32Array): Rows {
  const { data, rows: width, rowStride, columnStride } = matrixOf(weight);
  const result = new Float64Array(tokens.length * width);
  for (let row = 0; row < tokens.length; row++) {
    const from = tokens[row] * columnStride;
    for (let i = 0, to = row * width; i < width; i++, to++) result[to] = data[from + i * rowStride];
  }
  const rows = { data: result, count: tokens.length, width };
  if (bias !== undefined) addBias(rows, vectorOf(bias, width));
  return rows;
}

async function applyLayer(layer: Layer, x: Rows, positions: number, pacer: Pacer): Promise<Rows> {
  switch (layer.type) {
    case 'linear':
      return project(x, layer.weight, layer.bias, pacer);
    case 'bilinear':
      return applyBilinear(layer, x, pacer);
    case 'attention':
      return applyAttention(layer, x, positions, pacer);
  }
}

async function applyBilinear(layer: BilinearLayer, x: Rows, pacer: Pacer): Promise<Rows> {
  const { left, right, down, leftBias, rightBias, downBias } = layer;
  const products = await project(x, left, leftBias, pacer);
  const { data } = await project(x, right, rightBias, pacer);
  for (let i = 0; i < data.length; i++) products.data[i] *= data[i];
  if (down !== undefined) return addResidual(await project(products, down, downBias, pacer), x, layer);
  if (downBias !== undefined) addBias(products, vectorOf(downBias, products.width));
  return addResidual(products, x, layer);
}

async function applyAttention(layer: AttentionLayer, x: Rows, positions: number, pacer: Pacer): Promise<Rows> {
  const joined = await attend(
    layer,
    {
      q1: await project(x, layer.q1, layer.q1Bias, pacer),
      k1: await project(x, layer.k1, layer.k1Bias, pacer),
      q2: await project(x, layer.q2, layer.q2Bias, pacer),
      k2: await project(x, layer.k2, layer.k2Bias, pacer),
      v: await project(x, layer.v, layer.vBias, pacer),
    },
    positions,
    pacer,
  );
  return addResidual(await project(joined, layer.o, layer.oBias, pacer), x, layer);
}

/** W x + b for every row x. */
async function project(x: Rows, weight: LinearLayer['weight'], bias: LinearLayer['bias'], pacer: Pacer): Promise<Rows> {
  const width = weight.shape[0];
  const data = await multiply(rowMajor(x.data, x.count, x.width), transpose(matrixOf(weight)), pacer);
  const rows = { data, count: x.count, width };
  if (bias !== undefined) addBias(rows, vectorOf(bias, width));
  return rows;
}
