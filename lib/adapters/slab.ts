import type { LowRankMatrices } from '../backend/low_rank.js';
import { fileChanged } from '../formats/changed.js';
import type { TensorEntry } from '../formats/checkpoint.js';
import { isPlain } from '../formats/entry.js';
import type { SourceFile } from '../formats/source_file.js';
import { floatFormatOf, floatPieces, readFloats } from '../formats/tensor_data.js';
import { encodeFloats, FLOAT_BYTES, type FloatFormat } from '../tensor/convert.js';
import type { DType } from '../tensor/tensor.js';
import type { Adapter, AdapterModule } from './adapter.js';
import type { OpenFiles } from './open_files.js';

/** A module of one adapter among others. */
export interface Member {
  /** The number of the adapter. */
  readonly index: number;
  readonly adapter: Adapter;
  readonly module: AdapterModule;
}

/** One module of several adapters of one rank: s · B diag(E) A of each, as their files have the factors. */
export interface Slab {
  readonly members: readonly Member[];
  readonly matrices: LowRankMatrices;
}

/** In which formats the factors of a member are kept, A and B. */
export const formatsOf = ({ module: { a, b } }: Member, dtype: DType): readonly [FloatFormat, FloatFormat] => [
  formatOf(a, dtype),
  formatOf(b, dtype),
];

/** That of the file, where numbers lie there as they are and are no wider than what is computed in. */
function formatOf(entry: TensorEntry, dtype: DType): FloatFormat {
  const format = floatFormatOf(entry);
  if (format === 'F64') return dtype === 'float32' ? 'F32' : 'F64';
  return liesAsKept(entry) ? format : 'F32';
}

const liesAsKept = (entry: TensorEntry): boolean => isPlain(entry) && entry.bigEndian !== true;

/** Bytes of both factors of a member. */
function bytesOfMember(member: Member, dtype: DType): number {
  const { rank, inputs, outputs } = member.module;
  const [ofA, ofB] = formatsOf(member, dtype);
  return rank * (inputs * FLOAT_BYTES[ofA] + outputs * FLOAT_BYTES[ofB]);
}

export const bytesOfSlab = (members: readonly Member[], dtype: DType): number =>
  members.reduce((sum, member) => sum + bytesOfMember(member, dtype), 0);

/**
 * Memory of slabs, which are as large as allowed: what is not needed any more is used again and not left to be collected.
 */
export class SlabMemory {
  #idle: ArrayBuffer[] = [];

  take(bytes: number): Uint8Array {
    const at = this.#idle.findIndex(({ byteLength }) => byteLength >= bytes);
    // What is too small for one is for none that comes: modules of a network are of a few sizes.
    if (at < 0) this.#idle = [];
    return new Uint8Array(at < 0 ? new ArrayBuffer(bytes) : this.#idle.splice(at, 1)[0], 0, bytes);
  }

  give({ matrices: { a, b } }: Slab): void {
    for (const { bytes } of [a, b]) this.#idle.push(bytes.buffer as ArrayBuffer);
    this.#idle.sort((one, other) => one.byteLength - other.byteLength);
  }
}

/**
 * Reads the factors of members that have one rank and are stored alike.
 * @throws TensimError as `Checkpoint.read`; `FILE_CHANGED` if an adapter is not what it was when it was listed
 */
export async function readSlab(
  members: readonly Member[],
  dtype: DType,
  memory: SlabMemory,
  files: OpenFiles,
  signal: AbortSignal | undefined,
): Promise<Slab> {
  const [first] = members;
  const { rank, inputs, outputs, mlx } = first.module;
  const count = members.length;
  const formats = formatsOf(first, dtype);
  const [ofA, ofB] = [rank * inputs * FLOAT_BYTES[formats[0]], rank * outputs * FLOAT_BYTES[formats[1]]];
  const [a, b] = [memory.take(count * ofA), memory.take(count * ofB)];
  const weights = new Float64Array(count * rank);
  for (const [i, { adapter, module }] of members.entries()) {
    signal?.throwIfAborted();
    const reading = (entry: TensorEntry, read: (source: SourceFile) => Promise<void>) =>
      files.reading(entry.file, async (source) => {
        if (adapter.files.length === 1 && source.stamp.text !== adapter.stamp.text) throw fileChanged(adapter.path);
        await read(source);
        await source.checkUntouched();
      });
    const into = (entry: TensorEntry, format: FloatFormat, target: Uint8Array) =>
      reading(entry, (source) => readInto(source, entry, format, target, signal));
    await into(module.a, formats[0], a.subarray(i * ofA, (i + 1) * ofA));
    await into(module.b, formats[1], b.subarray(i * ofB, (i + 1) * ofB));
    const own = weights.subarray(i * rank, (i + 1) * rank).fill(module.scale);
    const { e } = module;
    if (e === undefined) continue;
    await reading(e, async (source) => {
      const { data } = await readFloats(source, e, { signal });
      for (let k = 0; k < rank; k++) own[k] *= data[k];
    });
  }
  return {
    members,
    matrices: {
      ...{ count, rank, weights },
      a: { bytes: a, format: formats[0], depth: inputs, rankLast: mlx },
      b: { bytes: b, format: formats[1], depth: outputs, rankLast: !mlx },
    },
  };
}

/** The matrices of some members of a slab. */
export function partOfSlab({ members, matrices }: Slab, from: number, to: number): Slab {
  const { count, rank, weights } = matrices;
  const part = (bytes: Uint8Array) => bytes.subarray((bytes.length / count) * from, (bytes.length / count) * to);
  return {
    members: members.slice(from, to),
    matrices: {
      ...{ count: to - from, rank, weights: weights.subarray(from * rank, to * rank) },
      a: { ...matrices.a, bytes: part(matrices.a.bytes) },
      b: { ...matrices.b, bytes: part(matrices.b.bytes) },
    },
  };
}

async function readInto(
  source: SourceFile,
  entry: TensorEntry,
  format: FloatFormat,
  target: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (format === entry.dtype && liesAsKept(entry)) {
    await source.read(target, entry.offset, { tensor: entry.name });
    return;
  }
  let at = 0;
  for await (const piece of floatPieces(source, entry, { signal })) {
    const bytes = encodeFloats(piece, format);
    target.set(bytes, at);
    at += bytes.length;
  }
}
