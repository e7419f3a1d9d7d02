import { randomUUID } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { TensimError } from '../../errors.js';
import { encodeFloats, FLOAT_BYTES, FLOAT_MAX, type FloatFormat, isFloatFormat } from '../../tensor/convert.js';
import { sizeOf, type Tensor, type TensorData } from '../../tensor/tensor.js';
import { byteCount, count, quote } from '../describe.js';
import { nameProblem } from '../entry.js';
import { HEADER_LIMITS } from './header.js';

export interface WriteOptions {
  /** Element type of all tensors in the file. Default: F64 for a Float64Array, F32 for a Float32Array. */
  readonly dtype?: FloatFormat | undefined;
}

/** Tensors by name. A Map keeps any order; a plain object puts names that are integers first, as JavaScript does. */
export type NamedTensors = ReadonlyMap<string, Tensor> | Readonly<Record<string, Tensor>>;

/** Elements encoded at a time. */
const PIECE_ELEMENTS = 128 * 1024;

/**
 * Writes a safetensors file: tensors in the order given, the data aligned to eight bytes, strides resolved. The same input
 * gives the same bytes. The file appears under its name only when it is complete.
 * @throws TensimError `INVALID_ARGUMENT` for names, metadata or paths that cannot be, `SHAPE_MISMATCH` for tensors that do
 * not fit their data, `NOT_FINITE` for a number beyond the range of `options.dtype`
 */
export async function writeSafetensors(
  path: string,
  tensors: NamedTensors,
  metadata: Readonly<Record<string, string>> = {},
  options: WriteOptions = {},
): Promise<void> {
  const layout = plan(tensors, metadata, options);
  const temporary = `${path}.${randomUUID()}.tmp`;
  let handle: FileHandle | undefined;
  try {
    handle = await open(temporary, 'wx');
    for (const piece of pieces(layout)) await handle.writeFile(piece);
    await handle.sync();
    await handle.close();
    handle = undefined;
    await rename(temporary, path);
  } catch (error) {
    await handle?.close();
    await rm(temporary, { force: true });
    if (error instanceof TensimError) throw error;
    throw new TensimError('INVALID_ARGUMENT', `the file cannot be written (${(error as Error).message})`, {
      file: path,
      hint: 'Check that its folder exists, is writable and has room',
      cause: error,
    });
  }
}

/** The bytes that `writeSafetensors` writes. */
export function encodeSafetensors(
  tensors: NamedTensors,
  metadata: Readonly<Record<string, string>> = {},
  options: WriteOptions = {},
): Uint8Array {
  return Buffer.concat([...pieces(plan(tensors, metadata, options))]);
}

interface PlannedTensor {
  readonly name: string;
  readonly tensor: Tensor;
  readonly dtype: FloatFormat;
}

interface Layout {
  readonly header: Uint8Array;
  readonly tensors: readonly PlannedTensor[];
}

function plan(
  named: NamedTensors,
  metadata: Readonly<Record<string, string>>,
  { dtype: forced }: WriteOptions,
): Layout {
  if (forced !== undefined && !isFloatFormat(forced))
    throw new TensimError('INVALID_ARGUMENT', `dtype must be F64, F32, F16 or BF16, found ${quote(String(forced))}`);
  const tensors: PlannedTensor[] = [];
  // Members are joined by hand: an object would sort names that look like integers to the front.
  const members: string[] = [];
  let textBytes = 0;
  if (Object.keys(metadata).length > 0) {
    const text = metadataJson(metadata);
    textBytes += Buffer.byteLength(text);
    members.push(`"__metadata__":${text}`);
  }
  let offset = 0;
  for (const [name, tensor] of named instanceof Map ? named : Object.entries(named as Record<string, Tensor>)) {
    const problem = nameProblem(name);
    if (problem !== undefined) throw new TensimError('INVALID_ARGUMENT', `the tensor name ${quote(name)} ${problem}`);
    checkTensor(name, tensor);
    const dtype = forced ?? (tensor.data instanceof Float64Array ? 'F64' : 'F32');
    const end = offset + sizeOf(tensor.shape) * FLOAT_BYTES[dtype];
    const quoted = JSON.stringify(name);
    textBytes += Buffer.byteLength(quoted);
    members.push(
      `${quoted}:{"dtype":"${dtype}","shape":[${tensor.shape.join(',')}],"data_offsets":[${offset},${end}]}`,
    );
    tensors.push({ name, tensor, dtype });
    offset = end;
  }
  if (tensors.length > HEADER_LIMITS.tensors || textBytes > HEADER_LIMITS.textBytes)
    throw new TensimError(
      'INVALID_ARGUMENT',
      `${count(tensors.length)} tensors with ${byteCount(textBytes)} of names and metadata are too many for one file`,
      { hint: `At most ${count(HEADER_LIMITS.tensors)} and ${byteCount(HEADER_LIMITS.textBytes)} can be read again` },
    );
  return { header: headerBytes(`{${members.join(',')}}`), tensors };
}

