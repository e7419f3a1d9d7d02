import { TensimError } from '../errors.js';
import { encodeFloats, FLOAT_BYTES, FLOAT_MAX, type FloatFormat, isFloatFormat } from '../tensor/convert.js';
import { RowMajorWalk } from '../tensor/row_major_walk.js';
import { expectLength } from '../tensor/steady.js';
import { sizeOf, type Tensor, type TensorData } from '../tensor/tensor.js';
import { quote } from '../words/quoting.js';
import type { Checkpoint } from './checkpoint.js';
import { LISTING_LIMITS, nameProblem, type TensorEntry } from './entry.js';

/** Tensors by name. A Map keeps any order; a plain object puts names that are integers first, as JavaScript does. */
export type NamedTensors = ReadonlyMap<string, Tensor> | Readonly<Record<string, Tensor>>;

/** A tensor on its way into a file of whatever format. */
export interface OutgoingTensor {
  readonly name: string;
  /** Element type under its safetensors name. */
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: number;
  /** Its elements, little-endian and row-major, whole ones in every piece. */
  pieces(): Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

/** An outgoing tensor whose elements are in memory. */
export interface TensorInMemory extends OutgoingTensor {
  pieces(): Iterable<Uint8Array>;
}

/** Elements encoded at a time. */
const PIECE_ELEMENTS = 128 * 1024;

/**
 * Tensors to be written as `dtype`, or, by default, as F64 from a Float64Array and F32 from a Float32Array.
 * @throws TensimError `INVALID_ARGUMENT` for names that cannot be, `SHAPE_MISMATCH` for tensors that do not fit their
 * data; `NOT_FINITE` while pieces are taken, for a number beyond the range of `dtype`
 */
export function fromMemory(named: NamedTensors, forced?: FloatFormat): TensorInMemory[] {
  if (forced !== undefined && !isFloatFormat(forced))
    throw new TensimError('INVALID_ARGUMENT', `dtype must be F64, F32, F16 or BF16, found ${quote(String(forced))}`);
  const entries = named instanceof Map ? [...named] : Object.entries(named as Record<string, Tensor>);
  return entries.map(([name, tensor]: [string, Tensor]) => {
    const problem = nameProblem(name);
    if (problem !== undefined) throw new TensimError('INVALID_ARGUMENT', `the tensor name ${quote(name)} ${problem}`);
    checkTensor(name, tensor);
    const { length } = tensor.data;
    const dtype = forced ?? (tensor.data instanceof Float64Array ? 'F64' : 'F32');
    return {
      name,
      dtype,
      shape: tensor.shape,
      bytes: sizeOf(tensor.shape) * FLOAT_BYTES[dtype],
      *pieces() {
        for (const values of rowMajor(tensor, length)) {
          checkRange(name, values, dtype);
          yield encodeFloats(values, dtype);
        }
      },
    };
  });
}

/** A tensor of a checkpoint, read when its turn has come. */
export function fromCheckpoint(checkpoint: Checkpoint, entry: TensorEntry, signal?: AbortSignal): OutgoingTensor {
  const { name, dtype, shape, bytes } = entry;
  return {
    name,
    dtype,
    shape,
    bytes,
    async *pieces() {
      yield await checkpoint.readBytes(name, signal);
    },
  };
}

function checkTensor(name: string, { data, shape, strides }: Tensor): void {
  const mismatch = (problem: string) => new TensimError('SHAPE_MISMATCH', problem, { tensor: name });
  if (!(data instanceof Float64Array) && !(data instanceof Float32Array))
    throw new TensimError('INVALID_ARGUMENT', 'its data must be a Float64Array or a Float32Array', { tensor: name });
  if (shape.length > LISTING_LIMITS.rank)
    throw mismatch(`it has ${shape.length} axes, at most ${LISTING_LIMITS.rank} can be read again`);
  if (!shape.every((extent) => Number.isSafeInteger(extent) && extent >= 0))
    throw mismatch(`shape [${shape.join(', ')}] must consist of non-negative integers`);
  const size = sizeOf(shape);
  if (strides === undefined) {
    if (size !== data.length)
      throw mismatch(`shape [${shape.join(', ')}] has ${size} elements, the data ${data.length}`);
    return;
  }
  if (strides.length !== shape.length || !strides.every(Number.isSafeInteger))
    throw mismatch(`strides [${strides.join(', ')}] must be one integer for each axis of shape [${shape.join(', ')}]`);
  if (size === 0) return;
  let lowest = 0;
  let highest = 0;
  shape.forEach((extent, axis) => {
    const reach = (extent - 1) * strides[axis];
    if (reach < 0) lowest += reach;
    else highest += reach;
  });
  if (lowest < 0 || highest >= data.length)
    throw mismatch(
      `shape [${shape.join(', ')}] with strides [${strides.join(', ')}] reaches elements ${lowest} to ${highest}, ` +
        `the data has ${data.length}`,
    );
}

/** The elements in row-major order, some at a time, as long as there are as many as when they were checked. */
function* rowMajor({ data, shape, strides }: Tensor, checked: number): Generator<TensorData> {
  const size = sizeOf(shape);
  const walk = strides && new RowMajorWalk(data, shape, strides);
  for (let from = 0; from < size; from += PIECE_ELEMENTS) {
    expectLength(data, checked);
    if (walk === undefined) {
      yield data.subarray(from, Math.min(from + PIECE_ELEMENTS, size));
      continue;
    }
    const length = Math.min(PIECE_ELEMENTS, size - from);
    const values = data instanceof Float64Array ? new Float64Array(length) : new Float32Array(length);
    walk.fill(values);
    yield values;
  }
}

/** A finite number must not silently become infinite. */
function checkRange(name: string, values: TensorData, dtype: FloatFormat): void {
  if (dtype === 'F64' || (dtype === 'F32' && values instanceof Float32Array)) return;
  const limit = FLOAT_MAX[dtype];
  for (const value of values) {
    if (Math.abs(value) > limit && Number.isFinite(value))
      throw new TensimError(
        'NOT_FINITE',
        `${value} is beyond the range of ${dtype}, whose largest number is ${limit}`,
        {
          tensor: name,
          hint: 'Write it as F32 or F64',
        },
      );
  }
}
