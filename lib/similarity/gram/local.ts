import type { GramTile, SharedGrams } from '../../backend/grams.js';
import type { Member } from '../members/members.js';
import { inUnits, type ModelScale, type ScaledTile } from '../scale/model_scale.js';
import { checkProduct, type GramSettings, isProduct } from './control.js';
import { slicesIn, withDegrees } from './degrees.js';
import type { JobControl, TileExecutor, Wanted } from './executor.js';
import { checkOwn } from './precision.js';
import { Residents } from './residents.js';
import type { Extents, Job } from './schedule.js';
import type { Sources } from './sources.js';

/** What jobs are about. */
export interface Subject {
  /** By number. */
  readonly members: readonly Member[];
  readonly sources: Sources;
  /** Bytes that prepared models may take at a time. */
  readonly memoryLimit: number;
}

/** The part of the memory that the results of a tile may take. */
const RESULTS_PART = 1 / 8;

/**
 * Computes jobs in this process, by its backend. Without a memory limit all models are prepared first, once each; with
 * one, as many as fit, while the next job's models are read and prepared as the current one is computed.
 */
export class LocalExecutor implements TileExecutor {
  readonly #subject: Subject;
  #settings: GramSettings;
  #residents: Residents;
  /** Where several devices share the tiles. */
  #shared: SharedGrams | undefined;
  /** Jobs get their models one after the other. */
  #begun: Promise<unknown> = Promise.resolve();
  /** What is being prepared for jobs to come. */
  #coming: Promise<void> | undefined;
  /** Models of jobs at work, the oldest first. */
  readonly #atWork = new Map<Promise<GramTile>, ReadonlySet<number>>();

  constructor(subject: Subject, settings: GramSettings) {
    this.#subject = subject;
    this.#settings = settings;
    this.#residents = new Residents(subject.members, subject.sources, settings);
  }

  /** With a memory limit, only one job's models are sure to be there: of jobs that are near each other often more. */
  get atOnce(): number {
    if (this.#residents.capacity < Number.POSITIVE_INFINITY) return this.#shared?.taken.length ?? 1;
    return this.#settings.backend.grams.tilesAtOnce ?? 1;
  }

  get prepared(): number {
    return this.#residents.prepared;
  }

  get devices(): number | undefined {
    return this.#shared?.taken.filter((tiles) => tiles > 0).length;
  }

  /** Prepares all models, or finds out how many fit; and cuts tiles and blocks to that. */
  async open(
    models: readonly number[],
    { tile, block, once = false, tiles = 1 }: Wanted,
    onPrepared: (done: number) => void,
  ): Promise<Extents> {
    if (tiles > 1) await this.#share(tiles);
    const { capacity, side } = await this.measure(tile);
    if (capacity < models.length) return extentsFor(capacity, side);
    let done = 0;
    this.#residents.once = once && side === tile;
    await this.#residents.hold(models, [], () => onPrepared(++done));
    return { tile: side, block };
  }

  /**
   * Finds out how many models fit, and how large tiles may be, without preparing more than one. A job of more models
   * than fit must not be run.
   * @param tile the side that is wanted.
   */
  async measure(tile: number): Promise<{ readonly capacity: number; readonly side: number }> {
    const { memoryLimit, sources } = this.#subject;
    const { perOutput, degrees } = this.#settings;
    if (!Number.isFinite(memoryLimit)) return { capacity: Number.POSITIVE_INFINITY, side: tile };
    const cell = 8 * (1 + slicesIn(sources.names, perOutput, degrees));
    const side = Math.min(tile, Math.max(1, Math.floor(Math.sqrt((memoryLimit * RESULTS_PART) / cell))));
    return { capacity: await this.#residents.measure(memoryLimit, cell * side * side), side };
  }

  /** Lets several devices share the tiles, if there are any. */
  async #share(tiles: number): Promise<void> {
    const { backend, signal } = this.#settings;
    const shared = await backend.grams.shared?.(tiles, { signal });
    if (shared === undefined || shared.taken.length < 2) return;
    this.#shared = shared;
    this.#settings = { ...this.#settings, backend: { ...backend, grams: shared } };
    this.#residents = new Residents(this.#subject.members, this.#subject.sources, this.#settings);
  }

  async run(job: Job, control: JobControl): Promise<GramTile | ScaledTile> {
    const begun = this.#begun.then(() => this.#begin(job, control));
    begun.catch(() => {}); // told to who waits for this job, and for those behind it
    this.#begun = begun;
    return this.#checked(job, await (await begun).tile);
  }

  async close(): Promise<void> {
    await this.#residents.dispose();
  }

  /** Gives a job to the backend once its models are prepared. */
  async #begin(job: Job, { signal, onProgress, coming = [] }: JobControl): Promise<{ tile: Promise<GramTile> }> {
    const residents = this.#residents;
    const { backend, measure, perOutput, degrees = false, threads } = this.#settings;
    const models = modelsOf(job);
    const pinned = await this.#besideOthers(models);
    if (!residents.has(models)) await this.#coming;
    if (!residents.has(models)) await residents.hold(models, pinned);
    this.#lookAhead(pinned, coming);
    const rows = residents.get(job.rows);
    const columns = job.columns === job.rows ? rows : residents.get(job.columns);
    const control = { signal, threads, onProgress };
    const tile = backend.grams.tile({ measure, symmetric: job.symmetric, perOutput, degrees }, rows, columns, control);
    this.#atWork.set(tile, models);
    const end = () => this.#atWork.delete(tile);
    tile.then(end, end); // what goes wrong is told when it is waited for
    return { tile };
  }

