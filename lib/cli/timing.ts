import type { Strategy } from '../contraction/cost.js';

/** A contraction by one strategy, ready to be run again and again. */
export interface Candidate {
  readonly strategy: Strategy;
  /** Operations and bytes of one run. */
  readonly flops: number;
  readonly bytes: number;
  run(signal: AbortSignal): Promise<unknown>;
}

/** How fast a strategy was. */
export interface Timing {
  readonly strategy: Strategy;
  /** Median time of a run in seconds; null if none came to its end. */
  readonly seconds: number | null;
  /** Runs that the median is over. */
  readonly runs: number;
  readonly flopsPerSecond: number | null;
  readonly bytesPerSecond: number | null;
  /** Why there is no time; else null. */
  readonly reason: string | null;
}

export interface Patience {
  /** Seconds that the runs of one candidate take together, about; the first run is always made. */
  readonly total: number;
  /**
   * Seconds after which the first run of any candidate but the first is given up, beside twice the time of the first
   * candidate.
   */
  readonly run: number;
}

const PATIENCE: Patience = { total: 2, run: 5 };
const MOST_RUNS = 100;

interface Running {
  readonly candidate: Candidate;
  readonly times: number[];
  total: number;
  reason: string | null;
}

/**
 * Measures candidates in turns, so that what disturbs the machine for a while disturbs all of them. The first run of
 * each warms up and counts only if it is the only one.
 *
 * @param onRun called before every run
 * @throws whatever a run rejects with; the reason of the signal.
 */
export async function timeStrategies(
  candidates: readonly Candidate[],
  signal: AbortSignal,
  onRun: (strategy: Strategy) => void,
  patience: Patience = PATIENCE,
): Promise<Timing[]> {
  const all = candidates.map((candidate): Running => ({ candidate, times: [], total: 0, reason: null }));
  for (const running of all) {
    onRun(running.candidate.strategy);
    const limit = running === all[0] ? undefined : patience.run + 2 * all[0].times[0];
    await firstRun(running, signal, limit);
  }
  const active = (running: Running) =>
    running.reason === null && running.total < patience.total && running.times.length <= MOST_RUNS;
  while (all.some(active)) {
    for (const running of all.filter(active)) {
      onRun(running.candidate.strategy);
      await oneRun(running, signal);
    }
  }
  return all.map(timingOf);
}

async function oneRun(running: Running, signal: AbortSignal): Promise<void> {
  const start = performance.now();
  await running.candidate.run(signal);
  const seconds = (performance.now() - start) / 1000;
  running.times.push(seconds);
  running.total += seconds;
}

async function firstRun(running: Running, signal: AbortSignal, limit: number | undefined): Promise<void> {
  if (limit === undefined) return oneRun(running, signal);
  const impatient = AbortSignal.timeout(Math.ceil(limit * 1000));
  try {
    await oneRun(running, AbortSignal.any([signal, impatient]));
  } catch (error) {
    if (signal.aborted || !impatient.aborted) throw error;
    running.reason = `given up after ${limit.toPrecision(2)} s`;
  }
}

function timingOf({ candidate: { strategy, flops, bytes }, times, reason }: Running): Timing {
  const counted = times.length > 1 ? times.slice(1) : times;
  const seconds = counted.length > 0 ? median(counted) : null;
  return {
    strategy,
    seconds,
    runs: counted.length,
    flopsPerSecond: seconds && flops / seconds,
    bytesPerSecond: seconds && bytes / seconds,
    reason,
  };
}

/** The middle value, or the mean of the middle two. */
function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
