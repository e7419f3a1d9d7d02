import { Pacer } from '../cooperate.js';
import type { StampedCheckpoint, StoredReader, TensorEntry } from '../formats/checkpoint.js';
import { isPlain } from '../formats/entry.js';
import { storedRuns } from '../formats/stored_runs.js';
import { floatFormatOf } from '../formats/tensor_data.js';
import type { Tensors } from '../model/blueprint.js';
import type { Piece } from '../model/transformers/network.js';
import { extentOf, type Part, readPiece, runOf } from '../model/transformers/pieces.js';
import { StoredFloats } from '../tensor/stored.js';
import { sizeOf } from '../tensor/tensor.js';
import { Arrays } from './arrays.js';

/** A tensor that is kept. */
interface Kept {
  readonly bytes: Uint8Array;
  readonly elements: StoredFloats;
}

/**
 * The weights of a transformer's file, of which a layer at a time is kept, as it is stored. Files are read once where
 * they are read in their order: then they are hashed on the way.
 */
export class KeptWeights {
  readonly #checkpoint: StampedCheckpoint;
  readonly #tensors: Tensors;
  readonly #stored: StoredReader;
  readonly #places: ReadonlyMap<string, number>;
  readonly #signal: AbortSignal | undefined;
  readonly #pacer: Pacer;
  readonly #kept = new Map<string, Kept>();
  readonly #arrays = new Arrays();
  readonly #make = (length: number) => this.#arrays.take(length);
  /** Memory of the layer before. */
  readonly #idle: ArrayBuffer[] = [];

  /** @param wanted all pieces that are to be read */
  constructor(checkpoint: StampedCheckpoint, tensors: Tensors, wanted: readonly Piece[], signal?: AbortSignal) {
    this.#checkpoint = checkpoint;
    this.#tensors = tensors;
    this.#signal = signal;
    this.#pacer = new Pacer(signal);
    this.#stored = checkpoint.inTurn(wanted.map((piece) => this.entryOf(piece).name));
    const files = new Map(checkpoint.files.map((file, i) => [file, i]));
    const placed = [...checkpoint.tensors.values()].sort(
      (a, b) => files.get(a.file)! - files.get(b.file)! || a.offset - b.offset,
    );
    this.#places = new Map(placed.map(({ name }, i) => [name, i]));
  }

  async keep(pieces: Iterable<Piece>): Promise<void> {
    const entries = new Map([...pieces].map((piece) => [this.placeOf(piece), this.entryOf(piece)]));
    for (const [, entry] of [...entries].sort(([a], [b]) => a - b)) await this.#keep(entry);
  }

  async read(piece: Piece, cut: Part = {}): Promise<Float64Array> {
    const entry = this.entryOf(piece);
    const [outputs, inputs] = this.extent(piece);
    const rows = cut.columns === undefined ? cut.rows : undefined;
    const run = rows && runOf(piece, rows, inputs);
    if (run !== undefined && !this.#kept.has(entry.name) && isPlain(entry) && rows!.to - rows!.from < outputs) {
      const bytes = await this.#stored(entry.name, run, { signal: this.#signal });
      const part = { tensor: piece.tensor };
      const shape = [rows!.to - rows!.from, inputs];
      const elements = new StoredFloats(bytes, floatFormatOf(entry), shape);
      return readPiece(part, elements, this.#pacer, {}, this.#make);
    }
    return readPiece(piece, (await this.#keep(entry)).elements, this.#pacer, cut, this.#make);
  }

  /** Takes back arrays that `read` has given. */
  done(arrays: Iterable<Float64Array>): void {
    this.#arrays.give(arrays);
  }

  letGo(): void {
    this.#idle.length = 0;
    for (const { bytes } of this.#kept.values()) this.#idle.push(bytes.buffer as ArrayBuffer);
    this.#kept.clear();
  }

  /** Layers are of one shape: the next takes the memory of the last, which would else lie about until it is collected. */
  #memory(size: number): ArrayBuffer {
    const at = this.#idle.findIndex(({ byteLength }) => byteLength === size);
    return at < 0 ? new ArrayBuffer(size) : this.#idle.splice(at, 1)[0];
  }

  async *stored(piece: Piece): AsyncGenerator<Uint8Array> {
    const entry = this.entryOf(piece);
    const kept = this.#kept.get(entry.name);
    if (kept !== undefined) yield kept.bytes;
    else yield* storedRuns(this.#stored, entry, this.#signal);
  }

  extent(piece: Piece): readonly [outputs: number, inputs: number, bytes: number] {
    const entry = this.entryOf(piece);
    const [outputs, inputs] = extentOf(piece, entry)!;
    return [outputs, inputs, entry.bytes / sizeOf(entry.shape)];
  }

  placeOf(piece: Piece): number {
    return this.#places.get(this.entryOf(piece).name)!;
  }

  /** As it stands in the file, whatever wrapped the network. */
  entryOf({ tensor }: Piece): TensorEntry {
    return this.#checkpoint.tensors.get(this.#tensors.get(tensor)!.name)!;
  }

  async #keep(entry: TensorEntry): Promise<Kept> {
    const { name, shape } = entry;
    const known = this.#kept.get(name);
    if (known !== undefined) return known;
    const memory = (size: number) => this.#memory(size);
    const bytes = await this.#stored(name, undefined, { signal: this.#signal, memory });
    const kept = { bytes, elements: new StoredFloats(bytes, floatFormatOf(entry), shape) };
    this.#kept.set(name, kept);
    return kept;
  }
}
