import { TensimError } from '../errors.js';
import type { IntegerTensor } from '../tensor/integers.js';
import type { Tensor } from '../tensor/tensor.js';
import { onceMore } from './changed.js';
import { formatAtStart, formatIn } from './content.js';
import { type CheckpointFormat, formatOf, hasEnding, isIndex } from './endings.js';
import type { TensorEntry } from './entry.js';
import { foreignModel, unknownKind } from './foreign.js';
import { openLlama2c } from './llama2c/open.js';
import type { Graph } from './onnx/graph.js';
import { OpenCheckpoint } from './open_checkpoint.js';
import type { OpenedFiles, OpenOptions } from './opened_files.js';
import { DAMAGED_HINT } from './safetensors/header.js';
import { openSafetensors } from './safetensors/open.js';
import { isStep, standsBeside, withScalars } from './scalars.js';
import { openShards } from './shards.js';
import type { Stamp } from './stamp.js';
import type { ElementOptions } from './tensor_data.js';

export type { CheckpointFormat } from './endings.js';
export type { TensorEntry } from './entry.js';
export type { OpenOptions } from './opened_files.js';

/** An open checkpoint: named tensors in one file, or in several under one index. Close it. */
export interface Checkpoint {
  /** As given by the caller. */
  readonly path: string;
  /** All files it consists of: the file itself, or the index and then the shards in order of name. */
  readonly files: readonly string[];
  /**
   * What the file says beside its tensors: the strings of `__metadata__`; a sharded checkpoint adds those of its index.
   * Numbers that stand as tensors beside weights are here too: how far a training is, by its name (`step`, `epoch`, …),
   * and in .npz archives every number and text without axes.
   */
  readonly metadata: Readonly<Record<string, string>>;
  /** What kind of file it is, by its content: `safetensors`, `pytorch`, `npz`, `npy`, `onnx`, `gguf` or `llama2c`. */
  readonly format: CheckpointFormat;
  /** Where the tensors are in a PyTorch file, as the option `key` says it: `model`, or `.` for the top; else absent. */
  readonly place?: string;
  /** In the order of the files and of the tensors in them. */
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  /**
   * Reads a tensor as weights, row-major: F64 as float64; F32, F16 and BF16 as float32, all exactly.
   * @throws TensimError `UNSUPPORTED_DTYPE` for every other element type, `INVALID_ARGUMENT` if there is no such tensor
   * or the checkpoint is closed, `FILE_CHANGED` if the file was written to since it was opened, `MEMORY_LIMIT` if the
   * tensor fits no array
   */
  read(name: string, signal?: AbortSignal): Promise<Tensor>;
  /**
   * Reads a tensor of whole numbers, such as token ids.
   * @throws TensimError as `read`, and `INVALID_FILE` for a number beyond 32 bits
   */
  readIntegers(name: string, signal?: AbortSignal): Promise<IntegerTensor>;
  /**
   * Reads the elements of a tensor of any type as they are stored, but row-major and little-endian.
   * @throws TensimError as `read`; `UNSUPPORTED_DTYPE` only for elements whose size is unknown and for packed ones that
   * are strided
   */
  readBytes(name: string, signal?: AbortSignal): Promise<Uint8Array>;
  /**
   * Reads tensors as `read`, in the order in which they lie in the files, and what lies between them along with them.
   * `sha256` then reads no more than what follows the last, so that a file of which everything is wanted is read once.
   *
   *     for await (const [name, tensor] of checkpoint.readInOrder(checkpoint.tensors.keys())) weights.set(name, tensor);
   *     const digest = await checkpoint.sha256();
   */
  readInOrder(names: Iterable<string>, signal?: AbortSignal): AsyncGenerator<[name: string, tensor: Tensor]>;
  /**
   * SHA-256 over the bytes of `files`, one after the other, in hexadecimal; each byte is hashed as it was when it was
   * first read for this.
   * @throws TensimError `FILE_CHANGED` if a file was written to since it was opened
   */
  sha256(signal?: AbortSignal): Promise<string>;
  /** Closing twice is no error. */
  close(): Promise<void>;
  /** As `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Reads the elements of a tensor as `readBytes`, or a part of them, counted in elements. Bytes are hashed for `sha256` on
 * the way, as long as no tensor is skipped that is still to be read.
 */
export type StoredReader = (
  name: string,
  part: ElementRange | undefined,
  options?: Pick<ElementOptions, 'signal' | 'memory'>,
) => Promise<Uint8Array>;

/** Elements of a tensor, row-major. */
export interface ElementRange {
  readonly from: number;
  readonly to: number;
}

/** A checkpoint with what the system said of its files when they were opened. */
export interface StampedCheckpoint extends Checkpoint {
  /** The network, in a format that tells it; else absent. */
  readonly graph?: Graph;
  readonly stamp: Stamp;
  /** What is the matter with a quantised weight that cannot be decoded; absent where all can. */
  readonly spoilt?: TensimError;
  /** Reads these tensors as they are stored, in any order; in that of the files `sha256` costs no reading. */
  inTurn(names: Iterable<string>): StoredReader;
  /**
   * Makes sure that all that was read lay in the files under these paths at one moment: that none was written to,
   * replaced or removed since they were opened.
   * @throws TensimError `FILE_CHANGED`
   */
  confirm(): Promise<void>;
  /** What is to be thrown for an error that came of reading: that a file has changed, if one has. */
  blamed(error: unknown): Promise<unknown>;
}

/**
 * Opens a checkpoint and checks what it lists: `.pt`, `.pth`, `.bin`, `.ckpt` or `.pth.tar` as torch.save writes them,
 * `.npz` and `.npy` as NumPy does, `.onnx`, `.gguf`, `.bin.index.json` as the index of a sharded checkpoint of PyTorch and any other
 * `.json` as one of safetensors, and else safetensors. Where a file is not what its ending says, or has none, its first
 * bytes decide. No weights are read yet.
 *
 *     const checkpoint = await openCheckpoint('step_06000.safetensors');
 *     try { const weight = await checkpoint.read('projection.weight'); } finally { await checkpoint.close(); }
 *
 * @param options or a signal: aborting it rejects with its reason
 * @throws TensimError `FILE_NOT_FOUND`, or `INVALID_FILE` for every violation of the format, and for a PyTorch file of
 * several models without the option `key`, or without anything under it
 */
export function openCheckpoint(path: string, options: OpenOptions | AbortSignal = {}): Promise<Checkpoint> {
  return openStamped(path, options instanceof AbortSignal ? { signal: options } : options);
}

/**
 * Opens a checkpoint for `use`, closes it, and makes sure that what was read of it was one state of its files. If it
 * was not, all is done once more, after a moment.
 * @throws TensimError as `whileOpen`
 */
export function withOpen<Result>(
  path: string,
  options: OpenOptions,
  use: (checkpoint: StampedCheckpoint) => Promise<Result>,
): Promise<Result> {
  return onceMore(() => whileOpen(path, options, use), options.signal);
}

/**
 * The same, but never twice.
 * @throws TensimError as `openCheckpoint`; `FILE_CHANGED`; what `use` throws
 */
export async function whileOpen<Result>(
  path: string,
  options: OpenOptions,
  use: (checkpoint: StampedCheckpoint) => Promise<Result>,
): Promise<Result> {
  const checkpoint = await openStamped(path, options);
  try {
    const result = await use(checkpoint);
    await checkpoint.confirm();
    return result;
  } catch (error) {
    throw await checkpoint.blamed(error);
  } finally {
    await checkpoint.close();
  }
}

/** @throws TensimError as `openCheckpoint` */
async function openStamped(path: string, options: OpenOptions): Promise<StampedCheckpoint> {
  options.signal?.throwIfAborted();
  const named = formatOf(path);
  const found = named ?? (await formatIn(path));
  const foreign = found === undefined ? await foreignModel(path) : undefined;
  if (foreign !== undefined) throw foreign;
  const format = found ?? 'safetensors';
  const openAs = async (one: CheckpointFormat) => {
    const opened = await OPENERS[one](path, options);
    return new OpenCheckpoint(path, one, await withScalars(opened, one === 'npz' ? standsBeside : isStep));
  };
  try {
    return await openAs(format);
  } catch (error) {
    // An index may have any name that ends so, and a file without an ending may be what its beginning no longer shows.
    const isTold = hasEnding(path) && !/\.json$/i.test(path);
    if (found === undefined && isTold && error instanceof TensimError && error.hint === DAMAGED_HINT)
      throw unknownKind(path, error);
    // Only now, so that files that are what they say are looked at once.
    if (named === undefined || !(error instanceof TensimError) || error.code !== 'INVALID_FILE') throw error;
    const other = await formatAtStart(path);
    if (other === undefined || other === format) throw (await foreignModel(path)) ?? error;
    return openAs(other).catch((failure: unknown) => {
      throw failure instanceof TensimError ? error : failure;
    });
  }
}

// Those of other formats than the usual one are compiled when a file asks for them.
const OPENERS: Readonly<Record<CheckpointFormat, (path: string, options: OpenOptions) => Promise<OpenedFiles>>> = {
  safetensors: (path, { signal }) => openSafetensors(path, signal),
  async pytorch(path, options) {
    const { openPytorch } = await import('./pytorch/open.js');
    const open = (shard: string) => openPytorch(shard, options);
    return isIndex(path) ? openShards(path, open, options.signal) : open(path);
  },
  npz: async (path, { signal }) => (await import('./numpy/open.js')).openNpz(path, signal),
  npy: async (path) => (await import('./numpy/open.js')).openNpy(path),
  onnx: async (path, { signal }) => (await import('./onnx/open.js')).openOnnx(path, signal),
  gguf: async (path, { signal }) => (await import('./gguf/open.js')).openGguf(path, signal),
  llama2c: openLlama2c,
};
