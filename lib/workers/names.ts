import { version } from '../version.js';

/** Before every key of the queue itself. */
export const PREFIX = 'tensim';

/** A tile that so many workers have died over is not given to another. */
export const MOST_DEATHS = 3;

/** How long a run is taken to be alive after it has last said so; in seconds. */
export const RUN_LIFE = 60;
/** The same of a worker. */
export const WORKER_LIFE = 20;
/** How long a result waits to be fetched. */
export const RESULT_LIFE = 600;
/** How often everybody says that they are alive, in milliseconds. */
export const HEARTBEAT_MS = 2000;

/** Milliseconds until a tile of a worker that says nothing any more is given to another, beside how long it may take. */
const LEAST_LOCK = 10_000;
const MOST_LOCK = 60_000;

/** For how long a worker has a tile without saying that it still computes, by the time that is expected of the tile. */
export function lockOf(seconds: number): number {
  return Math.round(Math.min(MOST_LOCK, Math.max(LEAST_LOCK, 1000 * seconds)));
}

/** What the bits of products depend on beside the job: the backend and the instructions that it takes. */
export const numericsOf = (backend: string, arithmetic: string | undefined): string =>
  arithmetic === undefined ? backend : `${backend} ${arithmetic}`;

/** Tiles for one kind of numerics wait apart from those for another, and those of other versions likewise. */
export const queueOf = (numerics: string): string => `${version}-${numerics.replaceAll(/[^\w.+-]/g, '-')}`;

/** Where tiles wait that any worker of this version may take. */
export const MIXED = queueOf('mixed');

/** Keys beside those of the queue. */
export const KEYS = {
  /** The manifest of a run; that it is there says that somebody waits for its tiles. */
  run: (run: string) => `${PREFIX}-run:${run}`,
  result: (run: string, tile: number) => `${PREFIX}-run:${run}:tile:${tile}`,
  /** Of a tile, the workers that cannot compute it, and why. */
  refusals: (run: string, tile: number) => `${PREFIX}-run:${run}:refused:${tile}`,
  /** The names of the queues that workers have listened to. */
  queues: `${PREFIX}-queues`,
  /** The names of the workers of a queue. */
  workers: (queue: string) => `${PREFIX}-workers:${queue}`,
  worker: (name: string) => `${PREFIX}-worker:${name}`,
} as const;
