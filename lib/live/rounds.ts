import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { TensimError } from '../errors.js';
import { expandInOrder } from '../model/reading/paths.js';
import type { ReadingOptions } from '../model/reading/source.js';
import { matrixUnder } from '../similarity/matrix.js';
import { Visits } from '../similarity/members/visits.js';
import type { MatrixOptions, SimilarityMatrix } from '../similarity/terms/types.js';
import type { LiveFeed } from './feed.js';
import { reasonOf, type Verdict } from './whole.js';

/** What is known of one file after another is kept in a file of its own, in a folder that goes with the watch. */
const PREFIX = 'tensim-watch-';
/** The part of the free memory that models take at a time, for a training runs beside this. */
const PART = 1 / 8;

/** Faults of what was asked for, and of ours: they would come again every time. */
const FATAL: ReadonlySet<TensimError['code']> = new Set([
  'INVALID_ARGUMENT',
  'INVALID_COVARIANCE',
  'BACKEND_UNAVAILABLE',
  'INTERNAL',
]);

/** How a round has ended. */
export type Outcome =
  | { readonly kind: 'done'; readonly matrix: SimilarityMatrix }
  /** A file is not as it was taken for. */
  | { readonly kind: 'refused'; readonly file: string; readonly verdict: Verdict }
  | { readonly kind: 'failed'; readonly error: TensimError };

/** Matrices that follow each other: only pairs that none before had are computed. */
export class Rounds {
  readonly #options: MatrixOptions;
  readonly #reading: ReadingOptions;
  readonly #feed: LiveFeed | undefined;
  readonly #folder: string;
  readonly #visits = new Visits();

  private constructor(options: MatrixOptions, reading: ReadingOptions, feed: LiveFeed | undefined, folder: string) {
    this.#options = options;
    this.#reading = reading;
    this.#feed = feed;
    this.#folder = folder;
  }

  static async begin(options: MatrixOptions, reading: ReadingOptions, feed: LiveFeed | undefined): Promise<Rounds> {
    return new Rounds(options, reading, feed, await mkdtemp(join(tmpdir(), PREFIX)));
  }

  /** The file, or what is read with it, is another. */
  forget(path: string): void {
    this.#visits.forget(path);
  }

  /**
   * Compares these files.
   * @throws TensimError for faults that would come again every time; the signal's reason
   */
  async run(files: readonly string[]): Promise<Outcome> {
    try {
      const { paths, order } = await expandInOrder(files, this.#reading);
      const given = { visits: this.#visits, scratch: join(this.#folder, 'state') };
      const compare = (room: number) =>
        matrixUnder({ following: { ...given, room }, order, onBegin: (begun) => this.#feed?.begin(begun) }, paths, {
          ...this.#options,
          ...(this.#feed && { onTile: () => this.#feed!.cells() }),
        });
      const matrix = await compare(PART * process.availableMemory()).catch((error: unknown) => {
        // Two models that do not fit into a part may fit into the whole.
        if (error instanceof TensimError && error.code === 'MEMORY_LIMIT') return compare(Number.POSITIVE_INFINITY);
        throw error;
      });
      return { kind: 'done', matrix: matrix as SimilarityMatrix };
    } catch (error) {
      this.#reading.signal?.throwIfAborted();
      if (!(error instanceof TensimError)) throw error;
      return this.#failure(error, files);
    }
  }

  async close(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }

  #failure(error: TensimError, files: readonly string[]): Outcome {
    const blamed = error.file === undefined ? undefined : resolve(error.file);
    const file = files.find((path) => resolve(path) === blamed);
    if (file !== undefined) {
      this.#visits.forget(file);
      const isGoing = error.code === 'FILE_CHANGED' || error.code === 'FILE_NOT_FOUND';
      const verdict: Verdict = isGoing ? { state: 'written' } : { state: 'refused', why: reasonOf(error) };
      return { kind: 'refused', file, verdict };
    }
    const isState =
      blamed !== undefined && this.#options.state !== undefined && blamed === resolve(this.#options.state);
    if (FATAL.has(error.code) || isState) throw error;
    return { kind: 'failed', error };
  }
}
