import { TensimError } from '../../errors.js';
import { byteCount } from '../../words/counts.js';
import type { StampedCheckpoint } from '../checkpoint.js';
import type { TensorEntry } from '../entry.js';
import type { QuantisedWeight } from './weight.js';

export type Finding = QuantisedWeight | undefined;

/** What is said beside the tensors of how weights are stored: a `quantization_config`, a quantize_config.json. */
export interface Told {
  /** The file that says it; undefined where nobody says anything. */
  readonly file: string | undefined;
  readonly values: Readonly<Record<string, unknown>>;
}

/** What is read of a tensor when a checkpoint is opened, at most: shapes, settings and the orders of columns. */
const MOST_READ = 4 * 1024 * 1024;

/** The tensors of a checkpoint as they are stored, for those who look for quantised weights in them. */
export class StoredTensors {
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly #checkpoint: StampedCheckpoint;
  readonly #ask: () => Promise<Told>;
  readonly #signal: AbortSignal | undefined;
  readonly #known = new Map<string, boolean>();
  #told: Promise<Told> | undefined;

  constructor(checkpoint: StampedCheckpoint, told: () => Promise<Told>, signal?: AbortSignal) {
    this.#checkpoint = checkpoint;
    this.tensors = checkpoint.tensors;
    this.metadata = checkpoint.metadata;
    this.#ask = told;
    this.#signal = signal;
  }

  get(name: string): TensorEntry | undefined {
    return this.tensors.get(name);
  }

  /** @throws TensimError `INVALID_FILE` if there is no such tensor, which `of` cannot be decoded without */
  need(name: string, of: TensorEntry): TensorEntry {
    const found = this.tensors.get(name);
    if (found !== undefined) return found;
    throw new TensimError('INVALID_FILE', `is a part of a quantised weight, and "${name}" is missing beside it`, {
      file: of.file,
      tensor: of.name,
      hint: 'The file was cut, or written by halves: get all of the model again',
    });
  }

  /** Whether a tensor has such a name. */
  has(pattern: RegExp): boolean {
    return this.#known.get(pattern.source) ?? this.#look(pattern);
  }

  #look(pattern: RegExp): boolean {
    const found = [...this.tensors.keys()].some((name) => pattern.test(name));
    this.#known.set(pattern.source, found);
    return found;
  }

  /** What is said beside the tensors. */
  told(): Promise<Told> {
    this.#told ??= this.#ask();
    return this.#told;
  }

  /**
   * The bytes of a small tensor.
   * @throws TensimError `INVALID_FILE` for one that is not small
   */
  async small(entry: TensorEntry): Promise<Uint8Array> {
    if (entry.bytes <= MOST_READ) return this.#checkpoint.readBytes(entry.name, this.#signal);
    throw new TensimError('INVALID_FILE', `has ${byteCount(entry.bytes)}, at most ${byteCount(MOST_READ)} are read`, {
      file: entry.file,
      tensor: entry.name,
    });
  }
}

/** The error of a part whose shape does not fit the others. */
export function wrongShape({ name, file, shape }: TensorEntry, why: string): TensimError {
  return new TensimError('SHAPE_MISMATCH', `has the shape [${shape.join(', ')}], ${why}`, {
    file,
    tensor: name,
    hint: 'Get all of the model again, with the configuration that belongs to it',
  });
}

/** A whole number that a configuration says under one of these names; undefined where it says none. */
export function wholeTold({ values }: Told, ...names: readonly string[]): number | undefined {
  const told = names.map((name) => values[name]).find((value) => typeof value === 'number');
  return Number.isSafeInteger(told) ? (told as number) : undefined;
}
