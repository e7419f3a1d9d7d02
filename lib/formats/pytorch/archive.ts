import type { Pacer } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { sizeOf } from '../../tensor/tensor.js';
import { byteCount, count } from '../../words/counts.js';
import { quote } from '../../words/quoting.js';
import type { TensorEntry } from '../entry.js';
import type { ByteSource } from '../source_file.js';
import { isRowMajor, isWalkable, rowMajorStrides, spanOf } from '../strided.js';
import type { Container, Pickle } from './container.js';
import { ELEMENT_BYTES } from './globals.js';
import { elementsOf } from './numpy.js';
import { scalarText } from './scalar.js';
import { type Bytes, NumpyArray, type NumpyScalar, PickledTensor, type Tensor, Unread } from './values.js';

/** A tensor with strides of zero has more elements than the file: no more than this. */
const MOST_EXPANDED = 1 << 20;
/** Bytes looked at between two looks at the clock. */
const SCANNED = 1 << 16;

/** The tensors of a checkpoint, whatever holds its pickle and its storages. */
export class Archive {
  readonly #source: ByteSource;
  readonly #container: Container;
  readonly #pickle: Pickle;
  readonly #bigEndian: boolean;

  private constructor(source: ByteSource, container: Container, pickle: Pickle, bigEndian: boolean) {
    this.#source = source;
    this.#container = container;
    this.#pickle = pickle;
    this.#bigEndian = bigEndian;
  }

  static async open(source: ByteSource, container: Container): Promise<Archive> {
    return new Archive(source, container, await container.pickle(), await container.isBigEndian());
  }

  get pickle(): Buffer {
    return this.#pickle.bytes;
  }

  /** What makes the errors of a tensor. */
  wrong(tensor: string, problem: string, hint?: string): TensimError {
    return new TensimError('INVALID_FILE', problem, {
      file: this.#source.path,
      tensor,
      hint: hint ?? 'The file is damaged: copy or download it again',
    });
  }

  /**
   * The listing of a tensor.
   * @throws TensimError `INVALID_FILE` for one that is not read, or does not lie within its storage
   */
  async entry(name: string, tensor: Tensor, pacer: Pacer): Promise<TensorEntry> {
    if (tensor instanceof NumpyArray) return this.#arrayEntry(name, tensor, pacer);
    if (tensor instanceof Unread)
      throw this.wrong(name, `its pickle ${tensor.problem}`, tensor.hint ?? this.#container.remedy());
    const entry = await this.#tensorEntry(name, tensor);
    // Arrays say themselves how they are written.
    return this.#bigEndian ? { ...entry, bigEndian: true } : entry;
  }

  /** A single number as text; undefined for what is none, or is not read. */
  async scalar(name: string, value: Tensor | NumpyScalar): Promise<string | undefined> {
    if (value instanceof Unread) return undefined;
    if (value instanceof PickledTensor) {
      const { dtype, offset } = await this.#tensorEntry(name, value);
      const bytes = Buffer.alloc(ELEMENT_BYTES.get(dtype) as number);
      await this.#source.read(bytes, offset);
      return scalarText(bytes, dtype, this.#bigEndian);
    }
    const { type, bytes } = value instanceof NumpyArray ? (value.content ?? {}) : value;
    const elements = type && elementsOf(type);
    if (elements === undefined || bytes === undefined || bytes.length > 2 * elements.width) return undefined;
    return scalarText(plainBytes(bytes), elements.dtype, elements.bigEndian);
  }

  /** The listing of an array, whose numbers lie in the pickle. */
  async #arrayEntry(name: string, { content }: NumpyArray, pacer: Pacer): Promise<TensorEntry> {
    const wrong = (problem: string) =>
      this.wrong(name, `its pickle ${problem}`, 'Save it as a tensor: torch.from_numpy(array)');
    if (content === undefined) throw wrong('has a NumPy array without its numbers');
    const { type, shape, fortran, bytes } = content;
    const elements = elementsOf(type);
    if (elements === undefined) throw wrong('has a NumPy array whose elements are no numbers');
    const { dtype, width, bigEndian } = elements;
    const held = await plainLength(bytes, pacer);
    if (held === undefined || (held > 0 && bytes.pickle !== this.pickle))
      throw wrong('has a NumPy array whose numbers are written as a text');
    if (sizeOf(shape) * width !== held)
      throw wrong(`says that a NumPy array has the shape [${shape.join(', ')}], but has ${byteCount(held)} of it`);
    return {
      name,
      dtype,
      shape,
      bytes: held,
      file: this.#source.path,
      offset: this.#pickle.at + bytes.at,
      ...(fortran && shape.length > 1 && { strides: rowMajorStrides([...shape].reverse()).reverse() }),
      ...(bigEndian && { bigEndian }),
      ...(held < bytes.length && { encoded: bytes.length }),
    };
  }

  async #tensorEntry(name: string, tensor: PickledTensor): Promise<TensorEntry> {
    const { storage, dtype, offset, shape, strides } = tensor;
    const wrong = (problem: string, hint?: string) => this.wrong(name, problem, hint);
    const key = storage.key.value ?? '';
    const place = await this.#container.storage(key);
    if (place === undefined) throw wrong(`its storage ${quote(key)} is missing`);
    const width = ELEMENT_BYTES.get(dtype) as number;
    const bytes = storage.elements * (storage.dtype === null ? 1 : (ELEMENT_BYTES.get(storage.dtype) as number));
    if (bytes > place.size)
      throw wrong(`its storage is said to have ${byteCount(bytes)}, and has ${byteCount(place.size)}`);
    const held = Math.floor(bytes / width);
    const size = sizeOf(shape);
    if (!Number.isSafeInteger(size) || !(offset + spanOf(shape, strides) <= held))
      throw wrong(`shape [${shape.join(', ')}] does not fit into its storage of ${count(held)} elements`);
    if (size > held && size > MOST_EXPANDED)
      throw wrong(`shape [${shape.join(', ')}] repeats its ${count(held)} elements without end`);
    if (!isWalkable(shape, strides)) throw wrong('its elements overlap in memory', 'Save tensor.contiguous() instead');
    return {
      name,
      dtype,
      shape,
      bytes: size * width,
      file: this.#source.path,
      offset: place.at + offset * width,
      ...(!isRowMajor(shape, strides) && { strides }),
    };
  }
}

function plainBytes({ pickle, at, length, encoded }: Bytes): Buffer {
  const bytes = pickle.subarray(at, at + length);
  return encoded ? Buffer.from(bytes.toString('utf8'), 'latin1') : bytes;
}

/** How many bytes there are once they are decoded; undefined for a text that stands for none. */
async function plainLength({ pickle, at, length, encoded }: Bytes, pacer: Pacer): Promise<number | undefined> {
  if (!encoded) return length;
  let pairs = 0;
  for (let from = at; from < at + length; from += SCANNED) {
    const end = Math.min(from + SCANNED, at + length);
    for (let i = from; i < end; i++) {
      const byte = pickle[i];
      if (byte < 0x80) continue;
      // Two bytes that begin with 0xc2 or 0xc3 are a character from 128 to 255.
      if (byte < 0xc0) {
        if (i === at || (pickle[i - 1] | 1) !== 0xc3) return undefined;
      } else if ((byte | 1) !== 0xc3 || i + 1 === at + length || (pickle[i + 1] & 0xc0) !== 0x80) return undefined;
      else pairs++;
    }
    if (pacer.due(SCANNED)) await pacer.pause();
  }
  return length - pairs;
}
