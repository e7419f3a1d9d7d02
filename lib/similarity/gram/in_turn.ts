/** A job and what came of it. */
export interface Done<Job, Result> {
  readonly job: Job;
  readonly result: Result;
}

/** Work that is done elsewhere while its results are dealt with here. */
export interface Turns<Job, Result> {
  /** The next job; undefined at the end. */
  next(): Job | undefined;
  start(job: Job): Promise<Result>;
  /** How many jobs are at work while a result is waited for, at least one. */
  atOnce(): number;
  /** How many are at work while a result is dealt with. */
  meanwhile(): number;
}

/**
 * Results of jobs in the order of the jobs, some of which are at work at a time. However it ends, nothing is at work
 * any more then.
 */
export async function* inTurn<Job, Result>(turns: Turns<Job, Result>): AsyncGenerator<Done<Job, Result>, void> {
  const queue: { readonly job: Job; readonly result: Promise<Result> }[] = [];
  const fill = (count: number) => {
    while (queue.length < count) {
      const job = turns.next();
      if (job === undefined) return;
      const result = turns.start(job);
      result.catch(() => {}); // told when it is waited for
      queue.push({ job, result });
    }
  };
  try {
    for (;;) {
      fill(turns.atOnce());
      const [first] = queue;
      if (first === undefined) return;
      const { job } = first;
      const result = await first.result;
      queue.shift();
      fill(turns.meanwhile());
      if (queue.length > 0) await goneOn();
      yield { job, result };
    }
  } finally {
    await Promise.allSettled(queue.map(({ result }) => result));
  }
}

/** What was started, and can go on at once, has gone on. */
const goneOn = () => new Promise<void>((resolve) => setImmediate(resolve));
