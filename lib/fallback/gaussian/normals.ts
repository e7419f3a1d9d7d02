import type { NormalStream } from '../../backend/normals.js';
import type { Pacer } from '../../cooperate.js';
import { streamKey, threefry } from '../../gaussian/threefry.js';
import { HIGH_WORD } from '../../tensor/power.js';

/** Multiply-adds that one pair of numbers takes, about. */
const PAIR_WORK = 64;
/**
 * ln √½ as the high word of a double: mantissas are taken from [√½, √2), where the series for the logarithm is short.
 */
const SQRT_HALF_HIGH = 0x3fe6a09e;
const ONE_HIGH = 0x3ff00000;

const float = new Float64Array(1);
const halves = new Uint32Array(float.buffer);

/**
 * Standard normal numbers (count, dimension), row-major: those of samples `first` to `first + count` − 1 of a stream.
 *
 * Box and Muller: of the 64 random bits for a pair, 44 make a uniform u in (0, 1) and 20 an angle φ; the pair is √(−2
 * ln u) · (cos φ, sin φ). With 2²⁰ angles all moments of the direction below degree 2²⁰ are those of a continuous one.
 * Pair p of a sample fills places p and p + ⌈dimension / 2⌉. Only operations that IEEE 754 rounds correctly are used,
 * in the order of native/gemm/normals_kernel.h: the numbers are the same to the bit.
 */
export async function normals(
  { seed, stream, dimension }: NormalStream,
  first: number,
  count: number,
  pacer: Pacer,
): Promise<Float64Array> {
  const [key0, key1] = streamKey(seed, stream);
  const pairs = Math.ceil(dimension / 2);
  const out = new Float64Array(count * dimension);
  const words = new Uint32Array(2);
  for (let s = 0; s < count; s++) {
    const start = s * dimension;
    for (let p = 0; p < pairs; p++) {
      threefry(p, first + s, key0, key1, words);
      const [high, low] = words;
      const radius = Math.sqrt(-2 * logarithm((high * 4096 + (low >>> 20) + 0.5) * 2 ** -44));
      const turn = low & 0xfffff;
      const quadrant = (turn + 0x20000) >> 18;
      const angle = (turn - (quadrant << 18)) * ((2 * Math.PI) / 2 ** 20);
      const square = angle * angle;
      const cos = cosine(square);
      const sin = angle * sineOverAngle(square);
      const swap = (quadrant & 1) === 1;
      const x = swap ? sin : cos;
      const y = swap ? cos : sin;
      out[start + p] = radius * (((quadrant + 1) & 2) === 0 ? x : -x);
      if (p + pairs < dimension) out[start + pairs + p] = radius * ((quadrant & 2) === 0 ? y : -y);
      if (pacer.due(PAIR_WORK)) await pacer.pause();
    }
  }
  return out;
}

/** ln u = e ln 2 + 2 artanh((m − 1) / (m + 1)) for u = m 2ᵉ. */
function logarithm(u: number): number {
  float[0] = u;
  const high = halves[HIGH_WORD] + (ONE_HIGH - SQRT_HALF_HIGH);
  const exponent = (high >>> 20) - 1023;
  halves[HIGH_WORD] = (high & 0xfffff) + SQRT_HALF_HIGH;
  const m = float[0];
  const s = (m - 1) / (m + 1);
  const t = s * s;
  let sum = 1 / 21;
  sum = sum * t + 1 / 19;
  sum = sum * t + 1 / 17;
  sum = sum * t + 1 / 15;
  sum = sum * t + 1 / 13;
  sum = sum * t + 1 / 11;
  sum = sum * t + 1 / 9;
  sum = sum * t + 1 / 7;
  sum = sum * t + 1 / 5;
  sum = sum * t + 1 / 3;
  sum = sum * t + 1;
  return exponent * Math.LN2 + 2 * s * sum;
}

/** cos φ for |φ| ≤ π/4 from φ²: the series as far as it can be seen. */
function cosine(t: number): number {
  let sum = 1 / 20922789888000;
  sum = sum * t - 1 / 87178291200;
  sum = sum * t + 1 / 479001600;
  sum = sum * t - 1 / 3628800;
  sum = sum * t + 1 / 40320;
  sum = sum * t - 1 / 720;
  sum = sum * t + 1 / 24;
  sum = sum * t - 1 / 2;
  return sum * t + 1;
}

/** sin φ / φ, likewise. */
function sineOverAngle(t: number): number {
  let sum = -1 / 1307674368000;
  sum = sum * t + 1 / 6227020800;
  sum = sum * t - 1 / 39916800;
  sum = sum * t + 1 / 362880;
  sum = sum * t - 1 / 5040;
  sum = sum * t + 1 / 120;
  sum = sum * t - 1 / 6;
  return sum * t + 1;
}
