import { fileChanged } from '../formats/changed.js';
import type { TensorEntry } from '../formats/checkpoint.js';
import { isPlain } from '../formats/entry.js';
import type { SourceFile } from '../formats/source_file.js';
import { floatFormatOf, floatPieces } from '../formats/tensor_data.js';
import { decodeFloats, FLOAT_BYTES } from '../tensor/convert.js';
import type { DType, TensorData } from '../tensor/tensor.js';
import type { Adapter, AdapterModule } from './adapter.js';
import type { OpenFiles } from './open_files.js';

/** A module of one adapter among others. */
export interface Member {
  /** The number of the adapter. */
  readonly index: number;
  readonly adapter: Adapter;
  readonly module: AdapterModule;
}

/** The factors of one module of several adapters of one rank, one after the other, as they are stored. */
export interface Slab {
  readonly members: readonly Member[];
  /** (members, rank, inputs), or (members, inputs, rank) as MLX stores them. */
  readonly a: TensorData;
  /** (members, outputs, rank), or (members, rank, outputs). */
  readonly b: TensorData;
}

/** Numbers of both factors of a member. */
const sizeOfMember = ({ module: { rank, inputs, outputs } }: Member): number => rank * (inputs + outputs);

export const bytesOfSlab = (members: readonly Member[], dtype: DType): number =>
  members.reduce((sum, member) => sum + sizeOfMember(member), 0) * (dtype === 'float64' ? 8 : 4);

/**
 * Memory of slabs, which are as large as allowed: what is not needed any more is used again and not left to be collected.
 */
export class SlabMemory {
  readonly #dtype: DType;
  #idle: ArrayBuffer[] = [];

  constructor(dtype: DType) {
    this.#dtype = dtype;
  }

  take(length: number): TensorData {
    const bytes = length * (this.#dtype === 'float64' ? 8 : 4);
    const at = this.#idle.findIndex(({ byteLength }) => byteLength >= bytes);
    // What is too small for one is for none that comes: modules of a network are of a few sizes.
    if (at < 0) this.#idle = [];
    const buffer = at < 0 ? new ArrayBuffer(bytes) : this.#idle.splice(at, 1)[0];
    return this.#dtype === 'float64' ? new Float64Array(buffer, 0, length) : new Float32Array(buffer, 0, length);
  }

  give({ a, b }: Slab): void {
    for (const { buffer } of [a, b]) this.#idle.push(buffer as ArrayBuffer);
    this.#idle.sort((one, other) => one.byteLength - other.byteLength);
  }
}

/**
 * Reads the factors of members that have one rank and are stored alike.
 * @throws TensimError as `Checkpoint.read`; `FILE_CHANGED` if an adapter is not what it was when it was listed
 */
export async function readSlab(
  members: readonly Member[],
  memory: SlabMemory,
  files: OpenFiles,
  signal: AbortSignal | undefined,
): Promise<Slab> {
  const [{ module: first }] = members;
  const [ofA, ofB] = [first.rank * first.inputs, first.rank * first.outputs];
  const [a, b] = [memory.take(members.length * ofA), memory.take(members.length * ofB)];
  for (const [i, { adapter, module }] of members.entries()) {
    signal?.throwIfAborted();
    const read = (entry: TensorEntry, target: TensorData, at: number) =>
      files.reading(entry.file, async (source) => {
        if (adapter.files.length === 1 && source.stamp.text !== adapter.stamp.text) throw fileChanged(adapter.path);
        await readInto(source, entry, target, at, signal);
        await source.checkUntouched();
      });
    await read(module.a, a, i * ofA);
    await read(module.b, b, i * ofB);
    if (module.e === undefined) continue;
    const diagonal = new Float64Array(module.rank);
    await read(module.e, diagonal, 0);
    weigh(a.subarray(i * ofA, (i + 1) * ofA), diagonal, module.inputs);
  }
  return { members, a, b };
}

async function readInto(
  source: SourceFile,
  entry: TensorEntry,
  target: TensorData,
  at: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const format = floatFormatOf(entry);
  let place = at;
  if (target instanceof Float32Array && format !== 'F64' && isPlain(entry) && entry.bigEndian !== true) {
    for await (const piece of source.chunks(entry.offset, entry.bytes, { signal, tensor: entry.name })) {
      decodeFloats(piece, format, target, place);
      place += piece.length / FLOAT_BYTES[format];
    }
    return;
  }
  for await (const piece of floatPieces(source, entry, { signal })) {
    target.set(piece, place);
    place += piece.length;
  }
}

/** Multiplies the rows of A by the diagonal of AdaLoRA. */
function weigh(a: TensorData, diagonal: Float64Array, inputs: number): void {
  for (const [k, factor] of diagonal.entries()) for (let i = k * inputs; i < (k + 1) * inputs; i++) a[i] *= factor;
}
