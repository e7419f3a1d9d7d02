import { randomBytes } from 'node:crypto';
import type { Queue } from 'bullmq';
import type { GramTile } from '../backend/grams.js';
import { TensimError, type TensimErrorCode } from '../errors.js';
import type { JobControl, TileExecutor } from '../similarity/gram/executor.js';
import type { Extents, Job } from '../similarity/gram/schedule.js';
import type { Member } from '../similarity/members/members.js';
import type { ScaledTile } from '../similarity/scale/model_scale.js';
import { warn } from '../words/warning.js';
import type { Address } from './address.js';
import { type RunText, writeTile } from './jobs.js';
import { type Link, link } from './link.js';
import { HEARTBEAT_MS, KEYS, MOST_DEATHS, RUN_LIFE } from './names.js';
import { type Computed, decodeRecord, type ErrorText, takeFile } from './records.js';
import { type Announcement, allWorkers, workersOf } from './registry.js';
import { secondsOf, type TileSizes, tilesFor } from './sizes.js';
import type { WorkerState } from './terms.js';

/** How often results are looked for. */
const LOOK_MS = 40;
/** How long nobody may be there before that is said. */
const ALONE_MS = 5000;
/** How often it looks for tiles whose worker is gone, for none may be left to do so. */
const STALLED_MS = 5000;
/** Tiles that wait for a worker each, so that none has to wait for the next; and how many there are at most. */
const AT_ONCE = { each: 2, beside: 2, least: 4, most: 256 };

/** What the producer needs to know. */
export interface Production {
  readonly address: Address;
  /** Where the tiles wait. */
  readonly queue: string;
  /** What workers must have to take them, for people. */
  readonly wanted: string;
  readonly members: readonly Member[];
  readonly run: () => Promise<RunText>;
  /** Slices of every product, outputs and degrees. */
  readonly slices: number;
  readonly sizes: () => Promise<TileSizes>;
  readonly results: string | undefined;
  readonly signal: AbortSignal | undefined;
  readonly onWorkers: ((workers: readonly WorkerState[]) => void) | undefined;
  /** Told of every tile that has come. */
  readonly onComputed: (by: Computed) => void;
}

interface Waiting {
  readonly job: Job;
  readonly resolve: (tile: GramTile | ScaledTile) => void;
  readonly reject: (error: unknown) => void;
  /** Since when it is known to be in no state. */
  absent: boolean;
}

/**
 * Has jobs computed by workers: puts them into a queue and looks for their results, again and again. What is in the
 * queue is only ever a wish: a tile that neither waits nor is at work nor has a result, as after a server that has
 * forgotten the last second, is put there again.
 */
export class QueueExecutor implements TileExecutor {
  prepared = 0;
  readonly #production: Production;
  readonly #run = randomBytes(8).toString('hex');
  readonly #waiting = new Map<number, Waiting>();
  /** Tiles of which something may be in the server. */
  readonly #begun = new Set<number>();
  #link: Link | undefined;
  #queue: Queue | undefined;
  #timers: NodeJS.Timeout[] = [];
  #text = '';
  #workers = 1;
  #next = 0;
  #seconds = 0;
  #aloneSince: number | undefined;
  #toldAlone = false;
  #closed = false;

  constructor(production: Production) {
    this.#production = production;
  }

