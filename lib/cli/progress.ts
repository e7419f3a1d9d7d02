import { count } from '../words/counts.js';
import type { Io } from './io.js';

/** A line on stderr that shows how far the work is. */
export interface ProgressLine {
  /**
   * The bar starts anew, with its own estimate of the time left, when the phase changes, or begins again: a stage of
   * sampling counts to what the tolerance is expected to take as the stages before it tell.
   * @param unit what is counted, for the rate; none is shown without it.
   */
  update(phase: string, done: number, total: number, unit?: string): void;
  /** Says more at the end of the line, from the next update on. */
  note(text: string): void;
  /** Takes the line away. */
  stop(): void;
}

const SILENT: ProgressLine = { update: () => {}, note: () => {}, stop: () => {} };

/** Progress for a terminal; where stderr is none, a line that does nothing. */
export async function createProgress({ stderr }: Io): Promise<ProgressLine> {
  if (stderr.isTTY !== true) return SILENT;
  const { default: cliProgress } = await import('cli-progress');
  const bar = new cliProgress.SingleBar(
    {
      stream: stderr,
      format: '{phase} [{bar}] {value}/{total} | {percentage}%{rate} | ETA {eta_formatted}{note}',
      barsize: 30,
      clearOnComplete: true,
      // Neither is changed, so that a killed process leaves the terminal as it was.
      hideCursor: false,
      linewrap: true,
      // Ctrl-C aborts the work, and the end of the work stops the bar.
      gracefulExit: false,
    },
    cliProgress.Presets.legacy,
  );
  let current: string | undefined;
  let begun = { done: 0, time: 0 };
  let reached = 0;
  let note = '';
  return {
    update(phase, done, total, unit) {
      if (phase !== current || done < reached) {
        if (current !== undefined) bar.stop();
        bar.start(total, done, { phase, rate: '', note });
        current = phase;
        begun = { done, time: performance.now() };
        reached = done;
        return;
      }
      reached = done;
      bar.setTotal(total);
      const perSecond = (1000 * (done - begun.done)) / (performance.now() - begun.time);
      const rate = unit === undefined || !(perSecond > 0) ? '' : ` | ${count(Math.round(perSecond))} ${unit}/s`;
      bar.update(done, { rate, note });
    },
    note(text) {
      note = text === '' ? '' : ` | ${text}`;
      if (current !== undefined) bar.update({ note });
    },
    stop() {
      if (current !== undefined) bar.stop();
      current = undefined;
    },
  };
}