function headerBytes(json: string): Uint8Array {
  const unpadded = Buffer.byteLength(json);
  const length = Math.ceil(unpadded / 8) * 8;
  const bytes = Buffer.alloc(8 + length, ' ');
  bytes.writeBigUInt64LE(BigInt(length));
  bytes.write(json, 8);
  return bytes;
}

function metadataJson(metadata: Readonly<Record<string, string>>): string {
  const entries = Object.entries(metadata);
  for (const [key, value] of entries) {
    if (key === '__proto__') throw new TensimError('INVALID_ARGUMENT', 'metadata cannot have the key "__proto__"');
    if (typeof value !== 'string')
      throw new TensimError('INVALID_ARGUMENT', `metadata must be strings, ${quote(key)} is of type ${typeof value}`);
    if (/\p{Surrogate}/u.test(key + value))
      throw new TensimError('INVALID_ARGUMENT', `metadata ${quote(key)} contains half a surrogate pair`);
  }
  if (entries.length > HEADER_LIMITS.metadataEntries)
    throw new TensimError(
      'INVALID_ARGUMENT',
      `metadata has ${count(entries.length)} entries, too many to be read again`,
    );
  return JSON.stringify(metadata);
}

function checkTensor(name: string, { data, shape, strides }: Tensor): void {
  const mismatch = (problem: string) => new TensimError('SHAPE_MISMATCH', problem, { tensor: name });
  if (!(data instanceof Float64Array) && !(data instanceof Float32Array))
    throw new TensimError('INVALID_ARGUMENT', 'its data must be a Float64Array or a Float32Array', { tensor: name });
  if (shape.length > HEADER_LIMITS.rank)
    throw mismatch(`it has ${shape.length} axes, at most ${HEADER_LIMITS.rank} can be read again`);
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

function* pieces({ header, tensors }: Layout): Generator<Uint8Array> {
  yield header;
  for (const { name, tensor, dtype } of tensors) {
    for (const values of rowMajor(tensor)) {
      checkRange(name, values, dtype);
      yield encodeFloats(values, dtype);
    }
  }
}

/** The elements in row-major order, some at a time. */
function* rowMajor({ data, shape, strides }: Tensor): Generator<TensorData> {
  const size = sizeOf(shape);
  if (strides === undefined) {
    for (let from = 0; from < size; from += PIECE_ELEMENTS)
      yield data.subarray(from, Math.min(from + PIECE_ELEMENTS, size));
    return;
  }
  const index = shape.map(() => 0);
  let place = 0;
  for (let from = 0; from < size; from += PIECE_ELEMENTS) {
    const length = Math.min(PIECE_ELEMENTS, size - from);
    const values = data instanceof Float64Array ? new Float64Array(length) : new Float32Array(length);
    for (let i = 0; i < length; i++) {
      values[i] = data[place];
      // Like an odometer: the last axis moves; one that is through goes back to zero and moves the axis before it.
      for (let axis = shape.length - 1; axis >= 0; axis--) {
        place += strides[axis];
        if (++index[axis] < shape[axis]) break;
        place -= strides[axis] * shape[axis];
        index[axis] = 0;
      }
    }
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
