import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import type { Job as QueuedJob, Worker } from 'bullmq';
import { TensimError } from '../errors.js';
import { selectBackend } from '../machines/select.js';
import { jobPairs } from '../similarity/gram/schedule.js';
import { addressOf } from './address.js';
import { type ReadTile, readTile } from './jobs.js';
import { Lease } from './lease.js';
import { type Link, link } from './link.js';
import { HEARTBEAT_MS, KEYS, MIXED, MOST_DEATHS, numericsOf, queueOf, RESULT_LIFE } from './names.js';
import { type Computed, encodeError, encodeFile, encodeTile, MOST_IN_REDIS, putFile } from './records.js';
import { announce, retire } from './registry.js';
import type { Site } from './site.js';
import { GONE, Sites } from './sites.js';
import type { WorkerOptions, WorkerSummary, WorkerTile, WorkerTileEvent } from './terms.js';
import { unless } from './unless.js';
import { settleWorker, type WorkerSettings } from './worker_options.js';

/** How often gone workers are looked for. */
const STALLED_MS = 5000;
/** How long it waits for a tile before it looks again; the longer, the longer there was none. */
const IDLE_MS = { least: 20, most: 500 };
/** How long a tile that it cannot compute waits before it may be given to it again, and how long it takes no other. */
const REFUSED_MS = 2000;
/** How long a server has to answer when the worker stops. */
const FAREWELL_MS = 2000;

/** What is wrong with the models or the numbers themselves: it would be so on every worker. */
const EVERYWHERE = new Set([
  'NOT_FINITE',
  'ZERO_NORM',
  'PRECISION',
  'UNSUPPORTED_LAYER',
  'UNSUPPORTED_DTYPE',
  'SHAPE_MISMATCH',
]);

/**
 * Computes tiles that others wait for (`matrixByWorkers`, `tensim matrix --queue`), until the signal is aborted: takes
 * them from a queue in Redis, finds the models by their paths or on the Hugging Face Hub, makes sure that they are the
 * ones that are meant, and sends back the inner products. It takes only tiles whose numbers it can compute to the bit:
 * of this version, for its backend and its set of instructions; or of runs that allow any.
 *
 *     const stop = new AbortController();
 *     process.once('SIGTERM', () => stop.abort());
 *     await runWorker({ queue: 'redis://10.0.0.5:6379/0', signal: stop.signal });
 *
 * Whoever may write to the queue has the worker read any file that the worker may read, as weights.
 *
 * @throws TensimError (rejects) `INVALID_ARGUMENT`; `QUEUE_UNAVAILABLE` where the queue cannot be reached at the start,
 * or its client (the packages bullmq and ioredis) is not installed; `BACKEND_UNAVAILABLE`.
 */
export async function runWorker(options: WorkerOptions): Promise<WorkerSummary> {
  const settings = settleWorker(options);
  const { signal, onEvent } = settings;
  if (signal.aborted) return { done: 0, returned: 0 };
  const { name: backend, grams } = await selectBackend(settings.backend, { grams: {} }, signal);
  const numerics = numericsOf(backend, grams.arithmetic);
  const connection = await link(addressOf(settings.queue), {
    signal,
    onLost: (message) => onEvent({ kind: 'lost', message }),
    onBack: () => onEvent({ kind: 'back', message: '' }),
  });
  const worker = new TileWorker(connection, { ...settings, backend }, numerics);
  try {
    return await worker.serve();
  } finally {
    await worker.close();
  }
}

/** A tile that was taken from the queue. */
interface Taken {
  readonly job: QueuedJob;
  readonly token: string;
}

