import type { ChainSource, FeatureSource, GramRoute, PreparedModel } from '../../backend/grams.js';
import type { Pacer } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import type { DType, TensorData } from '../../tensor/tensor.js';
import { type PreparedClosure, prepareClosure } from '../gaussian/closure.js';
import { denseForm } from '../gaussian/dense_form.js';
import { type PreparedHidden, prepareHidden } from '../gaussian/hidden.js';
import { foldOneBlock } from '../gaussian/one_block.js';
import { type PreparedTensor, prepareTensor } from '../gaussian/tensor.js';
import { type PreparedTwoBlock, prepareTwoBlock } from '../gaussian/two_block.js';
import { convert, copyInto } from './convert.js';
import { packQuadratic, packRows } from './pair_kernel.js';

/**
 * A chain of at most one bilinear block: its quadratic part as packed factors, as factors beside an embedding, or as
 * forms; the parts of lower degree beside it.
 */
export interface PreparedOneBlock {
  readonly kind: 'one-block';
  readonly route: GramRoute;
  readonly positions: number;
  /** Whether there is a block; chains with and without one have different degrees. */
  readonly quadratic: boolean;
  /** Units packed as factors, in whole panels; 0 by the route `dense`. */
  readonly units: number;
  /** k, the size of the whitened input. */
  readonly inputs: number;
  /** Columns of L and R: k, or m by the route `unfolded`. */
  readonly width: number;
  /** Packed as `QuadraticPart` says, in the dtype. */
  readonly factors: TensorData;
  readonly down: Float64Array;
  /** Packed as `UnfoldedPart` says, in the dtype; empty but by the route `unfolded`. */
  readonly embedding: TensorData;
  /** As `denseForm` says, in the dtype; null but by the route `dense`. */
  readonly forms: TensorData | null;
  /** w (o, k), in the dtype, or null if zero; e (o); m (o), as in `OneBlock`. */
  readonly linear: TensorData | null;
  readonly constant: Float64Array;
  readonly mean: Float64Array;
}

/** A plain vector, in the dtype; slice c is [offsets[c], offsets[c + 1]). */
export interface PreparedFeatures {
  readonly kind: 'features';
  readonly vector: TensorData;
  readonly offsets: readonly number[];
}

/** What a model is prepared as: for one of the methods, or as features. */
export type Content =
  | PreparedOneBlock
  | PreparedHidden
  | PreparedTwoBlock
  | PreparedClosure
  | PreparedTensor
  | PreparedFeatures;

/** The fallback's prepared model: its content until it is disposed. */
export class FallbackModel implements PreparedModel {
  readonly dtype: DType;
  readonly outputs: number;
  readonly bytes: number;
  #content: Content | null;

  constructor(dtype: DType, outputs: number, content: Content) {
    this.dtype = dtype;
    this.outputs = outputs;
    this.#content = content;
    this.bytes = [...arraysOf(content)].reduce((bytes, array) => bytes + array.byteLength, 0);
  }

  /** @throws TensimError `INVALID_ARGUMENT` after `dispose()`. */
  get content(): Content {
    if (this.#content === null) throw new TensimError('INVALID_ARGUMENT', 'this prepared model has been disposed of');
    return this.#content;
  }

  dispose(): void {
    this.#content = null;
  }
}

/**
 * Prepares a chain for its method. `float32` rounds what a chain of one block mostly consists of (factors, embedding,
 * forms, linear part), or one of units, to single precision; all else, and all arithmetic, is in double precision.
 */
export async function prepareChain(source: ChainSource, dtype: DType, pacer: Pacer): Promise<FallbackModel> {
  const content = await prepareContent(source, dtype, pacer);
  return new FallbackModel(dtype, content.kind === 'one-block' ? content.mean.length : content.outputs, content);
}

async function prepareContent(source: ChainSource, dtype: DType, pacer: Pacer) {
  switch (source.method) {
    case 'one-block':
      return prepareOneBlock(source, dtype, pacer);
    case 'hidden':
      return prepareHidden(source, dtype, pacer);
    case 'two-block':
      return prepareTwoBlock(source, pacer);
    case 'closure':
      return prepareClosure(source, pacer);
    case 'tensor':
      return prepareTensor(source, pacer);
  }
}

async function prepareOneBlock(source: ChainSource, dtype: DType, pacer: Pacer): Promise<PreparedOneBlock> {
  const { route = 'factor' } = source;
  const folded = await foldOneBlock(source, pacer);
  const { inputs, outputs, width, embedding, linear, constant, mean } = folded;
  const hidden = folded.hidden ?? 0;
  const dense = route === 'dense' && hidden > 0;
  const kept = dense ? 0 : hidden;
  const { units, factors, down } = await packQuadratic(
    folded.factors.subarray(0, 2 * kept * width),
    folded.down.subarray(0, outputs * kept),
    kept,
    outputs,
    pacer,
  );
  const rounded = (data: Float64Array) => convert(data, dtype, pacer);
  return {
    kind: 'one-block',
    route,
    positions: source.positions,
    quadratic: folded.hidden !== null,
    units,
    inputs,
    width,
    factors: await rounded(factors),
    down,
    embedding: await rounded(embedding === null ? NOTHING : await packRows(embedding, width, inputs, inputs, pacer)),
    forms: dense ? await rounded(await denseForm(folded.factors, folded.down, hidden, inputs, outputs, pacer)) : null,
    linear: linear && (await rounded(linear)),
    constant,
    mean,
  };
}

const NOTHING = new Float64Array(0);

export async function prepareFeatures(source: FeatureSource, dtype: DType, pacer: Pacer): Promise<FallbackModel> {
  const offsets = [0];
  for (const segment of source.segments) offsets.push(offsets.at(-1)! + segment.length);
  // A copy: the model owns its numbers, whatever the caller does with the source.
  const length = offsets.at(-1)!;
  const vector = dtype === 'float64' ? new Float64Array(length) : new Float32Array(length);
  for (const [c, segment] of source.segments.entries()) {
    await copyInto(vector.subarray(offsets[c], offsets[c + 1]), segment, pacer);
  }
  return new FallbackModel(dtype, source.segments.length, { kind: 'features', vector, offsets });
}

/** Every array that a prepared model holds, however deep; one that is held twice only once. */
function arraysOf(content: Content): ReadonlySet<TensorData> {
  const arrays = new Set<TensorData>();
  const visit = (value: unknown): void => {
    if (value instanceof Float64Array || value instanceof Float32Array) arrays.add(value);
    else if (typeof value === 'object' && value !== null) for (const inner of Object.values(value)) visit(inner);
  };
  visit(content);
  return arrays;
}
