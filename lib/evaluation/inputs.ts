import { Pacer } from '../cooperate.js';
import { TensimError } from '../errors.js';
import { kindOf } from '../layers/table.js';
import { contiguous } from '../model/contiguous.js';
import type { Model } from '../model/model.js';
import type { IntegerTensor } from '../tensor/integers.js';
import { sizeOf, type Tensor, type TensorData } from '../tensor/tensor.js';

/**
 * Inputs for a model of n positions and d features: vectors as a tensor (batch, n, d), or (batch, d) where n is 1; or
 * token ids below d, which stand for one-hot vectors, as (batch, n) integers, a list of sequences of n, or an
 * Int32Array of them one after the other. Integers of the shape of vectors, such as pixels, are vectors.
 */
export type ModelInputs = Tensor | IntegerTensor | Int32Array | readonly (readonly number[])[];

/** Inputs as backends take them. */
export interface ReadInputs {
  readonly kind: 'vectors' | 'tokens';
  /** (batch, n, d) numbers or (batch, n) ids, row-major. */
  readonly values: TensorData | Int32Array;
  /** The axes of the result before its features: (batch), or (batch, n). */
  readonly leading: readonly number[];
}

/**
 * Checks inputs against a model.
 * @throws TensimError `SHAPE_MISMATCH`; `INVALID_ARGUMENT` for what are no inputs and for ids that are no tokens of the
 * model; `UNSUPPORTED_LAYER` for ids given to a model whose first layer is no embedding.
 */
export async function readInputs(model: Model, inputs: ModelInputs, signal?: AbortSignal): Promise<ReadInputs> {
  const [positions, features] = model.inputShape;
  if (model.layers.length === 0)
    throw new TensimError('UNSUPPORTED_LAYER', `"${model.label}" cannot be evaluated: its layers are not known`);
  if (isTokens(inputs) && !areVectors(inputs, positions, features)) {
    if (!kindOf(model.layers[0]).takesTokens) {
      throw new TensimError('UNSUPPORTED_LAYER', `"${model.label}" takes no tokens: its first layer is not linear`, {
        hint: 'Token ids stand for one-hot vectors, of which an embedding picks its columns; give vectors',
      });
    }
    const values = tokensOf(model, inputs, positions);
    await checkTokens(values, features, signal);
    return { kind: 'tokens', values, leading: [values.length / positions, positions] };
  }
  const { data, shape } = contiguous(isTokens(inputs) ? floats(inputs) : inputs, 'inputs');
  const plain = shape.length === 2 && positions === 1;
  const [batch, ...rest] = plain ? [shape[0], 1, shape[1]] : shape;
  if (batch === undefined || rest.length !== 2 || rest[0] !== positions || rest[1] !== features) {
    throw mismatch(
      model,
      `the inputs have shape [${shape.join(', ')}] instead of [batch, ${positions === 1 ? '' : `${positions}, `}${features}]`,
    );
  }
  return { kind: 'vectors', values: data, leading: plain ? [batch] : [batch, positions] };
}

type Tokens = Exclude<ModelInputs, Tensor>;

/** Whether integers have the shape of vectors, pixels say, and not that of token ids. */
function areVectors(inputs: Tokens, positions: number, features: number): inputs is IntegerTensor {
  if (!('shape' in inputs) || !Array.isArray(inputs.shape)) return false;
  const [, ...rest] = inputs.shape as readonly number[];
  const asTokens = rest.length === 1 && rest[0] === positions;
  const asVectors = rest.at(-1) === features && (rest.length === 1 ? positions === 1 : rest[0] === positions);
  return asVectors && !asTokens && rest.length <= 2;
}

function floats({ data, shape }: IntegerTensor): Tensor {
  return { data: Float64Array.from(data), shape };
}

function isTokens(inputs: ModelInputs): inputs is Tokens {
  return (
    inputs instanceof Int32Array ||
    Array.isArray(inputs) ||
    (inputs as Partial<IntegerTensor> | null)?.data instanceof Int32Array
  );
}

function tokensOf(model: Model, inputs: Tokens, positions: number): Int32Array {
  if (inputs instanceof Int32Array) {
    if (inputs.length % positions === 0) return inputs;
    throw mismatch(model, `${inputs.length} token ids are no whole number of sequences of ${positions}`);
  }
  if (!('data' in inputs)) return flatten(inputs, positions);
  const { data, shape } = inputs;
  const fits = Array.isArray(shape) && sizeOf(shape) === data.length;
  if (fits && (shape[1] === positions ? shape.length === 2 : shape.length === 1 && positions === 1)) return data;
  const vectors = `[batch, ${positions === 1 ? '' : `${positions}, `}${model.inputShape[1]}]`;
  throw mismatch(
    model,
    `the token ids have shape [${String(shape)}] instead of [batch, ${positions}]`,
    `Integers are taken for token ids, or for vectors where they have the shape ${vectors}; floats are always vectors: x.astype("float32")`,
  );
}

function mismatch(model: Model, problem: string, hint?: string): TensimError {
  return new TensimError(
    'SHAPE_MISMATCH',
    `${problem}, which "${model.label}" needs`,
    hint === undefined ? {} : { hint },
  );
}

function flatten(sequences: readonly (readonly number[])[], positions: number): Int32Array {
  const values = new Int32Array(sequences.length * positions);
  for (const [index, sequence] of sequences.entries()) {
    if (!Array.isArray(sequence))
      throw new TensimError('INVALID_ARGUMENT', `sequence ${index} of the inputs is not a list of token ids`);
    if (sequence.length !== positions)
      throw new TensimError(
        'SHAPE_MISMATCH',
        `sequence ${index} has ${sequence.length} tokens instead of ${positions}`,
      );
    // An Int32Array would round fractions and wrap large numbers around to what may be tokens.
    const odd = sequence.find((token) => !Number.isInteger(token) || token < 0 || token > 0x7fffffff);
    if (odd !== undefined)
      throw new TensimError('INVALID_ARGUMENT', `sequence ${index} has the token ${String(odd)}, which is no token id`);
    values.set(sequence, index * positions);
  }
  return values;
}

/** Ids checked before the event loop gets its turn. */
const CHUNK = 1 << 16;

async function checkTokens(values: Int32Array, vocabulary: number, signal: AbortSignal | undefined): Promise<void> {
  const pacer = new Pacer(signal);
  for (let start = 0; start < values.length; start += CHUNK) {
    const end = Math.min(values.length, start + CHUNK);
    for (let i = start; i < end; i++) {
      if (values[i] >= 0 && values[i] < vocabulary) continue;
      throw new TensimError('INVALID_ARGUMENT', `token ${values[i]} at place ${i} is not in the vocabulary`, {
        hint: `Tokens are whole numbers from 0 to ${vocabulary - 1}`,
      });
    }
    if (pacer.due(CHUNK)) await pacer.pause();
  }
}
