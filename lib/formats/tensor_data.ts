import { Pacer } from '../cooperate.js';
import { TensimError } from '../errors.js';
import {
  decodeFloats,
  FLOAT_BYTES,
  type FloatFormat,
  floatArray,
  isFloatFormat,
  reverseElements,
} from '../tensor/convert.js';
import { decodeIntegers, INTEGER_BYTES, type IntegerTensor, isIntegerFormat } from '../tensor/integers.js';
import { sizeOf, type Tensor, type TensorData } from '../tensor/tensor.js';
import { byteCount } from '../words/counts.js';
import { decodedChunks } from './encoded.js';
import type { Deflated, TensorEntry } from './entry.js';
import type { ReadOptions, SourceFile } from './source_file.js';
import { StorageWalk, spanOf } from './strided.js';

/** For whom the elements of a tensor are read. */
export interface ElementOptions extends Omit<ReadOptions, 'tensor'> {
  /** Gives memory of so many bytes for them, where bytes are read: that of elements which nobody needs any more, say. */
  readonly memory?: ((bytes: number) => ArrayBuffer) | undefined;
}

/**
 * Reads a tensor as weights, row-major: F64 as float64; F32, F16 and BF16 as float32, all exactly.
 * @throws TensimError `UNSUPPORTED_DTYPE` for every other element type, `FILE_CHANGED` if the file has become shorter,
 * `MEMORY_LIMIT` if the tensor fits no array
 */
export async function readFloats(
  source: SourceFile,
  entry: TensorEntry,
  options: ElementOptions = {},
): Promise<Tensor> {
  const { shape } = entry;
  const dtype = floatFormatOf(entry);
  const data = await readElements(source, entry, options, {
    width: FLOAT_BYTES[dtype],
    make: (length) => floatArray(dtype, length),
    decode: (bytes, target, at) => decodeFloats(bytes, dtype, target, at),
  });
  return { data, shape: Object.freeze([...shape]) };
}

/**
 * The type of the elements of a tensor of weights.
 * @throws TensimError `UNSUPPORTED_DTYPE` for every other
 */
export function floatFormatOf({ dtype, file, name }: Pick<TensorEntry, 'dtype' | 'file' | 'name'>): FloatFormat {
  if (isFloatFormat(dtype)) return dtype;
  throw new TensimError('UNSUPPORTED_DTYPE', `elements of type ${dtype} cannot be weights`, {
    file,
    tensor: name,
    hint: 'Convert the tensor to F64, F32, F16 or BF16',
  });
}

/**
 * What `readFloats` reads, in pieces one after the other, so that a tensor larger than memory can be gone through once. What
 * is strided in its file is read as a whole.
 * @throws TensimError as `readFloats`
 */
export async function* floatPieces(
  source: SourceFile,
  entry: TensorEntry,
  options: ElementOptions = {},
): AsyncGenerator<TensorData> {
  const { dtype, strides, shape, bigEndian } = entry;
  if (strides !== undefined || !isFloatFormat(dtype)) {
    yield (await readFloats(source, entry, options)).data;
    return;
  }
  const width = FLOAT_BYTES[dtype];
  for await (const piece of piecesIn(source, entry, width, sizeOf(shape), options)) {
    if (bigEndian) reverseElements(piece, width);
    const values = floatArray(dtype, piece.length / width);
    decodeFloats(piece, dtype, values, 0);
    yield values;
  }
}

/**
 * Reads a tensor of whole numbers, row-major.
 * @throws TensimError as `readFloats`, and `INVALID_FILE` for a number beyond 32 bits
 */
export async function readIntegers(
  source: SourceFile,
  entry: TensorEntry,
  options: ElementOptions = {},
): Promise<IntegerTensor> {
  const { dtype, shape, file, name } = entry;
  if (!isIntegerFormat(dtype))
    throw new TensimError('UNSUPPORTED_DTYPE', `elements of type ${dtype} are no integers`, { file, tensor: name });
  const data = await readElements(source, entry, options, {
    width: INTEGER_BYTES[dtype],
    make: (length) => new Int32Array(length),
    decode: (bytes, target, at) => {
      const odd = decodeIntegers(bytes, dtype, target, at);
      if (odd >= 0)
        throw new TensimError('INVALID_FILE', `element ${odd} is beyond the range of 32-bit integers`, {
          file,
          tensor: name,
        });
    },
  });
  return { data, shape: Object.freeze([...shape]) };
}

/**
 * Reads the elements of a tensor as they are stored, but row-major and little-endian.
 * @throws TensimError as `readFloats`; `UNSUPPORTED_DTYPE` for elements that would have to be moved and have no common
 * size
 */
