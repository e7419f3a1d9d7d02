/* Powers of two: multiplying by one changes no digit, as long as the result stays in the range of numbers. */

/** The exponents of the smallest and of the largest power of two that is a normal double. */
const LEAST = -1022;
const MOST = 1023;

/** x · 2^exponent for any whole exponent; rounds, once, only where the result is subnormal, and overflows to ±∞. */
export function timesPower(x: number, exponent: number): number {
  if (exponent >= LEAST && exponent <= MOST) return x * 2 ** exponent;
  if (x === 0 || !Number.isFinite(x)) return x;
  if (exponent > MOST) return timesPower(x * 2 ** MOST, exponent - MOST);
  const own = exponentOf(x);
  return own + exponent < LEAST - 60 ? 0 * x : x * 2 ** -own * 2 ** (own + exponent);
}

/** Whether value · 2^exponent is a normal number, or zero. */
export function isInRange(value: number, exponent: number): boolean {
  const size = Math.abs(timesPower(value, exponent));
  return value === 0 || (size >= 2 ** -1022 && size < Number.POSITIVE_INFINITY);
}

/** Which of the two words of a double has its exponent. */
export const HIGH_WORD = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1 ? 1 : 0;

const double = new Float64Array(1);
const words = new Uint32Array(double.buffer);

/** x without its power of two: of magnitude 1 to 2, or x where it is zero or not finite. */
export function mantissaOf(x: number): number {
  double[0] = x;
  const exponent = (words[HIGH_WORD] >>> 20) & 0x7ff;
  if (exponent === 0 || exponent === 0x7ff) return x === 0 || !Number.isFinite(x) ? x : timesPower(x, -exponentOf(x));
  words[HIGH_WORD] = (words[HIGH_WORD] & 0x800fffff) | 0x3ff00000;
  return double[0];
}

/** Takes the powers of two out of numbers where they lie: each becomes its `mantissaOf`. */
export function toMantissas(values: Float64Array): void {
  const parts = new Uint32Array(values.buffer, values.byteOffset, 2 * values.length);
  for (let i = 0, high = HIGH_WORD; i < values.length; i++, high += 2) {
    const exponent = (parts[high] >>> 20) & 0x7ff;
    if (exponent === 0 || exponent === 0x7ff) values[i] = mantissaOf(values[i]);
    else parts[high] = (parts[high] & 0x800fffff) | 0x3ff00000;
  }
}

/** ⌊log₂ |x|⌋; −∞ for zero. */
export function exponentOf(x: number): number {
  if (x === 0) return Number.NEGATIVE_INFINITY;
  const size = Math.abs(x);
  // A logarithm rounds: it may be one too large just below a power of two, and is too coarse for subnormal numbers.
  if (size < 2 ** LEAST) return exponentOf(size * 2 ** 60) - 60;
  const guess = Math.floor(Math.log2(size));
  if (2 ** guess > size) return guess - 1;
  return guess < MOST && 2 ** (guess + 1) <= size ? guess + 1 : guess;
}

/** log₂ √x; −∞ for zero. */
export function levelOf(square: number): number {
  return Math.log2(square) / 2;
}

/** log₂ √(2^2a + 2^2b). */
export function addLevels(a: number, b: number): number {
  const [low, high] = a < b ? [a, b] : [b, a];
  if (low === Number.NEGATIVE_INFINITY) return high;
  return high + Math.log2(1 + 4 ** (low - high)) / 2;
}
