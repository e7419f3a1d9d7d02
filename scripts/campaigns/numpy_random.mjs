// The numbers that `numpy.random.default_rng(1)` gives, so that what was computed with NumPy on random inputs can be
// computed on the same ones.

/** PCG64 of the seed 1: its state after seeding, its increment and its multiplier. */
const STATE = 207833532711051698738587646355624148094n;
const INCREMENT = 194290289479364712180083596243593368443n;
const MULTIPLIER = 0x2360ed051fc65da44385df649fccf645n;
const [BITS_64, BITS_128] = [(1n << 64n) - 1n, (1n << 128n) - 1n];
const BITS_32 = 2 ** 32;

function* numbers() {
  for (let state = STATE; ; ) {
    state = (state * MULTIPLIER + INCREMENT) & BITS_128;
    const mixed = (state >> 64n) ^ (state & BITS_64);
    const turn = state >> 122n;
    const value = ((mixed >> turn) | (mixed << (64n - turn))) & BITS_64;
    yield Number(value & 0xffffffffn);
    yield Number(value >> 32n);
  }
}

/** The generator, anew. Its method is NumPy's `integers(0, below, (rows, columns))`. */
export function defaultRng() {
  const source = numbers();
  return {
    integers(below, rows, columns) {
      const threshold = BITS_32 % below;
      const next = () => {
        for (;;) {
          const product = source.next().value * below;
          if (product % BITS_32 >= threshold) return Math.floor(product / BITS_32);
        }
      };
      return Array.from({ length: rows }, () => Array.from({ length: columns }, next));
    },
  };
}
