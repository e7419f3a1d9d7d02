import type { Command } from 'commander';
import { count, plural } from '../words/counts.js';
import { oneLine } from '../words/quoting.js';
import { timeText } from '../words/times.js';
import type { WorkerEvent, WorkerOptions } from '../workers/terms.js';
import { ABOUT } from './about.js';
import { type Io, say } from './io.js';
import { backendOption, parseSize, threadsOption } from './options.js';
import { checkQueue, parseSeconds } from './workers.js';

const NOTES = `
A worker takes tiles for its backend and its set of instructions alone, so that a matrix has the same bits whoever computes it. Files must be
there under the paths that the jobs name, and be the same to the byte. Whoever may write to the queue has it read any file that it may read.

Ctrl-C and SIGTERM stop it: the tile at work is finished within --grace seconds, or given back.

Environment: TENSIM_QUEUE_PASSWORD and TENSIM_QUEUE_USERNAME; for TLS TENSIM_QUEUE_CA, TENSIM_QUEUE_CERT and TENSIM_QUEUE_KEY, files in PEM.

Examples:
  $ tensim worker --queue redis://10.0.0.5:6379/0
  $ tensim worker --queue rediss://queue.example:6380/0 --threads 8 --memory-limit 16GiB --max-idle 600`;

interface WorkerFlags extends Pick<WorkerOptions, 'backend' | 'threads' | 'results' | 'grace' | 'maxIdle'> {
  readonly queue: string;
  readonly memoryLimit?: number;
  readonly verbose?: boolean;
}

/** `tensim worker --queue ADDRESS` */
export function addWorker(program: Command, io: Io): void {
  program
    .command('worker')
    .description(ABOUT.worker.does)
    .requiredOption('--queue <address>', 'where they wait: redis://HOST:PORT/DB, rediss:// for TLS')
    .addOption(backendOption())
    .addOption(threadsOption())
    .option('--memory-limit <size>', 'for prepared models: 512MiB, 2GB (default: half of what is free)', parseSize)
    .option('--results <folder>', 'shared with whoever asks: for tiles of more than 4 MB')
    .option('--grace <seconds>', 'how long the tile at work has when it is stopped (default: 20)', parseSeconds)
    .option('--max-idle <seconds>', 'stop after so long without a tile (default: never)', parseSeconds)
    .option('--verbose', 'say on stderr what becomes of every tile')
    .addHelpText('after', NOTES)
    .action((flags: WorkerFlags) => run(flags, io));
}

async function run({ verbose, ...flags }: WorkerFlags, io: Io): Promise<void> {
  checkQueue(flags.queue);
  const { runWorker } = await import('../workers/worker.js');
  const onEvent = (event: WorkerEvent) => {
    const text = textOf(event, flags.queue, verbose === true);
    if (text !== null) say(io, `${text}\n`);
  };
  const { done, returned } = await runWorker({ ...flags, signal: io.signal, onEvent });
  const given = returned === 0 ? '' : `, ${count(returned)} given back`;
  say(io, `stopped: ${count(done)} ${plural(done, 'tile')} computed${given}\n`);
}

function textOf(event: WorkerEvent, queue: string, verbose: boolean): string | null {
  switch (event.kind) {
    case 'ready':
      return `${oneLine(event.name)} waits for tiles of ${oneLine(event.numerics)} in ${oneLine(event.queue)}`;
    case 'lost':
      return `the queue ${oneLine(queue)} is gone (${oneLine(event.message)}); waiting for it`;
    case 'back':
      return `the queue ${oneLine(queue)} is there again`;
    case 'returned':
      return `gave back tile ${event.tile} of ${event.run}: ${oneLine(event.message ?? '')}`;
    default: {
      if (!verbose) return null;
      const time = event.seconds === undefined ? '' : ` in ${timeText(event.seconds)}`;
      const why = event.message === undefined ? '' : `: ${oneLine(event.message)}`;
      return `${event.kind} tile ${event.tile} of ${event.run}, ${count(event.pairs)} ${plural(event.pairs, 'pair')}${time}${why}`;
    }
  }
}
