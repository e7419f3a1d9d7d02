import type { ForwardSource } from '../backend/forward.js';
import type { ChainSource, FeatureSource } from '../backend/grams.js';
import type { LowRankMatrices, StoredFactors } from '../backend/low_rank.js';
import { type Activated, activationOf } from '../layers/activations.js';
import { frequenciesOf } from '../layers/softmax_attention.js';
import type { Layer, ParallelLayer, SoftmaxAttentionLayer } from '../model/model.js';
import { copied } from '../tensor/steady.js';
import type { Tensor, TensorData } from '../tensor/tensor.js';

/**
 * The source with every array in memory that nobody can write or shrink while threads read it: what lies in shared and
 * resizable buffers is copied. What is done to other buffers the addon itself is safe from.
 */
export function ownedSource(source: ChainSource | FeatureSource): object {
  if (source.kind === 'features') return { ...source, segments: source.segments.map(ownedData) };
  const { gain, law, layers, positions } = source;
  const { mean, factor } = law;
  return {
    ...source,
    gain: gain && ownedData(gain),
    layers: layers.map((layer) => ownedLayer(layer, positions)),
    law: {
      sigma: law.sigma,
      mean: mean && ownedData(mean),
      factor: factor && { ...factor, data: ownedData(factor.data) },
    },
  };
}

export function ownedForward(source: ForwardSource): object {
  return { ...source, layers: source.layers.map((layer) => ownedLayer(layer, source.positions)) };
}

export function ownedMatrices(matrices: LowRankMatrices): object {
  const owned = (factors: StoredFactors) => ({ ...factors, bytes: ownedData(factors.bytes) });
  const { a, b, weights } = matrices;
  return { ...matrices, a: owned(a), b: owned(b), weights: ownedData(weights) };
}

/** The layer itself, where nothing is to be replaced. */
function ownedLayer(layer: Layer, positions: number): object {
  const { branches } = layer as Partial<ParallelLayer>;
  const inside = branches?.map?.((branch) => branch.map((inner) => ownedLayer(inner, positions)));
  let owned: Record<string, unknown> | undefined;
  if ('activation' in layer || 'rotaryScaling' in layer || inside !== undefined) {
    owned = {
      ...layer,
      ...('activation' in layer && plainActivation(layer)),
      ...('rotaryScaling' in layer && plainRotary(layer, positions)),
      ...(inside && { branches: inside }),
    };
  }
  for (const [name, value] of Object.entries(owned ?? layer)) {
    if (!isTensor(value)) continue;
    const data = ownedData(value.data);
    if (data === value.data) continue;
    owned ??= { ...layer };
    owned[name] = { ...value, data };
  }
  return owned ?? layer;
}

/** The activation by its own name, with its slope. */
function plainActivation(layer: Activated): object {
  const { name, slope } = activationOf(layer);
  return { activation: name, slope };
}

/** What a scaling of the rotary embedding makes of every pair, which the addon takes as numbers. */
function plainRotary(layer: SoftmaxAttentionLayer, positions: number): object {
  const scaled = frequenciesOf(layer, positions);
  if (scaled !== null) return { rotaryScaling: 1, rotaryFrequencies: scaled.frequencies, rotaryFactor: scaled.factor };
  return { rotaryScaling: typeof layer.rotaryScaling === 'number' ? layer.rotaryScaling : 1 };
}

function isTensor(value: unknown): value is Tensor {
  return typeof value === 'object' && value !== null && 'data' in value;
}

/** @throws TensimError as `copied` */
export function ownedData<Data extends TensorData | Int32Array | Uint8Array>(data: Data): Data {
  const { buffer } = data as { buffer: ArrayBufferLike & { resizable?: boolean } };
  const stays = buffer instanceof ArrayBuffer && buffer.resizable !== true;
  return stays ? data : copied(data);
}
