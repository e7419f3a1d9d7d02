import type { StampedCheckpoint, StoredReader, TensorEntry } from '../../formats/checkpoint.js';
import { isPlain } from '../../formats/entry.js';
import { floatFormatOf } from '../../formats/tensor_data.js';
import { StoredFloats } from '../../tensor/stored.js';
import { sizeOf } from '../../tensor/tensor.js';

/** Elements of a tensor that are read at a time, at least a row. */
export const AT_ONCE = 1 << 18;

/**
 * Reads tensors of a checkpoint some rows at a time, in double precision: those of large networks are larger than memory.
 * What is strided or packed in its file is read as a whole, and kept until another is read.
 */
export class TensorRows {
  readonly #stored: StoredReader;
  readonly #signal: AbortSignal | undefined;
  #kept: { readonly name: string; readonly elements: StoredFloats } | undefined;

  /** @param names of what is read, of which a file is read once where that is in the order in which it lies there */
  constructor(checkpoint: StampedCheckpoint, names: Iterable<string>, signal: AbortSignal | undefined) {
    this.#stored = checkpoint.inTurn(names);
    this.#signal = signal;
  }

  /**
   * Elements `from` … `to` − 1, row-major.
   * @throws TensimError as `Checkpoint.read`
   */
  async read(entry: TensorEntry, from: number, to: number): Promise<Float64Array> {
    const result = new Float64Array(to - from);
    const format = floatFormatOf(entry);
    if (isPlain(entry)) {
      const bytes = await this.#stored(entry.name, { from, to }, { signal: this.#signal });
      new StoredFloats(bytes, format, [to - from]).copy(0, to - from, 1, result, 0);
      return result;
    }
    if (this.#kept?.name !== entry.name) {
      const bytes = await this.#stored(entry.name, undefined, { signal: this.#signal });
      this.#kept = { name: entry.name, elements: new StoredFloats(bytes, format, entry.shape) };
    }
    this.#kept.elements.copy(from, to - from, 1, result, 0);
    return result;
  }
}

/** The rows of a tensor as a matrix: its first axis by all others. */
export function matrixOf({ shape }: Pick<TensorEntry, 'shape'>): readonly [rows: number, columns: number] {
  const rows = shape.length < 2 ? 1 : shape[0];
  return [rows, rows === 0 ? 0 : sizeOf(shape) / rows];
}
