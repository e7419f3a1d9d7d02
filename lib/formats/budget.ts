import { TensimError } from '../errors.js';

/**
 * What the listing of one file may cost in memory beyond the bytes of the file itself. Formats whose bytes unfold into
 * objects (an archive's directory, a pickle) pay for each before they make it, by estimates on the high side.
 */
const LISTING_BYTES = 32 * 1024 * 1024;

/** What a large file may cost in addition. */
const MOST_ALLOWED = 64 * 1024 * 1024;

/** Counts the memory that reading a file's listing takes, and ends it before it is too much. */
export class MemoryBudget {
  readonly #file: string;
  #left = LISTING_BYTES;

  constructor(file: string) {
    this.#file = file;
  }

  /** Allows more, by what is not held of a file whose size may be held. */
  allow(bytes: number): void {
    this.#left += Math.max(0, Math.min(bytes, MOST_ALLOWED));
  }

  /** @throws TensimError `INVALID_FILE` if there is no more to spend. */
  spend(bytes: number): void {
    this.#left -= bytes;
    if (this.#left < 0)
      throw new TensimError('INVALID_FILE', 'lists more than any model needs: reading it would fill the memory', {
        file: this.#file,
        hint: 'Save the state dict of the model alone',
      });
  }
}
