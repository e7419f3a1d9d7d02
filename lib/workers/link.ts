import type { EventEmitter } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { Queue, Job as QueuedJob, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { TensimError } from '../errors.js';
import type { Address } from './address.js';
import { PREFIX } from './names.js';

/** How long the first connection may take. */
const CONNECT_MS = 10_000;

/** A connection to Redis, and queues on it. */
export interface Link {
  readonly redis: Redis;
  /** The address without the password. */
  readonly shown: string;
  queue(name: string): Queue;
  /** What takes jobs from a queue when asked, and gives back those whose worker is gone. */
  taker(name: string, stalledInterval: number): Promise<Worker>;
  /** A job by its name; undefined if it is in no state. */
  find(queue: Queue, id: string): Promise<QueuedJob | undefined>;
  /** Ends all connections. */
  close(): Promise<void>;
}

export interface LinkOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told once when the connection is lost, and once when it is there again. */
  readonly onLost?: (message: string) => void;
  readonly onBack?: () => void;
}

/**
 * Connects to a queue. A connection that is lost later is made again, for as long as it takes: commands wait meanwhile.
 * @throws TensimError (rejects) `QUEUE_UNAVAILABLE` where the packages for it are not installed, or the server cannot be
 * reached or does not let us in; the signal's reason.
 */
export async function link(address: Address, { signal, onLost, onBack }: LinkOptions = {}): Promise<Link> {
  signal?.throwIfAborted();
  const { bullmq, ioredis } = await packages();
  const state = { ready: false, lost: false, last: '' };
  const options = {
    ...(await optionsOf(address)),
    lazyConnect: true,
    connectTimeout: CONNECT_MS,
    maxRetriesPerRequest: null,
    retryStrategy: (times: number) => (state.ready ? Math.min(50 * 2 ** Math.min(times, 6), 2000) : null),
  };
  const redis = new ioredis.Redis(options);
  redis.on('error', (error: Error) => {
    state.last = wordsOf(error, address);
    if (!state.ready || state.lost) return;
    state.lost = true;
    onLost?.(state.last);
  });
  redis.on('ready', () => {
    if (state.lost) onBack?.();
    state.lost = false;
  });
  const stop = () => redis.disconnect();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    await redis.connect();
    await redis.ping();
    state.ready = true;
  } catch (error) {
    redis.disconnect();
    signal?.throwIfAborted();
    throw unreachable(address, state.last || wordsOf(error, address));
  } finally {
    signal?.removeEventListener('abort', stop);
  }
  const open: (Queue | Worker)[] = [];
  const kept = <Opened extends Queue | Worker>(one: Opened): Opened => {
    // Errors of connections are those of `redis` too, and those of commands are told to whoever gave them.
    (one as EventEmitter).on('error', () => {});
    open.push(one);
    return one;
  };
  const common = { connection: redis, prefix: PREFIX } as const;
  return {
    redis,
    shown: address.shown,
    queue: (name) => kept(new bullmq.Queue(name, common)),
    async taker(name, stalledInterval) {
      // How often a job may be given to another worker is decided by who has made it.
      const limits = { stalledInterval, maxStalledCount: Number.MAX_SAFE_INTEGER };
      const taker = kept(new bullmq.Worker(name, null, { ...common, ...limits, autorun: false }));
      await taker.waitUntilReady();
      await taker.startStalledCheckTimer();
      return taker;
    },
    find: (queue, id) => bullmq.Job.fromId(queue, id),
    async close() {
      const connected = redis.status === 'ready';
      // Where the server is gone, nothing that is waited for would come.
      if (connected) await Promise.allSettled(open.map((one) => one.close()));
      else for (const one of open) one.close().catch(() => {});
      redis.disconnect();
    },
  };
}

async function packages() {
  try {
    const [bullmq, ioredis] = await Promise.all([
      loaded('bullmq') as Promise<typeof import('bullmq')>,
      loaded('ioredis') as Promise<typeof import('ioredis')>,
    ]);
    return { bullmq, ioredis };
  } catch (error) {
    throw new TensimError('QUEUE_UNAVAILABLE', 'workers need the packages bullmq and ioredis, which are not there', {
      reason: (error as Error).message.split('\n')[0],
      hint: 'Install them beside tensim: npm install bullmq ioredis',
    });
  }
}

async function optionsOf({ host, port, db, username, password, tls }: Address) {
  const files: Record<string, Buffer> = {};
  for (const [name, path] of Object.entries(tls ?? {})) {
    if (path === undefined) continue;
    files[name] = await readFile(path).catch((cause: Error) => {
      throw new TensimError('FILE_NOT_FOUND', `the file for TLS cannot be read: ${cause.message}`, { file: path });
    });
  }
  return { host, port, db, ...(username && { username }), ...(password && { password }), ...(tls && { tls: files }) };
}

/** What an error says. Only its words are passed on: errors of the client carry the commands, with the password. */
function wordsOf(error: unknown, { password }: Address): string {
  const inner = error instanceof AggregateError ? error.errors[0] : error;
  const text = (inner instanceof Error && (inner.message || inner.name)) || String(inner);
  return password ? text.replaceAll(password, '•••') : text;
}

function unreachable({ shown, password }: Address, reason: string): TensimError {
  const asks = /NOAUTH|WRONGPASS|invalid (username|password)|AUTH/i.test(reason);
  const isTls = /certificate|self-signed|TLS|SSL/i.test(reason);
  return new TensimError('QUEUE_UNAVAILABLE', `the queue ${shown} cannot be used`, {
    reason,
    hint: asks
      ? `${password ? 'The password is not the right one: set' : 'Set'} the environment variable TENSIM_QUEUE_PASSWORD, and TENSIM_QUEUE_USERNAME where there are users`
      : isTls
        ? 'Give the authority of its certificate in TENSIM_QUEUE_CA, the path of a file in PEM'
        : 'Start a Redis server there, or give another address',
  });
}

/** By a name that bundlers do not follow: they would fail where the packages are not installed, and nobody needs them. */
const loaded = (name: string): Promise<unknown> => import(/* webpackIgnore: true */ /* @vite-ignore */ name);
