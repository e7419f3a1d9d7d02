import { setImmediate } from 'node:timers/promises';

const SLICE_MILLISECONDS = 8;

/**
 * Runs a computation that yields at every point where it may pause, letting the event loop turn between slices of some
 * milliseconds. Rejects with `signal.reason` at such a point.
 */
export async function unhurried<T>(steps: Generator<void, T>, signal?: AbortSignal): Promise<T> {
  let begin = performance.now();
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
    if (performance.now() - begin > SLICE_MILLISECONDS) {
      await setImmediate();
      signal?.throwIfAborted();
      begin = performance.now();
    }
  }
}
