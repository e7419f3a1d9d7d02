import { type Command, InvalidArgumentError } from 'commander';
import { TensimError } from '../errors.js';
import type { Watched } from '../similarity/circumstances.js';
import type { CrossSimilarity, MatrixOptions, SimilarityMatrix } from '../similarity/terms/types.js';
import { count, plural } from '../words/counts.js';
import { parseDecimal } from '../words/names.js';
import { oneLine } from '../words/quoting.js';
import { timeText } from '../words/times.js';
import { hasPassword } from '../workers/address.js';
import type { ByWorkers } from '../workers/matrix.js';
import type { WorkerState } from '../workers/terms.js';
import { type Io, say } from './io.js';
import type { MatrixFlags } from './matrix_options.js';
import type { ProgressLine } from './progress.js';

/** Workers that the line on progress tells what they do. */
const MOST_TOLD = 2;

type QueueFlags = Pick<MatrixFlags, 'mixed' | 'results' | 'tileSeconds' | 'verbose'> & { readonly queue: string };

export function addWorkersOptions(command: Command): Command {
  return command
    .option(
      '--queue <address>',
      'have it computed by the workers of this queue: redis://HOST:PORT/DB, rediss:// for TLS',
    )
    .option('--mixed', 'workers of any backend and instructions may compute: the last bits may then differ')
    .option('--results <folder>', 'shared with the workers: for tiles of more than 4 MB')
    .option(
      '--tile-seconds <seconds>',
      'how long a worker is to have with a tile (default: 20, less where they would be few)',
      parseSeconds,
    );
}

/**
 * Makes sure of an address on a command line, where every user of the machine and every report can read it. This is no
 * parser of the option, whose errors would quote it.
 * @throws TensimError `INVALID_ARGUMENT`
 */
export function checkQueue(address: string): void {
  if (!hasPassword(address)) return;
  throw new TensimError('INVALID_ARGUMENT', 'there is a password in the address of --queue, where others can see it', {
    hint: 'Give it in the environment variable TENSIM_QUEUE_PASSWORD, and the address without it',
  });
}

export function parseSeconds(text: string): number {
  const seconds = parseDecimal(text);
  if (seconds !== undefined && seconds >= 0) return seconds;
  throw new InvalidArgumentError('It must be a number of seconds.');
}

/** @throws TensimError `INVALID_ARGUMENT` for options that are about workers where none are asked for. */
export function checkNoWorkers({
  mixed,
  results,
  tileSeconds,
}: Pick<MatrixFlags, 'mixed' | 'results' | 'tileSeconds'>): void {
  const given = Object.entries({ '--mixed': mixed, '--results': results, '--tile-seconds': tileSeconds });
  const name = given.find(([, value]) => value !== undefined)?.[0];
  if (name !== undefined)
    throw new TensimError('INVALID_ARGUMENT', `${name} is about workers, and none were asked for`, {
      hint: 'Give the address of their queue with --queue',
    });
}

/**
 * A matrix that workers compute; who has done what is told after.
 * @param said gets what they do at the moment
 */
export async function matrixWithQueue(
  paths: readonly string[],
  options: MatrixOptions,
  { queue, mixed, results, tileSeconds, verbose }: QueueFlags,
  circumstances: Watched,
  said: (text: string) => void,
  progress: ProgressLine,
  io: Io,
): Promise<(SimilarityMatrix | CrossSimilarity) & ByWorkers> {
  checkQueue(queue);
  const { matrixByWorkersUnder } = await import('../workers/matrix.js');
  const onWorkers = (workers: readonly WorkerState[]) => said(workersText(workers));
  const own = { queue, mixed, results, tileSeconds, onWorkers };
  const result = await matrixByWorkersUnder(circumstances, paths, { ...options, ...own });
  said('');
  progress.stop();
  tellShares(result, verbose === true, io);
  return result;
}

/** `3 workers: node1:17 tile 12, node2:9 tile 13, …` */
function workersText(workers: readonly WorkerState[]): string {
  const busy = workers.filter(({ tile }) => tile !== null);
  const all = `${count(busy.length)} of ${count(workers.length)} ${plural(workers.length, 'worker')} at work`;
  const told = busy.slice(0, MOST_TOLD).map(({ name, tile }) => {
    const [first, second] = [tile!.rows[0], tile!.columns[0]].map(oneLine);
    return `${shortName(name)}: tile ${tile!.number} from ${first} × ${second}, ${timeText(tile!.seconds)}`;
  });
  const rest = busy.length > told.length ? ', …' : '';
  return told.length === 0 ? all : `${all} (${told.join(', ')}${rest})`;
}

/** A worker without the letters that tell two of one process apart. */
const shortName = (name: string): string => oneLine(name.replace(/:[^:]*$/, ''));

function tellShares({ workers, mixed }: ByWorkers & Pick<SimilarityMatrix, 'mixed'>, verbose: boolean, io: Io): void {
  if (mixed !== undefined) {
    say(io, `note: computed with ${mixed.map(oneLine).join(' and ')}: the last bits may differ from run to run\n`);
  }
  if (!verbose) return;
  for (const { name, numerics, tiles, seconds } of workers) {
    const what = `${count(tiles)} ${plural(tiles, 'tile')} in ${timeText(seconds)}`;
    say(io, `worker ${oneLine(name)} (${oneLine(numerics)}): ${what}\n`);
  }
}
