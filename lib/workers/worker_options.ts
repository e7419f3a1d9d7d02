import type { BackendName } from '../backend/backend.js';
import { TensimError } from '../errors.js';
import { parseBytes } from '../words/bytes.js';
import { valueText } from '../words/quoting.js';
import type { WorkerEvent, WorkerOptions } from './terms.js';

/** The options of a worker with every default filled in. */
export interface WorkerSettings extends Pick<WorkerOptions, 'queue'> {
  readonly backend: BackendName;
  readonly threads: number | undefined;
  /** In bytes. */
  readonly memoryLimit: number;
  readonly results: string | undefined;
  /** Aborted by that of the options, or by `stop`. */
  readonly signal: AbortSignal;
  readonly stop: () => void;
  readonly grace: number;
  readonly maxIdle: number;
  readonly onEvent: (event: WorkerEvent) => void;
}

const KNOWN = ['queue', 'backend', 'threads', 'memoryLimit', 'results', 'signal', 'grace', 'maxIdle', 'onEvent'];

/** @throws TensimError `INVALID_ARGUMENT` */
export function settleWorker(options: WorkerOptions): Omit<WorkerSettings, 'backend'> & Pick<WorkerOptions, 'backend'> {
  const unknown = Object.keys(options).find((name) => !KNOWN.includes(name));
  if (unknown !== undefined) throw bad(unknown, 'there is no such option', `The options are ${KNOWN.join(', ')}`);
  const {
    queue,
    backend,
    threads,
    memoryLimit,
    results,
    signal,
    grace = 20,
    maxIdle = Number.POSITIVE_INFINITY,
  } = options;
  if (threads !== undefined && !(Number.isSafeInteger(threads) && threads >= 1))
    throw bad('threads', `it is ${valueText(threads)}`, 'It must be a whole number from 1');
  for (const [name, seconds] of Object.entries({ grace, maxIdle }))
    if (!(typeof seconds === 'number' && seconds >= 0))
      throw bad(name, `it is ${valueText(seconds)}`, 'It must be a number of seconds from 0');
  const own = new AbortController();
  return {
    queue,
    backend,
    threads,
    memoryLimit: bytesOf(memoryLimit),
    results,
    signal: signal === undefined ? own.signal : AbortSignal.any([signal, own.signal]),
    stop: () => own.abort(),
    grace,
    maxIdle,
    onEvent: options.onEvent ?? (() => {}),
  };
}

function bytesOf(limit: WorkerOptions['memoryLimit']): number {
  if (limit === undefined) return process.availableMemory() / 2;
  const bytes = typeof limit === 'string' ? parseBytes(limit) : limit;
  if (bytes !== undefined && bytes > 0) return bytes;
  throw bad(
    'memoryLimit',
    `it is ${valueText(limit)}`,
    'It must be a size such as "8GiB" or a positive number of bytes',
  );
}

function bad(name: string, what: string, hint: string): TensimError {
  return new TensimError('INVALID_ARGUMENT', `the option "${name}" of a worker: ${what}`, { hint });
}
