import type { BackendName } from '../backend/backend.js';
import type { MatrixOptions } from '../similarity/terms/types.js';

/** Where tiles wait for workers, and how that is reached. */
export interface QueueOptions {
  /** `redis://HOST:PORT/DB`, or `rediss://HOST:PORT/DB` through TLS. */
  readonly url: string;
  /** Default: the environment variable TENSIM_QUEUE_USERNAME, if it is set. */
  readonly username?: string | undefined;
  /** Default: the environment variable TENSIM_QUEUE_PASSWORD, if it is set. It is never printed. */
  readonly password?: string | undefined;
  /**
   * Files in PEM for TLS: the authority that has signed the certificate of the server, where that is none of those that
   * Node knows, and a certificate with its key, where the server asks for one. Default: TENSIM_QUEUE_CA,
   * TENSIM_QUEUE_CERT and TENSIM_QUEUE_KEY.
   */
  readonly tls?: QueueCertificates | undefined;
}

/** Paths of files in PEM. */
export interface QueueCertificates {
  /** The authority that has signed the certificate of the server. */
  readonly ca?: string | undefined;
  /** The certificate of the client. */
  readonly cert?: string | undefined;
  /** The key of this certificate. */
  readonly key?: string | undefined;
}

/** Options of `matrixByWorkers`: those of `similarityMatrix`, and where the workers are. */
export interface WorkersOptions extends MatrixOptions {
  /** The address of the queue, or all that is said of it. */
  readonly queue: string | QueueOptions;
  /**
   * Lets workers of any backend and any set of instructions take tiles. Their last bits may differ, so the result is no
   * longer the same to the bit from run to run, and says so (`mixed`). Not together with `state`.
   */
  readonly mixed?: boolean | undefined;
  /** A folder that the workers write tiles into that take more than 4 MB: shared, under any path of their own. */
  readonly results?: string | undefined;
  /**
   * How long a tile is expected to take, in seconds. Default: 20, or less where all would otherwise be too few tiles
   * for the workers that are there.
   */
  readonly tileSeconds?: number | undefined;
  /** Called about every second with the workers that are there and what they do. */
  readonly onWorkers?: ((workers: readonly WorkerState[]) => void) | undefined;
}

/** A worker that is there. */
export interface WorkerState {
  /** Its host, its process and some letters, as `node7:4711:k3f9`. */
  readonly name: string;
  /** Its backend and the instructions that this takes. */
  readonly numerics: string;
  /** Tiles that it has computed since it was started, of any matrix. */
  readonly done: number;
  /** The tile of this matrix that it computes; null where it computes none. */
  readonly tile: WorkerTile | null;
}

/** A tile at work. */
export interface WorkerTile {
  /** Its number within the matrix, from 0. */
  readonly number: number;
  /** The first and the last label of the models on its side. */
  readonly rows: readonly [first: string, last: string];
  /** The same of the other side. */
  readonly columns: readonly [first: string, last: string];
  /** Seconds since it was begun. */
  readonly seconds: number;
}

/** Options of `runWorker`. */
export interface WorkerOptions {
  /** The address of the queue, or all that is said of it. */
  readonly queue: string | QueueOptions;
  /** Who computes; the worker takes tiles for this backend alone, and its set of instructions. Default: `auto`. */
  readonly backend?: 'auto' | BackendName | undefined;
  /** Threads of the backend. Default: all that the process may use. */
  readonly threads?: number | undefined;
  /** What prepared models may take, in bytes or as '8GiB'. Default: half of what is free at the start. */
  readonly memoryLimit?: number | string | undefined;
  /** A folder for tiles that take more than 4 MB: the one that whoever asks for them has. */
  readonly results?: string | undefined;
  /** Stops it: the tile at work is finished within the time of `grace`, or given back. */
  readonly signal?: AbortSignal | undefined;
  /** Seconds that a tile has after the signal to be finished. Default: 20; 0 gives it back at once. */
  readonly grace?: number | undefined;
  /** Seconds without a tile after which it stops by itself. Default: never. */
  readonly maxIdle?: number | undefined;
  /** Told of everything that it does. */
  readonly onEvent?: ((event: WorkerEvent) => void) | undefined;
}

/** What a worker tells. */
export type WorkerEvent = WorkerReadyEvent | WorkerTileEvent | WorkerQueueEvent;

/** It waits for tiles from now on. */
export interface WorkerReadyEvent extends Pick<WorkerState, 'name' | 'numerics'> {
  /** Which event. */
  readonly kind: 'ready';
  /** The address of the queue, without the password. */
  readonly queue: string;
}

/** The connection to the queue was lost, or is there again. */
export interface WorkerQueueEvent {
  /** Which event. */
  readonly kind: 'lost' | 'back';
  /** Why it was lost. */
  readonly message: string;
}

/** What became of a tile, which is of a run (some letters) and has a number in it. */
export interface WorkerTileEvent {
  /** `dropped`: nobody waits for it any more. `returned`: given back to other workers, and why. */
  readonly kind: 'begun' | 'done' | 'failed' | 'returned' | 'dropped';
  /** Which run it is of. */
  readonly run: string;
  /** Its number in the run. */
  readonly tile: number;
  /** Inner products in it. */
  readonly pairs: number;
  /** How long it took, where it is done. */
  readonly seconds?: number;
  /** Why it failed or was given back. */
  readonly message?: string;
}

/** What a worker has done. */
export interface WorkerSummary {
  /** Tiles computed. */
  readonly done: number;
  /** Tiles given back, or failed. */
  readonly returned: number;
}