export async function readBytes(
  source: SourceFile,
  entry: TensorEntry,
  options: ElementOptions = {},
): Promise<Uint8Array> {
  const { dtype, shape, bytes, file, name } = entry;
  const { memory } = options;
  const moved = entry.strides !== undefined || entry.bigEndian === true;
  // Unmoved, elements of any kind are so many bytes.
  const width = moved ? bytes / sizeOf(shape) : 1;
  const Words = WORDS.get(width);
  if (bytes === 0) return new Uint8Array(0);
  if (Words === undefined)
    throw new TensimError('UNSUPPORTED_DTYPE', `elements of type ${dtype} cannot be put in order`, {
      file,
      tensor: name,
    });
  const plain = moved ? entry : { ...entry, shape: [bytes] };
  const words = await readElements<Words>(source, plain, options, {
    width,
    make: (length) => (memory === undefined ? new Words(length) : new Words(memory(length * width))),
    decode: (piece, target, at) => new Uint8Array(target.buffer, at * width, piece.length).set(piece),
  });
  return new Uint8Array(words.buffer, 0, bytes);
}

type Words = Uint8Array | Uint16Array | Uint32Array | BigUint64Array;
type WordsOf = new (length: number | ArrayBuffer) => Words;

/** Arrays that hold elements of so many bytes without looking into them. */
const WORDS: ReadonlyMap<number, WordsOf> = new Map<number, WordsOf>([
  [1, Uint8Array],
  [2, Uint16Array],
  [4, Uint32Array],
  [8, BigUint64Array],
]);

type Elements = Float64Array | Float32Array | Int32Array | Words;

/** How elements of a type are stored, and what they become. */
interface Codec<Data extends Elements> {
  readonly width: number;
  make(length: number): Data;
  /** Decodes little-endian elements into `target[at…]`. */
  decode(bytes: Uint8Array, target: Data, at: number): void;
}

/**
 * Elements put in their places between two looks at the clock: some milliseconds if each is the first in its page of
 * memory.
 */
const SCATTERED = 1 << 14;

async function readElements<Data extends Elements>(
  source: SourceFile,
  entry: TensorEntry,
  { signal, passing }: ElementOptions,
  { width, make, decode }: Codec<Data>,
): Promise<Data> {
  const { shape, strides, bigEndian } = entry;
  const elements = sizeOf(shape);
  const data = allocate(entry, () => make(elements));
  const pieces = (length: number) => piecesIn(source, entry, width, length, { signal, passing });
  let at = 0;
  if (strides === undefined) {
    for await (const piece of pieces(elements)) {
      if (bigEndian) reverseElements(piece, width);
      decode(piece, data, at);
      at += piece.length / width;
    }
    return data;
  }
  const walk = new StorageWalk(shape, strides);
  const pacer = new Pacer(signal);
  for await (const piece of pieces(spanOf(shape, strides))) {
    if (bigEndian) reverseElements(piece, width);
    for (let from = 0; from < piece.length; from += SCATTERED * width) {
      const part = piece.subarray(from, from + SCATTERED * width);
      const values = make(part.length / width);
      decode(part, values, 0);
      walk.scatter(values, at, data);
      at += values.length;
      if (pacer.due(SCATTERED)) await pacer.pause();
    }
  }
  return data;
}

/** The bytes of so many elements, in pieces of whole ones. */
function piecesIn(
  source: SourceFile,
  entry: TensorEntry,
  width: number,
  length: number,
  { signal, passing }: ElementOptions,
): AsyncGenerator<Uint8Array> {
  const { name, offset, deflated, encoded } = entry;
  const reading = { signal, passing, tensor: name };
  if (deflated !== undefined) return unfolded(source, offset, deflated, reading);
  if (encoded !== undefined) return decodedChunks(source, entry, reading);
  return source.chunks(offset, length * width, reading);
}

/** Of a member of an archive; what unfolds it is only read for one. */
async function* unfolded(
  source: SourceFile,
  offset: number,
  deflated: Deflated,
  reading: ReadOptions,
): AsyncGenerator<Uint8Array> {
  const { inflatedElements } = await import('./zip/inflate.js');
  yield* inflatedElements(source, offset, deflated, reading);
}

/**
 * Makes an array for the elements of a tensor.
 * @throws TensimError `MEMORY_LIMIT` if there is no memory for it
 */
export function allocate<Data>(entry: TensorEntry, make: () => Data): Data {
  try {
    return make();
  } catch (error) {
    throw new TensimError('MEMORY_LIMIT', `there is no memory for its ${byteCount(entry.bytes)}`, {
      file: entry.file,
      tensor: entry.name,
      hint: 'Close other models, or use a machine with more memory',
      cause: error,
    });
  }
}
