import type { PreparedModel } from '../../backend/backend.js';
import { TensimError } from '../../errors.js';
import { sizeOf } from '../../tensor/tensor.js';
import type { Member } from '../members.js';
import type { Source, Sources } from '../sources.js';
import type { GramSettings } from './control.js';

/**
 * The part of the memory that is left to what no account sees: weights that were read and are not collected yet, and what the allocator keeps
 * of models that have left.
 */
const UNSEEN_PART = 3 / 8;

/**
 * The models that are prepared at the moment, as many as the memory allows: when room is needed, the one that was used longest ago
 * leaves. With the order of jobs in schedule.ts that is one whose turn has passed.
 */
export class Residents {
  /** How often a model was prepared. */
  prepared = 0;
  readonly #members: readonly Member[];
  readonly #sources: Sources;
  readonly #settings: GramSettings;
  /** By number; the one used longest ago first. */
  readonly #models = new Map<number, PreparedModel>();
  #capacity = Number.POSITIVE_INFINITY;
  #busy: Promise<void> = Promise.resolve();

  constructor(members: readonly Member[], sources: Sources, settings: GramSettings) {
    this.#members = members;
    this.#sources = sources;
    this.#settings = settings;
  }

  /**
   * Finds how many models fit into `limit` bytes, by preparing the one with the most parameters.
   * @param spare bytes that are needed beside them.
   * @throws TensimError `MEMORY_LIMIT` if two do not fit.
   */
  async measure(limit: number, spare: number): Promise<number> {
    const sizes = this.#members.map(({ outline }) => parametersOf(outline.parameters));
    const largest = sizes.reduce((best, size, i) => (size > sizes[best] ? i : best), 0);
    await this.hold([largest], []);
    const { bytes } = this.get([largest])[0];
    // While it is read, a model takes its weights as they come from the file, and again as they are folded.
    const reading = 2 * 8 * sizes[largest];
    const capacity = Math.floor(((1 - UNSEEN_PART) * limit - spare - reading) / bytes);
    if (capacity < 2) {
      const { label } = this.#members[largest].outline;
      throw new TensimError(
        'MEMORY_LIMIT',
        `two models like "${label}" take ${Math.ceil((2 * bytes + spare + reading) / (1 - UNSEEN_PART))} bytes, more than the limit of ${limit}`,
        { hint: 'Raise memoryLimit, or use dtype "float32"' },
      );
    }
    this.#capacity = capacity;
    return capacity;
  }

  /** How many models fit. */
  get capacity(): number {
    return this.#capacity;
  }

  /** Whether all of these are prepared. */
  has(numbers: Iterable<number>): boolean {
    for (const number of numbers) if (!this.#models.has(number)) return false;
    return true;
  }

  /**
   * Prepares those of the models that are not; one call at a time.
   * @param pinned what must stay; the models themselves do.
   * @param onPrepared called after each.
   */
  hold(numbers: Iterable<number>, pinned: Iterable<number>, onPrepared: () => void = () => {}): Promise<void> {
    this.#busy = this.#prepare([...numbers], new Set([...pinned, ...numbers]), onPrepared);
    return this.#busy;
  }

  async #prepare(numbers: readonly number[], keep: ReadonlySet<number>, onPrepared: () => void): Promise<void> {
    const { backend, dtype, signal, threads } = this.#settings;
    const lacking = numbers.filter((number) => !this.#models.has(number));
    const atWork = new Set<Promise<void>>();
    let coming = this.#read(lacking[0]);
    try {
      for (const [place, number] of lacking.entries()) {
        const source = await coming;
        // The next file is read while this model is prepared.
        coming = this.#read(lacking[place + 1]);
        this.#makeRoom(keep, atWork.size);
        this.prepared++;
        const work = backend.prepare(source!, dtype, { signal, threads }).then((model) => {
          this.#models.set(number, model);
          atWork.delete(work);
          onPrepared();
        });
        work.catch(() => {}); // told when it is waited for
        atWork.add(work);
        if (atWork.size >= (backend.preparesAtOnce ?? 1)) await Promise.race(atWork);
        signal?.throwIfAborted();
      }
      await Promise.all(atWork);
    } finally {
      await Promise.allSettled(atWork);
    }
  }

  /** Starts to read a model. What goes wrong is known when it is waited for, if ever. */
  #read(number: number | undefined): Promise<Source | undefined> {
    const source = number === undefined ? Promise.resolve(undefined) : this.#sources.of(this.#members[number]);
    source.catch(() => {});
    return source;
  }

  /** @param coming models that are being prepared. */
  #makeRoom(keep: ReadonlySet<number>, coming: number): void {
    for (const [number, model] of this.#models) {
      if (this.#models.size + coming < this.#capacity) return;
      if (keep.has(number)) continue;
      this.#models.delete(number);
      model.dispose();
    }
  }

  /** Models that are prepared; they count as just used. */
  get(numbers: readonly number[]): PreparedModel[] {
    return numbers.map((number) => {
      const model = this.#models.get(number)!;
      this.#models.delete(number);
      this.#models.set(number, model);
      return model;
    });
  }

  /** Waits for what is being prepared, and disposes of all. */
  async dispose(): Promise<void> {
    await this.#busy.catch(() => {});
    for (const model of this.#models.values()) model.dispose();
    this.#models.clear();
  }
}

function parametersOf(parameters: ReadonlyMap<string, { readonly shape: readonly number[] }>): number {
  let sum = 0;
  for (const { shape } of parameters.values()) sum += sizeOf(shape);
  return sum;
}
