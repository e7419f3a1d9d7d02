import type { Control } from '../../backend/control.js';
import type { ForwardPass, ForwardSource } from '../../backend/forward.js';
import { Pacer, throttle } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { largest } from '../../extremes.js';
import { partsOf } from '../../layers/layer.js';
import { kindOf } from '../../layers/table.js';
import type { Layer } from '../../model/model.js';
import { steadily } from '../../tensor/steady.js';
import type { DType, TensorData } from '../../tensor/tensor.js';
import { fallbackLayers } from '../layers/table.js';
import type { Rows } from './rows.js';

/** Rows (positions of all inputs) taken through the layers together: enough to make packing a weight cheap. */
const CHUNK_ROWS = 256;
/** Numbers of a chunk behind any of the layers, at most, unless an input alone has more: images are wide. */
const CHUNK_SIZE = 2 ** 22;

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
      return steadily([source.layers, inputs], () => evaluateBatch(source, inputs, dtype, control));
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
  const widest = largest(
    layers.map((layer) => kindOf(layer).widths(layer).gives),
    features,
  );
  const perChunk = Math.max(1, Math.floor(Math.min(CHUNK_ROWS, CHUNK_SIZE / widest) / positions));
  const last = layers[layers.length - 1];
  const outputs = kindOf(last).widths(last).gives;
  const size = batch * positions * outputs;
  const results = dtype === 'float64' ? new Float64Array(size) : new Float32Array(size);
  for (let start = 0; start < batch; start += perChunk) {
    const end = Math.min(batch, start + perChunk);
    const part = inputs.subarray(start * positions * perRow, end * positions * perRow);
    let rows: Rows;
    if (part instanceof Int32Array) rows = embedded(layers[0], part);
    else rows = { data: Float64Array.from(part), count: part.length / features, width: features };
    for (const layer of part instanceof Int32Array ? layers.slice(1) : layers)
      rows = await fallbackLayers.of(layer.type).forward(layer, rows, positions, pacer);
    results.set(rows.data, start * positions * outputs);
    report(end, batch);
  }
  return results;
}

function embedded(layer: Layer, tokens: Int32Array): Rows {
  const { gather } = fallbackLayers.of(layer.type);
  if (gather !== undefined) return gather(layer, tokens);
  throw new TensimError('UNSUPPORTED_LAYER', `${kindOf(layer).words.noun} takes no tokens`);
}
