/** Directions that are stretched by themselves. */
export interface Directions {
  /** (rank, dimension), orthonormal. */
  readonly basis: Float64Array;
  /** Variances along them, the largest first. */
  readonly variances: Float64Array;
}

/** A law of z beside N(0, I), which differs from it by the radius, or along some directions alone. */
export interface Component {
  /** Normal numbers that a sample takes beside those of z. */
  readonly extra: number;
  /**
   * Makes z one of this law.
   * @param y z along the directions; becomes that of the sample.
   * @param square |z|².
   * @param more the sum of the squares of the extra numbers.
   * @returns what z is multiplied by across the directions.
   */
  move(y: Float64Array, square: number, more: number): number;
  /** The logarithm of its density divided by that of N(0, I). */
  logRatio(y: Float64Array, square: number): number;
}

/** N(0, I). */
export const PLAIN: Component = { extra: 0, move: () => 1, logRatio: () => 0 };

/**
 * |z|^exponent N(0, I): uniform directions, and |z|² as of so many more dimensions. Exactly where a homogeneous
 * polynomial of half the degree has its weight.
 */
export function shell(dimension: number, exponent: number): Component {
  const constant = logMoment(dimension, exponent);
  return {
    extra: exponent,
    move(y, square, more) {
      const scale = Math.sqrt((square + more) / square);
      for (let k = 0; k < y.length; k++) y[k] *= scale;
      return scale;
    },
    logRatio: (_, square) => 0.5 * exponent * Math.log(square) - constant,
  };
}

/** Normal, with variances along the directions. */
export function stretched(variances: Float64Array): Component {
  const roots = variances.map(Math.sqrt);
  const gains = variances.map((variance) => 0.5 * (1 - 1 / variance));
  const constant = variances.reduce((sum, variance) => sum + 0.5 * Math.log(variance), 0);
  return {
    extra: 0,
    move(y) {
      for (let k = 0; k < y.length; k++) y[k] *= roots[k];
      return 1;
    },
    logRatio(y) {
      let sum = -constant;
      for (let k = 0; k < y.length; k++) sum += gains[k] * y[k] * y[k];
      return sum;
    },
  };
}

/** Directions are led by those with a variance of this share of the largest. */
const LEADING = 0.25;

/**
 * A shell over the leading directions with as much room as their variances, each stretched in proportion, and normal
 * along the others: high powers have two narrow peaks along a direction, which N(0, v) hardly ever hits.
 */
export function peaked(variances: Float64Array): Component {
  const leading = variances.filter((variance) => variance >= LEADING * variances[0]).length;
  const total = variances.subarray(0, leading).reduce((sum, variance) => sum + variance, 0);
  const exponent = Math.round(total - leading);
  const constant = logMoment(leading, exponent);
  // Of the leading ones so that their mean is one; of the others as they are.
  const scales = variances.map((variance, k) => (k < leading ? (variance * leading) / total : variance));
  const rest = stretched(scales);
  const roots = scales.map(Math.sqrt);
  return {
    extra: exponent,
    move(y, _, more) {
      let square = 0;
      for (let k = 0; k < leading; k++) square += y[k] * y[k];
      const scale = Math.sqrt((square + more) / square);
      for (let k = 0; k < y.length; k++) y[k] *= k < leading ? scale * roots[k] : roots[k];
      return 1;
    },
    logRatio(y, square) {
      let radius = 0;
      for (let k = 0; k < leading; k++) radius += (y[k] * y[k]) / scales[k];
      return rest.logRatio(y, square) + 0.5 * exponent * Math.log(radius) - constant;
    },
  };
}

/** ln E|z|^exponent under N(0, I). */
function logMoment(dimension: number, exponent: number): number {
  return logGamma((dimension + exponent) / 2) - logGamma(dimension / 2) + (exponent / 2) * Math.LN2;
}

/** ln Γ(x) for x > 0, by Stirling's series from where it is right to the last digits. */
function logGamma(x: number): number {
  let shift = 0;
  while (x < 16) shift -= Math.log(x++);
  const t = 1 / (x * x);
  const series = 1 / 12 - t * (1 / 360 - t * (1 / 1260 - t * (1 / 1680 - t * (1 / 1188))));
  return shift + (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + series / x;
}
