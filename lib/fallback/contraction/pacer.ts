import { setImmediate } from 'node:timers/promises';
import type { Control } from '../../backend/control.js';

/** Milliseconds of work between two turns of the event loop. */
const TURN = 4;
/** Milliseconds between two reports of progress. */
const REPORT = 50;

/** Runs cooperative work: lets the event loop turn, watches for abort and reports progress. */
export class Pacer {
  readonly #control: Control;
  readonly #total: number;
  #done = 0;
  #turned = performance.now();
  #reported = performance.now();

  constructor(control: Control, total: number) {
    this.#control = control;
    this.#total = total;
    control.signal?.throwIfAborted();
  }

  /** Runs a generator of units of work to its end; rejects with the reason of the abort signal. */
  async run<Result>(work: Generator<number, Result>): Promise<Result> {
    for (;;) {
      const { done, value } = work.next();
      if (done) return value;
      this.#done += value;
      if (performance.now() - this.#turned >= TURN) await this.#turn();
    }
  }

  /** The last report: everything is done. */
  finish(): void {
    this.#control.onProgress?.(this.#total, this.#total);
  }

  async #turn(): Promise<void> {
    const { signal, onProgress } = this.#control;
    if (onProgress !== undefined && performance.now() - this.#reported >= REPORT) {
      this.#reported = performance.now();
      onProgress(Math.min(this.#done, this.#total), this.#total);
    }
    await setImmediate();
    signal?.throwIfAborted();
    this.#turned = performance.now();
  }
}
