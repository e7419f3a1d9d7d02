import { TensimError } from '../errors.js';
import { quote } from '../words/quoting.js';
import type { BuiltIn } from './types.js';

/**
 * What one room knows about every kind of layer, by its name. The built-in kinds are all there, or it is no table,
 * but for a room that says which of them it knows; others are registered at run time.
 */
export class KindTable<Entry, Known extends BuiltIn = BuiltIn> {
  readonly #entries: Map<string, Entry>;

  constructor(builtIn: Readonly<Record<Known, Entry>>) {
    this.#entries = new Map(Object.entries(builtIn));
  }

  /** The names of the kinds, the built-in ones first. */
  get types(): readonly string[] {
    return [...this.#entries.keys()];
  }

  /** What is known of all of them, in the same order. */
  get entries(): readonly Entry[] {
    return [...this.#entries.values()];
  }

  has(type: string): boolean {
    return this.#entries.has(type);
  }

  find(type: string): Entry | undefined {
    return this.#entries.get(type);
  }

  /** @throws TensimError `UNSUPPORTED_LAYER` for a kind that is not in the table. */
  of(type: string): Entry {
    const entry = this.find(type);
    if (entry !== undefined) return entry;
    throw new TensimError('UNSUPPORTED_LAYER', `layers of type ${quote(String(type))} are not known here`, {
      hint: `Known are ${this.types.join(', ')}`,
    });
  }

  /**
   * Adds a kind.
   * @throws TensimError `INVALID_ARGUMENT` for a name that is taken.
   */
  register(type: string, entry: Entry): void {
    if (this.has(type)) throw new TensimError('INVALID_ARGUMENT', `there is a kind of layer ${quote(type)} already`);
    this.#entries.set(type, entry);
  }
}