class TileWorker {
  readonly #link: Link;
  readonly #settings: WorkerSettings;
  readonly #numerics: string;
  readonly #name = `${hostname()}:${process.pid}:${randomBytes(3).toString('hex')}`;
  readonly #queues: readonly string[];
  #takers: readonly Worker[] = [];
  readonly #sites: Sites;
  #current: {
    readonly run: string;
    readonly site: Site;
    readonly tile: Omit<WorkerTile, 'seconds'>;
    since: number;
  } | null = null;
  #beat: NodeJS.Timeout | undefined;
  #tokens = 0;
  #done = 0;
  #returned = 0;

  constructor(connection: Link, settings: WorkerSettings, numerics: string) {
    this.#link = connection;
    this.#settings = settings;
    this.#numerics = numerics;
    this.#sites = new Sites(connection.redis, settings);
    this.#queues = [queueOf(numerics), MIXED];
  }

  async serve(): Promise<WorkerSummary> {
    const { signal, grace, onEvent } = this.#settings;
    this.#takers = await Promise.all(this.#queues.map((queue) => this.#link.taker(queue, STALLED_MS)));
    await this.#announce();
    this.#beat = setInterval(() => void this.#announce().catch(() => {}), HEARTBEAT_MS);
    onEvent({ kind: 'ready', name: this.#name, queue: this.#link.shown, numerics: this.#numerics });
    let limit: NodeJS.Timeout | undefined;
    const stop = () => {
      limit = setTimeout(() => void this.#current?.site.end(STOPPED), 1000 * grace);
    };
    signal.addEventListener('abort', stop, { once: true });
    const wait = this.#patience();
    let idle = IDLE_MS.least;
    try {
      while (!signal.aborted) {
        const taking = this.#take();
        const taken = await unless(signal, taking);
        if (signal.aborted) await this.#giveBack(taken ?? taking);
        else if (taken !== undefined) {
          wait.end();
          await this.#handle(taken);
          wait.begin();
          idle = IDLE_MS.least;
        } else {
          await unless(signal, pause(idle));
          if (idle === IDLE_MS.most) await unless(signal, this.#sites.leaveGone());
          idle = Math.min(IDLE_MS.most, 1.5 * idle);
        }
      }
    } finally {
      wait.end();
      signal.removeEventListener('abort', stop);
      clearTimeout(limit);
    }
    return { done: this.#done, returned: this.#returned };
  }

  /** Stops the worker where it waits for a tile too long. */
  #patience(): { begin(): void; end(): void } {
    const { maxIdle, stop } = this.#settings;
    let timer: NodeJS.Timeout | undefined;
    const begin = () => {
      if (1000 * maxIdle < 2 ** 31) timer = setTimeout(stop, 1000 * maxIdle);
    };
    begin();
    return { begin, end: () => clearTimeout(timer) };
  }

  async #take(): Promise<Taken | undefined> {
    for (const taker of this.#takers) {
      const token = `${this.#name}:${this.#tokens++}`;
      const job = await taker.getNextJob(token, { block: false });
      if (job !== undefined) return { job, token };
    }
    return undefined;
  }

  /** Gives back what came as the worker was being stopped. */
  async #giveBack(taking: Taken | Promise<Taken | undefined>): Promise<void> {
    const taken = await Promise.race([taking, pause(FAREWELL_MS, undefined)]).catch(() => undefined);
    await taken?.job.moveToWait(taken.token).catch(() => {});
  }

  async #handle({ job, token }: Taken): Promise<void> {
    const { redis } = this.#link;
    const tile = tileIn(job);
    const lease = new Lease(redis, tile?.run ?? '', tile?.seconds ?? 0, job, token, () => {
      void this.#sites.end(tile?.run ?? '');
    });
    try {
      if (tile === null) return await lease.fail('this is no tile');
      // Whoever waits for it says that it has failed; a worker would die over it again.
      if (job.stalledCounter >= MOST_DEATHS) return await lease.giveBack(STALLED_MS);
      await this.#compute(tile, lease);
    } catch (error) {
      // The server is gone for good, or was told to close: the tile goes to another worker when the lease has run out.
      if (!this.#settings.signal.aborted) throw error;
    } finally {
      lease.release();
      this.#current = null;
    }
  }

  async #compute(tile: ReadTile, lease: Lease): Promise<void> {
    const { run, tile: number, job } = tile;
    const begun = performance.now();
    const pairs = jobPairs(job);
    const tell = (kind: WorkerTileEvent['kind'], more: Pick<WorkerTileEvent, 'seconds' | 'message'> = {}) =>
      this.#settings.onEvent({ kind, run, tile: number, pairs, ...more });
    try {
      const site = await this.#sites.of(run);
      if (site === undefined) {
        await lease.complete();
        return tell('dropped');
      }
      this.#current = { run, site, tile: { number, ...endsOf(site, job) }, since: begun };
      tell('begun');
      await this.#announce();
      const before = site.prepared;
      const products = await site.compute(job);
      const seconds = (performance.now() - begun) / 1000;
      const by = { worker: this.#name, numerics: this.#numerics, seconds, prepared: site.prepared - before };
      await this.#send(run, number, await this.#recordOf(run, number, by, encodeTile(by, products)));
      await lease.complete();
      this.#done++;
      tell('done', { seconds });
    } catch (error) {
      await this.#unable(tile, error, lease, tell);
    }
  }

  /** A tile that was not computed: dropped, given back or failed for good. */
  async #unable(
    { run, tile }: ReadTile,
    error: unknown,
    lease: Lease,
    tell: (kind: WorkerTileEvent['kind'], more?: Pick<WorkerTileEvent, 'message'>) => void,
  ): Promise<void> {
    const { redis } = this.#link;
    if (error === GONE) {
      await lease.complete();
      await this.#sites.leave(run);
      return tell('dropped');
    }
    this.#returned++;
    if (error === STOPPED) {
      await lease.giveBack();
      return tell('returned', { message: 'the worker was stopped' });
    }
    const message = error instanceof Error ? error.message : String(error);
    const text = { code: error instanceof TensimError ? error.code : 'WORKER_FAILED', message };
    if (EVERYWHERE.has(text.code)) {
      await this.#send(run, tile, encodeError(text));
      await lease.fail(message);
      return tell('failed', { message });
    }
    // What is wrong here only need not be so on another worker: whoever waits decides when all have refused.
    const key = KEYS.refusals(run, tile);
    await redis.multi().hset(key, this.#name, JSON.stringify(text)).expire(key, RESULT_LIFE).exec();
    await lease.giveBack(REFUSED_MS);
    tell('returned', { message });
    await unless(this.#settings.signal, pause(REFUSED_MS));
  }

  async #recordOf(run: string, tile: number, by: Computed, record: Buffer): Promise<Buffer> {
    if (record.length <= MOST_IN_REDIS) return record;
    const { results } = this.#settings;
    if (results !== undefined) return encodeFile(by, await putFile(results, run, tile, record));
    throw new TensimError('INVALID_ARGUMENT', `the result takes ${record.length} bytes, more than go through Redis`, {
      hint: 'Start the worker with --results DIR, a folder that it shares with whoever asks',
    });
  }

  async #send(run: string, tile: number, record: Buffer): Promise<void> {
    await this.#link.redis.set(KEYS.result(run, tile), record, 'EX', RESULT_LIFE);
  }

  async #announce(): Promise<void> {
    const current = this.#current;
    const tile = current && { ...current.tile, seconds: (performance.now() - current.since) / 1000 };
    const own = { name: this.#name, numerics: this.#numerics, done: this.#done };
    await announce(this.#link.redis, this.#queues, { ...own, run: current?.run ?? null, tile });
  }

  async close(): Promise<void> {
    clearInterval(this.#beat);
    await Promise.race([retire(this.#link.redis, this.#queues, this.#name).catch(() => {}), pause(FAREWELL_MS)]);
    await this.#link.close();
    await this.#sites.close();
  }
}

/** The worker was stopped, and the time to finish is over. */
const STOPPED = new Error('the worker was stopped');

function tileIn({ data }: QueuedJob): ReadTile | null {
  try {
    return readTile(data);
  } catch {
    return null;
  }
}

function endsOf(site: Site, { rows, columns }: ReadTile['job']): Pick<WorkerTile, 'rows' | 'columns'> {
  const ends = (numbers: readonly number[]) =>
    site.labels([numbers[0], numbers[numbers.length - 1]]) as [string, string];
  return { rows: ends(rows), columns: ends(columns) };
}