  /** The models of a job and of those at work, once they fit together. */
  async #besideOthers(models: ReadonlySet<number>): Promise<ReadonlySet<number>> {
    if (this.#residents.capacity === Number.POSITIVE_INFINITY) return models;
    for (;;) {
      const together = new Set(models);
      for (const others of this.#atWork.values()) for (const other of others) together.add(other);
      const [oldest] = this.#atWork.keys();
      if (oldest === undefined || together.size <= this.#residents.capacity) return together;
      await oldest.catch(() => {});
    }
  }

  /**
   * While a job is at work, the models of the next that lacks any are prepared, if there is room for them beside those
   * of all jobs before it.
   */
  #lookAhead(current: ReadonlySet<number>, jobs: readonly Job[]): void {
    // Without a limit all have been prepared before the first job.
    if (this.#coming !== undefined || this.#residents.capacity === Number.POSITIVE_INFINITY) return;
    const pinned = new Set(current);
    for (const job of jobs) {
      const models = modelsOf(job);
      for (const model of models) pinned.add(model);
      if (pinned.size > this.#residents.capacity) return;
      if (this.#residents.has(models)) continue;
      const coming = this.#residents.hold(models, pinned).finally(() => {
        if (this.#coming === coming) this.#coming = undefined;
      });
      // What goes wrong is told when it is waited for; an error that nobody waits for would end the process.
      coming.catch(() => {});
      this.#coming = coming;
      return;
    }
  }

  /** A tile in the units of its models, once it has been made sure of. */
  async #checked({ rows, columns, symmetric }: Job, tile: GramTile): Promise<GramTile | ScaledTile> {
    const { members, sources } = this.#subject;
    const label = (number: number) => members[number].outline.label;
    const scales: readonly ModelScale[][] = [rows, columns].map((models) => this.#residents.scalesOf(models));
    const scaled = inUnits(tile, scales[0], scales[1]) ?? tile;
    const finite = allFinite(scaled.total);
    for (const [r, i] of rows.entries()) {
      // In nearly every tile all that is left to be looked at is what a model is with itself; and of a symmetric job the
      // other half is the same numbers.
      const own = finite ? columns.indexOf(i) : symmetric ? r : 0;
      const end = finite ? own + 1 : columns.length;
      for (let c = Math.max(0, own); c < end; c++) {
        const cell = r * columns.length + c;
        if (i === columns[c]) await checkOwn(scaled, cell, scales[0][r], members[i], sources, this.#settings);
        else if (!isProduct(scaled.total[cell], false))
          checkProduct(scaled.total[cell], label(i), label(columns[c]), false);
      }
    }
    return withDegrees(scaled);
  }
}

/** A block of rows that stays, and two tiles of columns: the one at work and the next. */
export function extentsFor(capacity: number, tile: number): Extents {
  const side = Math.max(1, Math.min(tile, Math.floor(capacity / 8)));
  const block = Math.max(1, Math.floor((capacity - 2 * side) / side)) * side;
  return { tile: side, block };
}

/** x − x is 0, or NaN where x is infinite or no number. */
function allFinite(values: Float64Array): boolean {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] - values[i];
  return sum === 0;
}

function modelsOf({ rows, columns }: Job): Set<number> {
  return new Set([...rows, ...columns]);
}
