import { Pacer, unhurried } from '../../cooperate.js';
import { byteCount } from '../../words/counts.js';
import { quote } from '../../words/quoting.js';
import type { MemoryBudget } from '../budget.js';
import type { ByteSource } from '../source_file.js';
import { damaged } from '../zip/damaged.js';
import type { Fail } from './call.js';
import { type Container, type Extent, MOST_PICKLE, type Pickle, SAVE_ALONE } from './container.js';
import { ELEMENT_BYTES } from './globals.js';
import { findRecalled } from './recalled.js';
import { COST } from './stack.js';
import { unpickle } from './unpickle.js';
import { Global, List, Sequence, Text, type Value } from './values.js';

/** The first pickle of every file of torch.save before version 1.6: the number 0x1950a86a20f9469cfc6c. */
export const LEGACY_START = Buffer.from('80028a0a6cfc9c46f9206aa850192e', 'hex');
/** The second pickle, the version of the format, of which there has been one. */
const VERSION = 1001;
/** The length of a storage, a number of 64 bits before its elements. */
const LENGTH_BYTES = 8;
/** What is wrong with a pickle of which not all was read. */
const ENDS_EARLY = /^(?:breaks off|has a name without an end)$/;
/** What is read of a pickle first, as nothing says how long it is. */
const FIRST_READ = 1 << 16;
/** Storages passed between two looks at the clock. */
const STORAGE_WORK = 1 << 14;

/**
 * What torch.save wrote before version 1.6: pickles one after the other, of a number, of the version, of the machine, of
 * everything but the numbers and of the keys of the storages; and then the storages in the order of these keys, each
 * behind its length. They are little-endian whatever the machine.
 */
export class LegacyContainer implements Container {
  readonly #source: ByteSource;
  readonly #budget: MemoryBudget;
  /** Bytes of an element of the storages that the pickle speaks of, by key; undefined: they are not known. */
  readonly #widths = new Map<string, number | undefined>();
  readonly #storages = new Map<string, Extent>();
  /** Where what has been read ends. */
  #end = LEGACY_START.length;

  constructor(source: ByteSource, budget: MemoryBudget) {
    this.#source = source;
    this.#budget = budget;
  }

  remedy(): string {
    return SAVE_ALONE;
  }

  async pickle(): Promise<Pickle> {
    const version = await this.#value();
    if (version !== VERSION) throw this.#fail('is followed by none that says the version of its format');
    await this.#value();
    return this.#next();
  }

  async isBigEndian(): Promise<boolean> {
    return false;
  }

  /** Of ('storage', type, key, …): how wide the elements are, which nothing at the storage says. */
  readonly note = (id: Value): void => {
    const [tag, type, key] = id instanceof Sequence ? id.items : [];
    if (!(tag instanceof Text) || tag.value !== 'storage' || !(key instanceof Text) || key.value === undefined) return;
    const known = type instanceof Global && type.meaning?.kind === 'storage' ? type.meaning.dtype : undefined;
    if (!this.#widths.has(key.value)) this.#budget.spend(COST.entry + COST.text);
    this.#widths.set(key.value, known === undefined ? undefined : known === null ? 1 : ELEMENT_BYTES.get(known));
  };

  async settle(signal?: AbortSignal): Promise<void> {
    const keys = await this.#value(signal);
    if (!(keys instanceof List) || keys.kept.size !== keys.length)
      throw this.#fail('is followed by none that lists its storages');
    const pacer = new Pacer(signal);
    const length = Buffer.alloc(LENGTH_BYTES);
    for (const key of keys.kept.values()) {
      if (pacer.due(STORAGE_WORK)) await pacer.pause();
      const name = key instanceof Text ? key.value : undefined;
      if (name === undefined) throw this.#fail('names a storage by what is no text');
      const width = this.#widths.get(name);
      // Where those behind it lie, nobody can tell then: whoever needs one of them is told that it is missing.
      if (width === undefined) return;
      const at = this.#end + LENGTH_BYTES;
      if (at > this.#source.size) throw this.#torn(`its storage ${quote(name)} is missing`);
      await this.#source.read(length, this.#end);
      const size = Number(length.readBigUInt64LE()) * width;
      if (!(at + size <= this.#source.size))
        throw this.#torn(
          `its storage ${quote(name)} is said to have ${byteCount(size)}, and has ${byteCount(this.#source.size - at)}`,
        );
      this.#budget.spend(COST.entry);
      this.#storages.set(name, { at, size });
      this.#end = at + size;
    }
  }

  async storage(key: string): Promise<Extent | undefined> {
    return this.#storages.get(key);
  }

  /** The value of the next pickle. */
  async #value(signal?: AbortSignal): Promise<Value> {
    const { bytes } = await this.#next(signal);
    return unhurried(unpickle(bytes, this.#budget, this.#fail, { mostTexts: Number.POSITIVE_INFINITY }), signal);
  }

  /** The next pickle: as much is read as it takes to come to its end. */
  async #next(signal?: AbortSignal): Promise<Pickle> {
    const at = this.#end;
    const left = this.#source.size - at;
    for (let read = Math.min(FIRST_READ, left); ; read = Math.min(2 * read, left, MOST_PICKLE)) {
      const bytes = Buffer.alloc(read);
      await this.#source.read(bytes, at);
      const length = await unhurried(this.#lengthIn(bytes, read < Math.min(left, MOST_PICKLE)), signal);
      if (length === undefined) continue;
      this.#end = at + length;
      return { bytes: bytes.subarray(0, length), at };
    }
  }

  /** How long a pickle is. @param partial whether there is more: then undefined where it does not end in these bytes. */
  *#lengthIn(bytes: Buffer, partial: boolean): Generator<void, number | undefined> {
    const torn = new Error();
    const fail: Fail = (problem) => (partial && ENDS_EARLY.test(problem) ? torn : this.#fail(problem));
    try {
      return (yield* findRecalled(bytes, fail)).end;
    } catch (error) {
      if (error !== torn) throw error;
      return undefined;
    }
  }

  readonly #fail = (problem: string): Error => damaged(this.#source, `its pickle ${problem}`);

  #torn(problem: string): Error {
    return damaged(this.#source, problem);
  }
}
