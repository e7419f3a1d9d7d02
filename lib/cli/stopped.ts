import { count } from '../words/counts.js';
import { oneLine } from '../words/quoting.js';
import { type Io, say } from './io.js';

/** How far the work was when it was stopped. */
export interface Reached {
  readonly done: number;
  readonly total: number;
}

/** Says after Ctrl-C what of the work is kept and what is lost, and how it would be kept. */
export function sayStopped({ done, total }: Reached, units: string, state: string | undefined, io: Io): void {
  if (!io.signal.aborted || total === 0) return;
  const share = `${count(done)} of ${count(total)} ${units}`;
  if (state !== undefined) say(io, `stopped: ${share} are in ${oneLine(state)}; the same command goes on from there\n`);
  else if (done > 0)
    say(io, `stopped: ${share} are lost; with --state FILE they are kept, and the same command goes on from there\n`);
}