  get atOnce(): number {
    return Math.min(AT_ONCE.most, Math.max(AT_ONCE.least, AT_ONCE.each * this.#workers + AT_ONCE.beside));
  }

  async open(_: readonly number[], { block }: Extents, onPrepared: (done: number) => void): Promise<Extents> {
    const { address, queue, run, signal } = this.#production;
    const sizes = await this.#production.sizes();
    this.#text = JSON.stringify(await run());
    const connection = await link(address, {
      signal,
      onLost: (reason) => warn(`the queue ${address.shown} is gone (${reason}); this goes on when it is there again`),
      onBack: () => warn(`the queue ${address.shown} is there again`),
    });
    this.#link = connection;
    const workers = await workersOf(connection.redis, queue);
    this.#workers = Math.max(1, workers.length);
    const tile = tilesFor(sizes, this.#workers);
    this.#seconds = secondsOf(sizes, tile);
    await this.#sayAlive();
    this.#queue = connection.queue(queue);
    await connection.taker(queue, STALLED_MS);
    this.#every(LOOK_MS, () => this.#look());
    this.#every(HEARTBEAT_MS, () => this.#beat());
    onPrepared(0);
    return { tile, block };
  }

  async run(job: Job, { signal }: JobControl): Promise<GramTile | ScaledTile> {
    signal?.throwIfAborted();
    const number = this.#next++;
    let stop = () => {};
    const result = new Promise<GramTile | ScaledTile>((resolve, reject) => {
      this.#waiting.set(number, { job, resolve, reject, absent: false });
      stop = () => reject(signal!.reason);
      signal?.addEventListener('abort', stop, { once: true });
    });
    result.catch(() => {}); // told to who waits for this tile, once it is in the queue
    try {
      // While the server is away this takes its time, and an abort must not.
      await Promise.race([this.#add(number, job), result]);
      return await result;
    } finally {
      signal?.removeEventListener('abort', stop);
      this.#waiting.delete(number);
    }
  }

  /** Nobody waits for its tiles any more, and whatever of it is in the server goes. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    const connection = this.#link;
    if (connection === undefined) return;
    const { redis } = connection;
    if (redis.status === 'ready') {
      const left = [...this.#begun];
      // Tiles at work are let go of by their workers, which look for the run.
      for (const number of left) await this.#queue?.remove(this.#idOf(number)).catch(() => {});
      const keys = left.flatMap((number) => [KEYS.result(this.#run, number), KEYS.refusals(this.#run, number)]);
      await redis.del(KEYS.run(this.#run), ...keys).catch(() => {});
    }
    await connection.close();
    for (const { reject } of this.#waiting.values()) reject(new Error('the queue was closed'));
  }

  readonly #idOf = (number: number) => `${this.#run}-${number}`;

  async #add(number: number, job: Job): Promise<void> {
    this.#begun.add(number);
    const data = writeTile(this.#run, number, job, this.#seconds);
    await this.#queue!.add('tile', data, { jobId: this.#idOf(number), removeOnComplete: true, removeOnFail: true });
  }

  /** Does something again and again, the next time only when it is done. What fails for the moment is tried again. */
  #every(time: number, work: () => Promise<void>): void {
    const at = this.#timers.length;
    const turn = async () => {
      await work().catch(() => {});
      if (!this.#closed) this.#timers[at] = setTimeout(turn, time);
    };
    this.#timers.push(setTimeout(turn, time));
  }

  async #look(): Promise<void> {
    const { redis } = this.#link!;
    const numbers = [...this.#waiting.keys()];
    if (numbers.length === 0) return;
    const there = redis.pipeline();
    for (const number of numbers) there.exists(KEYS.result(this.#run, number));
    const found = (await there.exec()) ?? [];
    for (const [i, number] of numbers.entries()) if (found[i]?.[1] === 1) await this.#fetch(number);
  }

  async #fetch(number: number): Promise<void> {
    const { redis } = this.#link!;
    const key = KEYS.result(this.#run, number);
    const record = await redis.getBuffer(key);
    const waiting = this.#waiting.get(number);
    if (record === null || waiting === undefined) return;
    try {
      waiting.resolve(await this.#tileOf(number, waiting.job, record));
    } catch (error) {
      waiting.reject(error);
    }
    this.#waiting.delete(number);
    await redis.del(key, KEYS.refusals(this.#run, number));
    this.#begun.delete(number);
  }

  async #tileOf(number: number, job: Job, record: Buffer): Promise<GramTile | ScaledTile> {
    const { slices, results, onComputed } = this.#production;
    let decoded = decodeRecord(record, job, slices);
    if (decoded.kind === 'error') throw errorOf(decoded.error);
    if (decoded.kind === 'file') {
      if (results === undefined)
        throw new TensimError('INVALID_ARGUMENT', 'a worker has put a result into its folder for results', {
          hint: 'Give the same folder here with --results DIR',
        });
      decoded = decodeRecord(await takeFile(results, this.#run, number, decoded.sha256), job, slices);
    }
    if (decoded.kind !== 'tile') throw new TensimError('INVALID_FILE', 'the result of a worker is none');
    this.prepared += decoded.by.prepared;
    onComputed(decoded.by);
    return decoded.tile;
  }

  async #sayAlive(): Promise<void> {
    const { redis } = this.#link!;
    const key = KEYS.run(this.#run);
    if ((await redis.expire(key, RUN_LIFE)) === 0) await redis.set(key, this.#text, 'EX', RUN_LIFE);
  }

  async #beat(): Promise<void> {
    await this.#sayAlive();
    const { queue, onWorkers } = this.#production;
    const workers = await workersOf(this.#link!.redis, queue);
    this.#workers = Math.max(1, workers.length);
    await this.#sayAlone(workers);
    onWorkers?.(workers.map(({ run, ...worker }) => ({ ...worker, tile: run === this.#run ? worker.tile : null })));
    for (const [number, waiting] of [...this.#waiting]) await this.#follow(number, waiting, workers);
  }

  /** Says once that nobody is there who could take the tiles. */
  async #sayAlone({ length }: readonly Announcement[]): Promise<void> {
    this.#aloneSince = length > 0 ? undefined : (this.#aloneSince ?? performance.now());
    if (this.#toldAlone || this.#aloneSince === undefined || performance.now() - this.#aloneSince < ALONE_MS) return;
    this.#toldAlone = true;
    const { address, wanted } = this.#production;
    const others = new Set((await allWorkers(this.#link!.redis)).map(({ numerics }) => numerics));
    const who = others.size === 0 ? 'none at all' : `those that are there compute with ${[...others].join(', ')}`;
    warn(`no worker for ${wanted} is there (${who}): start some with tensim worker --queue ${address.shown}`);
  }

  /** Makes sure that a tile is on its way. */
  async #follow(number: number, waiting: Waiting, workers: readonly Announcement[]): Promise<void> {
    const { redis, find } = this.#link!;
    const job = await find(this.#queue!, this.#idOf(number));
    // A worker sends the result before it lets go of the job, so the result is asked for after it.
    if (job === undefined && (await redis.exists(KEYS.result(this.#run, number))) === 0) {
      if (waiting.absent && this.#waiting.has(number)) await this.#add(number, waiting.job);
      waiting.absent = !waiting.absent;
      return;
    }
    waiting.absent = false;
    if (job !== undefined && job.stalledCounter >= MOST_DEATHS) {
      await job.remove().catch(() => {});
      waiting.reject(this.#deadly(waiting.job));
      return;
    }
    const refusals = await redis.hgetall(KEYS.refusals(this.#run, number));
    const names = Object.keys(refusals);
    if (names.length === 0 || !workers.every(({ name }) => names.includes(name))) return;
    const reason: ErrorText = JSON.parse(refusals[names[0]]);
    const all = names.length === 1 ? `the only worker` : `all ${names.length} workers`;
    waiting.reject(
      new TensimError('WORKER_FAILED', `${all} cannot compute ${this.#nameOf(waiting.job)}`, {
        reason: `${names[0]} says: ${reason.message}`,
        hint: 'Workers must find the same files under the same paths',
      }),
    );
  }

  #deadly(job: Job): TensimError {
    return new TensimError('WORKER_FAILED', `${MOST_DEATHS} workers have died over ${this.#nameOf(job)}`, {
      hint: 'Run a worker by hand to see what ends it; it may be short of memory (--memory-limit)',
    });
  }

  /** The models of a tile as messages name them. */
  #nameOf({ rows, columns }: Job): string {
    const { members } = this.#production;
    const label = (number: number | undefined) => `"${members[number!].outline.label}"`;
    const side = (numbers: readonly number[]) =>
      numbers.length === 1 ? label(numbers[0]) : `${label(numbers[0])} … ${label(numbers.at(-1))}`;
    const both = rows.length + columns.length === 2 ? 'the product of' : 'the products of';
    return `${both} ${side(rows)} with ${side(columns)}`;
  }
}

/** The message of an error names all that it has, so nothing is added to it. */
const errorOf = ({ code, message }: ErrorText): TensimError => new TensimError(code as TensimErrorCode, message);
