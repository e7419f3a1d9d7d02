import type { ChainSource, PreparedModel } from '../../backend/grams.js';
import { TensimError } from '../../errors.js';
import { processors } from '../../processors.js';
import { sizeOf } from '../../tensor/tensor.js';
import type { Member } from '../members/members.js';
import { type ModelScale, PLAIN } from '../scale/model_scale.js';
import { type Prepared, prepareAsTheyAre, prepareInUnits } from '../scale/prepare.js';
import type { SourceInUnits } from '../scale/source.js';
import type { GramSettings } from './control.js';
import type { Sources } from './sources.js';

/**
 * The part of the memory that is left to what no account sees: weights that were read and are not collected yet, and
 * what the allocator keeps of models that have left.
 */
const UNSEEN_PART = 3 / 8;

/** Bytes that a batch may take while it is prepared: with no limit on the memory, and as a part of one. */
const MOST_READING = 32 * 2 ** 20;
const READING_PART = 1 / 32;

/**
 * The models that are prepared at the moment, as many as the memory allows: when room is needed, the one that was used
 * longest ago leaves. With the order of jobs in schedule.ts that is one whose turn has passed.
 */
export class Residents {
  /** How often a model was prepared. */
  prepared = 0;
  /** Whether those that are prepared from now on are wanted in one tile alone. */
  once = false;
  readonly #members: readonly Member[];
  readonly #sources: Sources;
  readonly #settings: GramSettings;
  /** By number; the one used longest ago first. */
  readonly #models = new Map<number, PreparedModel>();
  readonly #scales = new Map<number, ModelScale>();
  #capacity = Number.POSITIVE_INFINITY;
  /** Models that are being prepared. */
  #arriving = 0;
  /** How many are prepared at a time, and how many such batches may be on their way. */
  #batch: number;
  readonly #lanes: number;
  /** Whether chains go to the backend as they are, as long as none needs units. */
  #plain: boolean;
  #busy: Promise<void> = Promise.resolve();

  constructor(members: readonly Member[], sources: Sources, settings: GramSettings) {
    this.#members = members;
    this.#sources = sources;
    this.#settings = settings;
    this.#batch = this.#batchWithin(MOST_READING);
    // One is handed over while the other is prepared, if there are threads for both.
    this.#lanes = this.#batch > 1 && (settings.threads ?? processors()) > 1 ? 2 : 1;
    this.#plain = sources.plain !== undefined && settings.backend.grams.prepareCalm !== undefined;
  }

  /**
   * Finds how many models fit into `limit` bytes, by preparing the one with the most parameters.
   * @param spare bytes that are needed beside them.
   * @throws TensimError `MEMORY_LIMIT` if two do not fit.
   */
  async measure(limit: number, spare: number): Promise<number> {
    this.#batch = this.#batchWithin(READING_PART * limit);
    const { number: largest, bytes: weights } = this.#largest();
    const reading = this.#lanes * this.#batch * weights;
    await this.hold([largest], []);
    const { bytes } = this.get([largest])[0];
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

  /**
   * The model with the most parameters, and what it takes while it is prepared: its weights as they come from the file,
   * and as they are folded.
   */
  #largest(): { number: number; bytes: number } {
    const sizes = this.#members.map(({ outline }) => parametersOf(outline.parameters));
    const number = sizes.reduce((best, size, i) => (size > sizes[best] ? i : best), 0);
    return { number, bytes: 2 * 8 * sizes[number] };
  }

