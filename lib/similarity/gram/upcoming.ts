import type { Residents } from './residents.js';
import type { Job } from './schedule.js';

/** How many jobs are looked through for models to be prepared next. */
const FARTHEST = 64;

/**
 * Hands out jobs, each when its models are prepared. While one is at work, the models of the next job that lacks any are read and
 * prepared, if there is room for them beside those of all jobs before it.
 */
export class Upcoming {
  readonly #order: Iterator<Job>;
  readonly #residents: Residents;
  readonly #queue: Job[] = [];
  #coming: Promise<void> | undefined;

  constructor(order: Iterator<Job>, residents: Residents) {
    this.#order = order;
    this.#residents = residents;
  }

  /** The next job, its models prepared; undefined at the end. */
  async next(): Promise<Job | undefined> {
    this.#fill();
    const job = this.#queue.shift();
    if (job === undefined) return undefined;
    const models = modelsOf(job);
    if (!this.#residents.has(models)) await this.#coming;
    if (!this.#residents.has(models)) await this.#residents.hold(models, []);
    this.#lookAhead(models);
    return job;
  }

  #fill(): void {
    while (this.#queue.length < FARTHEST) {
      const { value, done } = this.#order.next();
      if (done) return;
      this.#queue.push(value);
    }
  }

  #lookAhead(current: ReadonlySet<number>): void {
    if (this.#coming !== undefined) return;
    const pinned = new Set(current);
    for (const job of this.#queue) {
      const models = modelsOf(job);
      for (const model of models) pinned.add(model);
      if (pinned.size > this.#residents.capacity) return;
      if (this.#residents.has(models)) continue;
      const coming = this.#residents.hold(models, pinned).finally(() => {
        if (this.#coming === coming) this.#coming = undefined;
      });
      // What goes wrong is told when it is waited for; an error that nobody waits for would end the process.
      coming.catch(() => {});
      this.#coming = coming;
      return;
    }
  }
}

function modelsOf({ rows, columns }: Job): Set<number> {
  return new Set([...rows, ...columns]);
}
