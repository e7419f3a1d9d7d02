import type { Job as QueuedJob } from 'bullmq';
import type { Redis } from 'ioredis';
import { KEYS, lockOf } from './names.js';

/** Looks between two renewals at which the run of a tile must be gone before the tile is. */
const GONE_LOOKS = 2;

/**
 * A tile that a worker has: as long as it is held, it says again and again that it is computed, so that no other worker
 * is given it, and looks whether anybody waits for it still.
 */
export class Lease {
  readonly #job: QueuedJob;
  readonly #token: string;
  readonly #timer: NodeJS.Timeout;
  readonly #lock: number;

  /** @param onGone called once where nobody waits for the tile any more. */
  constructor(redis: Redis, run: string, seconds: number, job: QueuedJob, token: string, onGone: () => void) {
    this.#job = job;
    this.#token = token;
    this.#lock = lockOf(seconds);
    let gone = 0;
    const look = async () => {
      await this.#renew();
      // A server that has just been started again may not know yet that the run is there.
      gone = (await redis.exists(KEYS.run(run))) === 1 ? 0 : gone + 1;
      if (gone === GONE_LOOKS) onGone();
    };
    // What cannot be said now is said the next time; the tile is computed in any case.
    this.#timer = setInterval(() => void look().catch(() => {}), this.#lock / 3);
    void this.#renew().catch(() => {});
  }

  async #renew(): Promise<void> {
    await this.#job.extendLock(this.#token, this.#lock);
  }

  release(): void {
    clearInterval(this.#timer);
  }

  // Each of these fails where another worker has been given the tile meanwhile. Its result is the same, so that does no
  // harm, and nobody needs to know.

  /** The result is there. */
  async complete(): Promise<void> {
    this.release();
    await this.#job.moveToCompleted(null, this.#token, false).catch(() => {});
  }

  async fail(message: string): Promise<void> {
    this.release();
    await this.#job.moveToFailed(new Error(message), this.#token, false).catch(() => {});
  }

  /** Gives it back: to whoever comes next, or not before some time. */
  async giveBack(delay = 0): Promise<void> {
    this.release();
    const given =
      delay === 0 ? this.#job.moveToWait(this.#token) : this.#job.moveToDelayed(Date.now() + delay, this.#token);
    await given.catch(() => {});
  }
}
