const PARITY = 0x1bd11bda;

/** Two 32-bit words of a random stream; `threefry` writes into one, so that drawing allocates nothing. */
export type Words = Uint32Array;

/**
 * Threefry-2x32 with 20 rounds (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", 2011): a bijection of
 * 64-bit counters for every 64-bit key, whose outputs are as good as random. Any number of a stream is had without
 * those before it.
 */
export function threefry(counter0: number, counter1: number, key0: number, key1: number, words: Words): void {
  const key2 = PARITY ^ key0 ^ key1;
  let x0 = (counter0 + key0) | 0;
  let x1 = (counter1 + key1) | 0;
  let [next, afterNext, last] = [key1, key2, key0];
  for (let group = 0; group < 5; group++) {
    // Rotations written out: looked up, they would take twice the time.
    if ((group & 1) === 0) {
      x0 = (x0 + x1) | 0;
      x1 = ((x1 << 13) | (x1 >>> 19)) ^ x0;
      x0 = (x0 + x1) | 0;
      x1 = ((x1 << 15) | (x1 >>> 17)) ^ x0;
      x0 = (x0 + x1) | 0;
      x1 = ((x1 << 26) | (x1 >>> 6)) ^ x0;
      x0 = (x0 + x1) | 0;
      x1 = ((x1 << 6) | (x1 >>> 26)) ^ x0;
    } else {
      x0 = (x0 + x1) | 0;
      x1 = ((x1 << 17) | (x1 >>> 15)) ^ x0;
      x0 = (x0 + x1) | 0;
      x1 = ((x1 << 29) | (x1 >>> 3)) ^ x0;
      x0 = (x0 + x1) | 0;
      x1 = ((x1 << 16) | (x1 >>> 16)) ^ x0;
      x0 = (x0 + x1) | 0;
      x1 = ((x1 << 24) | (x1 >>> 8)) ^ x0;
    }
    x0 = (x0 + next) | 0;
    x1 = (x1 + afterNext + group + 1) | 0;
    const first = next;
    next = afterNext;
    afterNext = last;
    last = first;
  }
  words[0] = x0;
  words[1] = x1;
}

/** The key of one of 2¹¹ streams that belong to a seed, a whole number from 0 to 2⁵³ − 1. */
export function streamKey(seed: number, stream: number): readonly [key0: number, key1: number] {
  return [seed | 0, Math.floor(seed / 2 ** 32) | (stream << 21) | 0];
}
