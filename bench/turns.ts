/** Something that can be timed in turns with others. */
export interface Timed {
  /** Computes again and again for at least so many seconds; the seconds one call takes. */
  time(seconds: number): Promise<number>;
}

export interface TurnOptions {
  readonly rounds: number;
  /** Seconds of each turn; a call that takes longer is a turn of its own. */
  readonly turn: number;
  /** Seconds after which a contestant sits the remaining rounds out; default: none. */
  readonly patience?: number;
  /** Measured at the beginning of every round. */
  readonly peak?: () => Promise<number> | undefined;
}

/**
 * The seconds of a call of every contestant, one number per turn, and what `peak` gives in the same rounds. All take
 * their turns in every round: neighbours on the machine come and go, and medians of rounds compare like with like.
 */
export async function takeTurns(
  contestants: readonly Timed[],
  { rounds, turn, patience = Number.POSITIVE_INFINITY, peak = () => undefined }: TurnOptions,
): Promise<{ turns: number[][]; peaks: number[] }> {
  const turns: number[][] = contestants.map(() => []);
  const spent = contestants.map(() => 0);
  const peaks: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const measured = await peak();
    if (measured !== undefined) peaks.push(measured);
    for (const [i, contestant] of contestants.entries()) {
      if (spent[i] >= patience) continue;
      const start = performance.now();
      turns[i].push(await contestant.time(turn));
      spent[i] += (performance.now() - start) / 1e3;
    }
  }
  return { turns, peaks };
}

/** Seconds per call of `run`, called again and again for at least `seconds`. */
export async function timeCalls(run: () => Promise<unknown>, seconds: number): Promise<number> {
  const { elapsed, calls } = await repeated(run, seconds);
  return elapsed / calls;
}

/**
 * The same in processor time of this process, all its threads together: on a shared machine the time that others have the
 * processor is not counted. The peak is the best of many short runs, which nobody interrupts.
 */
export async function timeProcessor(run: () => Promise<unknown>, seconds: number): Promise<number> {
  const before = process.cpuUsage();
  const { calls } = await repeated(run, seconds);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6 / calls;
}

async function repeated(run: () => Promise<unknown>, seconds: number): Promise<{ elapsed: number; calls: number }> {
  let calls = 0;
  const start = performance.now();
  for (;;) {
    await run();
    calls++;
    const elapsed = (performance.now() - start) / 1e3;
    if (elapsed >= seconds) return { elapsed, calls };
  }
}