  /** How many models can be prepared at a time in so many bytes; one can always. */
  #batchWithin(bytes: number): number {
    const { preparesAtOnce = 1 } = this.#settings.backend.grams;
    return Math.max(1, Math.min(preparesAtOnce, Math.floor(bytes / this.#largest().bytes)));
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
    const batches = this.#batches(numbers.filter((number) => !this.#models.has(number)));
    // Of a lane that fails, or is aborted, the other hears at its next turn.
    let failed = false;
    const lane = async () => {
      try {
        let coming = this.#readNext(batches);
        while (coming !== undefined && !failed) {
          const { batch, reading } = coming;
          const preparing = this.#prepareBatch(batch, await reading, keep);
          // The next models are read and balanced while the backend has these.
          coming = this.#readNext(batches);
          await preparing;
          for (const _ of batch) onPrepared();
          this.#settings.signal?.throwIfAborted();
        }
      } catch (error) {
        failed = true;
        throw error;
      }
    };
    const lanes = await Promise.allSettled(Array.from({ length: this.#lanes }, lane));
    for (const outcome of lanes) if (outcome.status === 'rejected') throw outcome.reason;
  }

  *#batches(numbers: readonly number[]): Generator<readonly number[]> {
    for (let at = 0; at < numbers.length; at += this.#batch) yield numbers.slice(at, at + this.#batch);
  }

  /** Starts to read the next batch, if there is one. What goes wrong is known when it is waited for, if ever. */
  #readNext(batches: Iterator<readonly number[]>): { batch: readonly number[]; reading: Promise<Read> } | undefined {
    const { value: batch, done } = batches.next();
    if (done) return undefined;
    const reading = this.#read(batch.map((number) => this.#members[number]));
    reading.catch(() => {});
    return { batch, reading };
  }

  async #read(members: readonly Member[]): Promise<Read> {
    const { plain } = this.#sources;
    if (this.#plain) return { plain: true, sources: await Promise.all(members.map((member) => plain!.of(member))) };
    return { plain: false, sources: await Promise.all(members.map((member) => this.#sources.of(member))) };
  }

  async #prepareBatch(batch: readonly number[], read: Read, keep: ReadonlySet<number>): Promise<void> {
    this.#makeRoom(keep, batch.length);
    this.prepared += batch.length;
    this.#arriving += batch.length;
    try {
      const prepared = await this.#prepared(read);
      for (const [place, number] of batch.entries()) {
        this.#models.set(number, prepared[place].model);
        this.#scales.set(number, prepared[place].scale);
      }
    } finally {
      this.#arriving -= batch.length;
    }
  }

  #prepared(read: Read): Promise<readonly Prepared[]> {
    if (!read.plain) return prepareInUnits(this.#once(read.sources), this.#settings);
    const inUnits = async (source: ChainSource) => {
      // Where one needs units, others are likely to.
      this.#plain = false;
      return this.#once([await this.#sources.plain!.inUnits(source)])[0];
    };
    return prepareAsTheyAre(this.#once(read.sources), inUnits, this.#settings);
  }

  #once<Source extends SourceInUnits>(sources: readonly Source[]): readonly Source[] {
    return this.once
      ? sources.map((source) => (source.kind === 'chain' ? { ...source, once: true } : source))
      : sources;
  }

  #makeRoom(keep: ReadonlySet<number>, room: number): void {
    for (const [number, model] of this.#models) {
      if (this.#models.size + this.#arriving + room <= this.#capacity) return;
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

  /** The units of models that have been prepared. */
  scalesOf(numbers: readonly number[]): ModelScale[] {
    return numbers.map((number) => this.#scales.get(number) ?? PLAIN);
  }

  /** Waits for what is being prepared, and disposes of all. */
  async dispose(): Promise<void> {
    await this.#busy.catch(() => {});
    for (const model of this.#models.values()) model.dispose();
    this.#models.clear();
  }
}

/** Chains as they are, or sources in units. */
type Read =
  | { readonly plain: true; readonly sources: readonly ChainSource[] }
  | { readonly plain: false; readonly sources: readonly SourceInUnits[] };

function parametersOf(parameters: ReadonlyMap<string, { readonly shape: readonly number[] }>): number {
  let sum = 0;
  for (const { shape } of parameters.values()) sum += sizeOf(shape);
  return sum;
}
