import { createHash } from 'node:crypto';
import { TensimError } from '../../errors.js';
import { decodeFloats, FLOAT_BYTES, floatArray, isFloatFormat } from '../../tensor/convert.js';
import { decodeIntegers, INTEGER_BYTES, type IntegerTensor, isIntegerFormat } from '../../tensor/integers.js';
import type { Tensor } from '../../tensor/tensor.js';
import { byteCount } from '../describe.js';
import type { SourceFile } from '../source-file.js';
import { openSafetensorsFile, type SafetensorsFile } from './file.js';
import type { TensorEntry } from './header.js';
import { openShards } from './shards.js';

export type { TensorEntry } from './header.js';

/** An open checkpoint: named tensors in one file, or in several under one index. Close it. */
export interface Checkpoint {
  /** As given by the caller. */
  readonly path: string;
  /** All files it consists of: the file itself, or the index and then the shards in order of name. */
  readonly files: readonly string[];
  /** The strings of `__metadata__`. A sharded checkpoint adds those of its index, numbers as they are written there. */
  readonly metadata: Readonly<Record<string, string>>;
  /** In the order of the files and of the data in them. */
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  /**
   * Reads a tensor as weights: F64 as float64; F32, F16 and BF16 as float32, all exactly.
   * @throws TensimError `UNSUPPORTED_DTYPE` for every other element type, `INVALID_ARGUMENT` if there is no such tensor or
   * the checkpoint is closed, `INVALID_FILE` if the file has become shorter, `MEMORY_LIMIT` if the tensor fits no array
   */
  read(name: string, signal?: AbortSignal): Promise<Tensor>;
  /**
   * Reads a tensor of whole numbers, such as token ids.
   * @throws TensimError as `read`, and `INVALID_FILE` for a number beyond 32 bits
   */
  readIntegers(name: string, signal?: AbortSignal): Promise<IntegerTensor>;
  /** SHA-256 over the bytes of `files`, one after the other, in hexadecimal. */
  sha256(signal?: AbortSignal): Promise<string>;
  /** Closing twice is no error. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Opens a safetensors file, or, if the path ends in `.json`, the index of a sharded checkpoint, and checks all headers. No weights are read yet.
 *
 *     const checkpoint = await openCheckpoint('step_06000.safetensors');
 *     try { const weight = await checkpoint.read('projection.weight'); } finally { await checkpoint.close(); }
 *
 * @throws TensimError `FILE_NOT_FOUND`, or `INVALID_FILE` for every violation of the format
 */
export async function openCheckpoint(path: string, signal?: AbortSignal): Promise<Checkpoint> {
  signal?.throwIfAborted();
  if (typeof path === 'string' && /\.json$/i.test(path)) {
    const { index, shards, metadata } = await openShards(path, signal);
    return new OpenCheckpoint(path, [index, ...shards.map((shard) => shard.source)], metadata, shards);
  }
  const file = await openSafetensorsFile(path, signal);
  return new OpenCheckpoint(path, [file.source], file.metadata, [file]);
}

class OpenCheckpoint implements Checkpoint {
  readonly path: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  private readonly sources: ReadonlyMap<string, SourceFile>;

  constructor(
    path: string,
    sources: readonly SourceFile[],
    metadata: Readonly<Record<string, string>>,
    files: readonly SafetensorsFile[],
  ) {
    this.path = path;
    this.metadata = Object.freeze(metadata);
    this.sources = new Map(sources.map((source) => [source.path, source]));
    this.tensors = files.length === 1 ? files[0].tensors : new Map(files.flatMap((file) => [...file.tensors]));
  }

  get files(): readonly string[] {
    return [...this.sources.keys()];
  }

  async read(name: string, signal?: AbortSignal): Promise<Tensor> {
    signal?.throwIfAborted();
    const entry = this.entry(name);
    const { dtype, shape, bytes, file, offset } = entry;
    if (!isFloatFormat(dtype))
      throw new TensimError('UNSUPPORTED_DTYPE', `elements of type ${dtype} cannot be weights`, {
        file,
        tensor: name,
        hint: 'Convert the tensor to F64, F32, F16 or BF16',
      });
    const width = FLOAT_BYTES[dtype];
    const data = allocate(entry, () => floatArray(dtype, bytes / width));
    let at = 0;
    for await (const piece of this.source(file).chunks(offset, bytes, { signal, tensor: name })) {
      decodeFloats(piece, dtype, data, at);
      at += piece.length / width;
    }
    return { data, shape: Object.freeze([...shape]) };
  }

  async readIntegers(name: string, signal?: AbortSignal): Promise<IntegerTensor> {
    signal?.throwIfAborted();
    const entry = this.entry(name);
    const { dtype, shape, bytes, file, offset } = entry;
    if (!isIntegerFormat(dtype))
      throw new TensimError('UNSUPPORTED_DTYPE', `elements of type ${dtype} are no integers`, { file, tensor: name });
    const width = INTEGER_BYTES[dtype];
    const data = allocate(entry, () => new Int32Array(bytes / width));
    let at = 0;
    for await (const piece of this.source(file).chunks(offset, bytes, { signal, tensor: name })) {
      const odd = decodeIntegers(piece, dtype, data, at);
      if (odd >= 0)
        throw new TensimError('INVALID_FILE', `element ${odd} is beyond the range of 32-bit integers`, {
          file,
          tensor: name,
        });
      at += piece.length / width;
    }
    return { data, shape: Object.freeze([...shape]) };
  }

  async sha256(signal?: AbortSignal): Promise<string> {
    signal?.throwIfAborted();
    const hash = createHash('sha256');
    for (const source of this.sources.values())
      for await (const piece of source.chunks(0, source.size, { signal })) hash.update(piece);
    return hash.digest('hex');
  }

  async close(): Promise<void> {
    await Promise.all([...this.sources.values()].map((source) => source.close()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  private entry(name: string): TensorEntry {
    const entry = this.tensors.get(name);
    if (entry !== undefined) return entry;
    throw new TensimError('INVALID_ARGUMENT', `there is no tensor "${name}"`, {
      file: this.path,
      hint: 'The tensors it has are listed by "tensim inspect"',
    });
  }

  private source(file: string): SourceFile {
    return this.sources.get(file) as SourceFile;
  }
}

function allocate<Data>(entry: TensorEntry, make: () => Data): Data {
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
