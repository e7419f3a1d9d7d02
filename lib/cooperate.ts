import { setImmediate as nextTurn } from 'node:timers/promises';

/**
 * How long a loop holds the event loop before it gives way, in milliseconds: garbage collection may add as much again.
 */
const SLICE_MS = 4;
/**
 * Multiply-adds between two looks at the clock: some microseconds of work against tens of nanoseconds for the look.
 * Before V8 has optimised a loop the same work takes a hundred times as long, which must still be well within a slice.
 */
const WORK_PER_LOOK = 1 << 14;
/**
 * Least time between two progress reports; with the reports at the ends of phases this stays below 20 in any second.
 */
const REPORT_INTERVAL_MS = 60;

/** Milliseconds on a clock that never goes back. */
export type Clock = () => number;

/** As `performance.now()`, whose first use has Node compile all that it measures programs with: 0.6 ms. */
const monotonic: Clock = () => {
  const [seconds, nanoseconds] = process.hrtime();
  return 1e3 * seconds + nanoseconds / 1e6;
};

/**
 * Cuts long synchronous work into slices, so that timers, sockets and aborts are served in between:
 *
 *     if (pacer.due(work)) await pacer.pause();
 *
 * or, where the work is a generator, `await pacer.run(work)`.
 *
 * One pacer serves one call; it is not shared between calls that run at the same time.
 */
export class Pacer {
  readonly #signal: AbortSignal | undefined;
  readonly #now: Clock;
  #sliceEnd: number;
  #workLeft = WORK_PER_LOOK;

  /** @throws the signal's reason if it is aborted already. */
  constructor(signal?: AbortSignal, now: Clock = monotonic) {
    signal?.throwIfAborted();
    this.#signal = signal;
    this.#now = now;
    // How long others have held this turn of the event loop is unknown, so the first look gives way.
    this.#sliceEnd = now();
  }

  /** Counts `work` (about multiply-adds) and tells whether this slice has lasted long enough. */
  due(work: number): boolean {
    this.#workLeft -= work;
    if (this.#workLeft > 0) return false;
    this.#workLeft = WORK_PER_LOOK;
    return this.#now() >= this.#sliceEnd;
  }

  /** Gives every waiting callback its turn. Rejects with the signal's reason if it was aborted. */
  async pause(): Promise<void> {
    await nextTurn();
    this.#signal?.throwIfAborted();
    this.#sliceEnd = this.#now() + SLICE_MS;
  }

  /**
   * Runs a computation that yields at every point where it may pause: often enough for a slice, seldom enough for a
   * look at the clock.
   * @param onStep is given what it yields
   */
  async run<Step, Result>(steps: Generator<Step, Result>, onStep?: (step: Step) => void): Promise<Result> {
    for (;;) {
      const step = steps.next();
      if (step.done) return step.value;
      onStep?.(step.value);
      if (this.due(WORK_PER_LOOK)) await this.pause();
    }
  }
}

/**
 * Passes on a report unless the last one was a moment ago; the last of a phase (`done` = `total`) always gets through.
 * @param last the time of the last one; where that is now, work of a moment reports its end only
 */
export function throttle(
  report: (done: number, total: number) => void,
  now: Clock = monotonic,
  last = Number.NEGATIVE_INFINITY,
): (done: number, total: number) => void {
  let lastTime = last;
  return (done, total) => {
    const time = now();
    if (done < total && time - lastTime < REPORT_INTERVAL_MS) return;
    lastTime = time;
    report(done, total);
  };
}

/**
 * Runs a computation that yields at every point where it may pause, letting the event loop turn between slices of some
 * milliseconds. Rejects with the signal's reason at such a point.
 */
export function unhurried<Result>(steps: Generator<unknown, Result>, signal?: AbortSignal): Promise<Result> {
  return new Pacer(signal).run(steps);
}

/** Runs such a computation to its end at once. */
export function finish<Result>(steps: Generator<unknown, Result>): Result {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value as Result;
  }
}
