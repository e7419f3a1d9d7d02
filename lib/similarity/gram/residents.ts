import type { Backend, PreparedModel } from '../../backend/backend.js';
import { TensimError } from '../../errors.js';
import { sizeOf } from '../../tensor/tensor.js';
import type { Member } from '../members.js';
import type { Sources } from '../sources.js';
import type { GramSettings } from './control.js';

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
    await this.hold([largest], new Set());
    const { bytes } = this.get([largest])[0];
    // While it is read, a model takes its weights as they come from the file, and again as they are folded.
    const reading = 2 * 8 * sizes[largest];
    const capacity = Math.floor((limit - spare - reading) / bytes);
    if (capacity < 2) {
      const { label } = this.#members[largest].outline;
      throw new TensimError(
        'MEMORY_LIMIT',
        `two models like "${label}" take ${2 * bytes + spare + reading} bytes, more than the limit of ${limit}`,
        { hint: 'Raise memoryLimit, or use dtype "float32"' },
      );
    }
    this.#capacity = capacity;
    return capacity;
  }

  /**
   * Prepares those of the models that are not. One call at a time; what `pinned` names stays.
   * @param onPrepared called after each.
   */
  hold(numbers: Iterable<number>, pinned: ReadonlySet<number>, onPrepared: () => void = () => {}): Promise<void> {
    this.#busy = this.#hold([...numbers], pinned, onPrepared);
    return this.#busy;
  }

  async #hold(numbers: readonly number[], pinned: ReadonlySet<number>, onPrepared: () => void): Promise<void> {
    const { backend, dtype, signal, threads } = this.#settings;
    const lacking = numbers.filter((number) => !this.#touch(number));
    const keep = new Set([...pinned, ...numbers]);
    let coming = this.#read(lacking[0]);
    for (const [place, number] of lacking.entries()) {
      const source = await coming;
      // The next file is read while this model is prepared.
      coming = this.#read(lacking[place + 1]);
      this.#makeRoom(keep);
      this.#models.set(number, await this.#prepare(backend, source!, { dtype, signal, threads }));
      onPrepared();
      signal?.throwIfAborted();
    }
  }

  #prepare(
    backend: Backend,
    source: Awaited<ReturnType<Sources['of']>>,
    { dtype, signal, threads }: Pick<GramSettings, 'dtype' | 'signal' | 'threads'>,
  ): Promise<PreparedModel> {
    this.prepared++;
    return backend.prepare(source, dtype, { signal, threads });
  }

  /** Starts to read a model. What goes wrong is known when it is waited for, if ever. */
  #read(number: number | undefined): Promise<Awaited<ReturnType<Sources['of']>> | undefined> {
    const source = number === undefined ? Promise.resolve(undefined) : this.#sources.of(this.#members[number]);
    source.catch(() => {});
    return source;
  }

  /** Notes a use; false if the model is not here. */
  #touch(number: number): boolean {
    const model = this.#models.get(number);
    if (model === undefined) return false;
    this.#models.delete(number);
    this.#models.set(number, model);
    return true;
  }

  #makeRoom(keep: ReadonlySet<number>): void {
    for (const [number, model] of this.#models) {
      if (this.#models.size < this.#capacity) return;
      if (keep.has(number)) continue;
      this.#models.delete(number);
      model.dispose();
    }
  }

  /** Models that `hold` has prepared. */
  get(numbers: readonly number[]): PreparedModel[] {
    return numbers.map((number) => this.#models.get(number)!);
  }

  /** Bytes of all that are prepared now. */
  get bytes(): number {
    let bytes = 0;
    for (const model of this.#models.values()) bytes += model.bytes;
    return bytes;
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
