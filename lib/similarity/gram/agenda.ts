import type { Job } from './schedule.js';

/** How many jobs are looked through for models to be prepared next. */
const FARTHEST = 64;

/** Hands out jobs in their order, and tells which come after. */
export class Agenda {
  readonly #order: Iterator<Job>;
  readonly #queue: Job[] = [];

  constructor(order: Iterator<Job>) {
    this.#order = order;
  }

  /** The next job; undefined at the end. */
  next(): Job | undefined {
    while (this.#queue.length < FARTHEST) {
      const { value, done } = this.#order.next();
      if (done) break;
      this.#queue.push(value);
    }
    return this.#queue.shift();
  }

  /** The jobs after the one handed out last. */
  get coming(): readonly Job[] {
    return [...this.#queue];
  }
}
