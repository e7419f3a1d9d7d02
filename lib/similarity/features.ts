import type { BackendName } from '../backend/backend.js';
import { contractAsPart } from '../contraction/running/contract.js';
import { Pacer } from '../cooperate.js';
import { TensimError } from '../errors.js';
import type { BilinearLayer, Model } from '../model/model.js';
import { underContract } from '../plain_data.js';
import type { Tensor } from '../tensor/tensor.js';

/** Options of `featureSimilarity`. */
export interface FeatureOptions {
  /** Default `auto`. */
  readonly backend?: 'auto' | BackendName | undefined;
  /** Worker threads. Default: all the process may use. */
  readonly threads?: number | undefined;
  /** Aborting rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}

/** How alike the features of two models are, whatever their order and number. */
export interface FeatureSimilarity {
  /** Label of the first model. */
  readonly a: string;
  /** Label of the second. */
  readonly b: string;
  /** 2 √n_ab / (√n_aa + √n_bb): from 0 to 1, and 1 exactly if both have the same features up to a rotation. */
  readonly similarity: number;
  /** n_ab, the mean squared inner product of a feature of the one with one of the other. */
  readonly between: number;
  /** n_aa and n_bb, the same of the features of each with its own. */
  readonly within: readonly [a: number, b: number];
}

/** Inner products of features that are held at a time. */
const TILE = 1 << 22;
/** Numbers between two looks at the clock. */
const RUN = 4096;

/**
 * The feature-wise kernel of two bilinear maps, such as the encoders of bilinear autoencoders. Every output c is a
 * quadratic form, x ↦ xᵀ A_c x with A_c = ½ Σ_h D_ch (l_h r_hᵀ + r_h l_hᵀ), and two of them have the inner product
 * tr(A_c B_e). Other than `similarity`, which compares output with output, this compares all with all: coders that found
 * the same features in another order, or other mixtures of them, are the same.
 *
 *     const { similarity } = await featureSimilarity(await loadModel('a/model.safetensors'), await loadModel('b/model.safetensors'));
 *
 * @throws TensimError `UNSUPPORTED_LAYER` for a model that is not one bilinear block without biases and residual;
 * `SHAPE_MISMATCH` for two of different inputs; `ZERO_NORM` for one all of whose features are zero.
 */
export async function featureSimilarity(a: Model, b: Model, options: FeatureOptions = {}): Promise<FeatureSimilarity> {
  const [one, other] = [a, b].map(blockOf);
  if (a.inputShape[1] !== b.inputShape[1])
    throw new TensimError(
      'SHAPE_MISMATCH',
      `${a.label} takes ${a.inputShape[1]} features, and ${b.label} takes ${b.inputShape[1]}`,
    );
  const within = [await meanSquare(one, one, options), await meanSquare(other, other, options)] as const;
  const zero = [a, b].find((_, i) => within[i] === 0);
  if (zero !== undefined) throw new TensimError('ZERO_NORM', `${zero.label} has no feature that is not zero`);
  const between = await meanSquare(one, other, options);
  const similarity = (2 * Math.sqrt(between)) / (Math.sqrt(within[0]) + Math.sqrt(within[1]));
  return underContract('features', { a: a.label, b: b.label, similarity, between, within });
}

type Block = Pick<BilinearLayer, 'left' | 'right' | 'down'>;

function blockOf({ label, layers }: Model): Block {
  const [layer, ...others] = layers;
  const isBare =
    others.length === 0 &&
    layer?.type === 'bilinear' &&
    layer.alpha === 0 &&
    layer.beta === 1 &&
    [layer.leftBias, layer.rightBias, layer.downBias].every((bias) => bias === undefined);
  if (!isBare)
    throw new TensimError('UNSUPPORTED_LAYER', `${label} is not one bilinear block without biases and residual`, {
      hint: 'Features of other networks are no quadratic forms; compare them by "similarity"',
    });
  return layer as Block;
}

/**
 * The mean square of the inner products of the features of two blocks.
 * @param tile inner products that are held at a time.
 */
export async function meanSquare(a: Block, b: Block, options: FeatureOptions, tile = TILE): Promise<number> {
  const pacer = new Pacer(options.signal);
  const [rows, columns] = [a, b].map(({ left, down }) => (down ?? left).shape[0]);
  const mixed = a.down === undefined && b.down === undefined ? undefined : new Float64Array(rows * columns);
  let sum = 0;
  const hidden = a.left.shape[0];
  const atOnce = Math.max(1, Math.floor(tile / Math.max(b.left.shape[0], columns)));
  for (let from = 0; from < hidden; from += atOnce) {
    const count = Math.min(atOnce, hidden - from);
    const [left, right] = [a.left, a.right].map((part) => rowsOf(part, from, count));
    const kernel = await productsOf([left, right], b, options);
    if (mixed === undefined) sum += await squares(kernel.data, pacer);
    else await add(mixed, await behind(a, b, kernel, from, options), a.down === undefined ? from * columns : 0, pacer);
  }
  if (mixed !== undefined) sum = await squares(mixed, pacer);
  return sum / (rows * columns);
}

/** ½ ((L L'ᵀ) ⊙ (R R'ᵀ) + (L R'ᵀ) ⊙ (R L'ᵀ)) of some hidden units of one block with all of another. */
async function productsOf(
  [left, right]: readonly Tensor[],
  b: Block,
  { backend, threads, signal }: FeatureOptions,
): Promise<{ readonly data: Float64Array; readonly shape: readonly number[] }> {
  const run = (sides: readonly Tensor[]) =>
    contractAsPart('hi,ki,hj,kj->hk', sides, { backend, threads, signal, dtype: 'float64' });
  const straight = (await run([left, b.left, right, b.right])).data as Float64Array;
  const crossed = (await run([left, b.right, right, b.left])).data as Float64Array;
  const data = new Float64Array(straight.length);
  const pacer = new Pacer(signal);
  for (let at = 0; at < data.length; at++) {
    data[at] = (straight[at] + crossed[at]) / 2;
    if (at % RUN === 0 && pacer.due(RUN)) await pacer.pause();
  }
  return { data, shape: [left.shape[0], b.left.shape[0]] };
}

/** What the last matrices make of a tile of the kernel. */
async function behind(
  a: Block,
  b: Block,
  kernel: Tensor,
  from: number,
  { backend, threads, signal }: FeatureOptions,
): Promise<Float64Array> {
  const [count] = kernel.shape;
  const mixers = [
    ...(a.down === undefined ? [] : [{ labels: 'ch', tensor: columnsOf(a.down, from, count) }]),
    ...(b.down === undefined ? [] : [{ labels: 'ek', tensor: b.down }]),
  ];
  const out = `${a.down === undefined ? 'h' : 'c'}${b.down === undefined ? 'k' : 'e'}`;
  const equation = `${['hk', ...mixers.map(({ labels }) => labels)].join(',')}->${out}`;
  const operands = [kernel, ...mixers.map(({ tensor }) => tensor)];
  return (await contractAsPart(equation, operands, { backend, threads, signal, dtype: 'float64' }))
    .data as Float64Array;
}

const rowsOf = ({ data, shape: [, columns] }: Tensor, from: number, count: number): Tensor => ({
  data: data.subarray(from * columns, (from + count) * columns),
  shape: [count, columns],
});

const columnsOf = ({ data, shape: [rows, columns] }: Tensor, from: number, count: number): Tensor => ({
  data: data.subarray(from),
  shape: [rows, count],
  strides: [columns, 1],
});

async function squares(values: Float64Array, pacer: Pacer): Promise<number> {
  let sum = 0;
  for (let at = 0; at < values.length; at++) {
    sum += values[at] ** 2;
    if (at % RUN === 0 && pacer.due(RUN)) await pacer.pause();
  }
  return sum;
}

async function add(into: Float64Array, values: Float64Array, from: number, pacer: Pacer): Promise<void> {
  for (let at = 0; at < values.length; at++) {
    into[from + at] += values[at];
    if (at % RUN === 0 && pacer.due(RUN)) await pacer.pause();
  }
}
