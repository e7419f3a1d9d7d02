import cliProgress from 'cli-progress';
import type { Io } from './io.js';

/** A line on stderr that shows how far the work is. */
export interface ProgressLine {
  /** The bar starts anew, with its own estimate of the time left, when the phase changes. */
  update(phase: string, done: number, total: number): void;
  /** Takes the line away. */
  stop(): void;
}

const SILENT: ProgressLine = { update: () => {}, stop: () => {} };

/** Progress for a terminal; where stderr is none, a line that does nothing. */
export function createProgress({ stderr }: Io): ProgressLine {
  if (stderr.isTTY !== true) return SILENT;
  const bar = new cliProgress.SingleBar(
    {
      stream: stderr,
      format: '{phase} [{bar}] {value}/{total} | {percentage}% | ETA {eta_formatted}',
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
  return {
    update(phase, done, total) {
      if (phase !== current) {
        if (current !== undefined) bar.stop();
        bar.start(total, done, { phase });
        current = phase;
        return;
      }
      bar.setTotal(total);
      bar.update(done);
    },
    stop() {
      if (current !== undefined) bar.stop();
      current = undefined;
    },
  };
}
