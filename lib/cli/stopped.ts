import { count } from '../words/counts.js';
import { oneLine } from '../words/quoting.js';
import { type Io, say } from './io.js';
import { createProgress, type ProgressLine } from './progress.js';

/** Work that Ctrl-C stops. */
export interface Way {
  /** How far it is; the work itself keeps it. */
  readonly reached: { done: number; total: number };
  readonly progress: ProgressLine;
}

/**
 * Does the work. If Ctrl-C stops it, says what is kept and what is lost, and how it would be kept.
 * @param units what the work counts
 * @param state the file that keeps what is finished, if there is one
 */
export async function stoppable<T>(
  units: string,
  state: string | undefined,
  io: Io,
  work: (way: Way) => Promise<T>,
): Promise<T> {
  const way: Way = { reached: { done: 0, total: 0 }, progress: await createProgress(io) };
  try {
    return await work(way);
  } catch (error) {
    way.progress.stop();
    sayStopped(way, units, state, io);
    throw error;
  } finally {
    way.progress.stop();
  }
}

function sayStopped({ reached: { done, total } }: Way, units: string, state: string | undefined, io: Io): void {
  if (!io.signal.aborted || total === 0) return;
  const share = `${count(done)} of ${count(total)} ${units}`;
  if (state !== undefined) say(io, `stopped: ${share} are in ${oneLine(state)}; the same command goes on from there\n`);
  else if (done > 0)
    say(io, `stopped: ${share} are lost; with --state FILE they are kept, and the same command goes on from there\n`);
}
