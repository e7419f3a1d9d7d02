/*
 * The normal distribution of one number, to rounding: W. J. Cody, "Rational Chebyshev approximations for the error
 * function", Mathematics of Computation 23 (1969), 631–637.
 */

const ROOT_PI_INVERSE = 1 / Math.sqrt(Math.PI);
const ROOT_TWO_PI = Math.sqrt(2 * Math.PI);

/** Up to NEAR erf itself is approximated, up to FAR and beyond it e^(x²) erfc(x); beyond NONE erfc is zero. */
const NEAR = 0.46875;
const FAR = 4;
const NONE = 26.6;

/** Numerators and denominators, from the highest power; those have the constant 1 before them. */
const NEAR_ABOVE = [0.18577770618460315, 3.1611237438705655, 113.86415415105016, 377.485237685302, 3209.3775891384694];
const NEAR_BELOW = [1, 23.601290952344122, 244.02463793444417, 1282.6165260773723, 2844.236833439171];
const MIDDLE_ABOVE = [
  2.1531153547440383e-8, 0.5641884969886701, 8.883149794388377, 66.11919063714163, 298.6351381974001, 881.952221241769,
  1712.0476126340707, 2051.0783778260716, 1230.3393547979972,
];
const MIDDLE_BELOW = [
  1, 15.744926110709835, 117.6939508913125, 537.1811018620099, 1621.3895745666903, 3290.7992357334597,
  4362.619090143247, 3439.3676741437216, 1230.3393548037495,
];
const FAR_ABOVE = [
  0.016315387137302097, 0.30532663496123236, 0.36034489994980445, 0.12578172611122926, 0.016083785148742275,
  0.0006587491615298378,
];
const FAR_BELOW = [
  1, 2.568520192289822, 1.8729528499234604, 0.5279051029514285, 0.06051834131244132, 0.0023352049762686918,
];

function polynomial(coefficients: readonly number[], x: number): number {
  let sum = 0;
  for (let i = 0; i < coefficients.length; i++) sum = sum * x + coefficients[i];
  return sum;
}

/** e^(x²) erfc(x) for x > NEAR. */
function scaledComplement(x: number): number {
  return x <= FAR ? polynomial(MIDDLE_ABOVE, x) / polynomial(MIDDLE_BELOW, x) : farComplement(x);
}

/** erfc(x) for x > NEAR. */
function complement(x: number): number {
  if (x > NONE) return 0;
  const scaled = scaledComplement(x);
  // x² in two parts, of which the first is exact: the rounding of x² would cost digits.
  const head = Math.trunc(x * 16) / 16;
  return Math.exp(-head * head) * Math.exp(-(x - head) * (x + head)) * scaled;
}

function farComplement(x: number): number {
  const square = 1 / (x * x);
  const rest = (square * polynomial(FAR_ABOVE, square)) / polynomial(FAR_BELOW, square);
  return (ROOT_PI_INVERSE - rest) / x;
}

/** 2/√π ∫₀ˣ e^(−t²) dt. */
export function erf(x: number): number {
  const size = Math.abs(x);
  if (size > NEAR) return Math.sign(x) * (1 - complement(size));
  const square = x * x;
  return (x * polynomial(NEAR_ABOVE, square)) / polynomial(NEAR_BELOW, square);
}

/** 1 − erf(x), with all its digits where that is nearly zero. */
export function erfc(x: number): number {
  if (Math.abs(x) <= NEAR) return 1 - erf(x);
  return x > 0 ? complement(x) : 2 - complement(-x);
}

/** ϕ(x) = e^(−x²/2) / √(2π). */
export function normalDensity(x: number): number {
  return Math.exp(-0.5 * x * x) / ROOT_TWO_PI;
}

/** Φ(x) = P(z < x), with all its digits far below zero. */
export function normalDistribution(x: number): number {
  return 0.5 * erfc(-x * Math.SQRT1_2);
}

/** Φ(−x) / ϕ(x) for x ≥ 0, however far out. */
export function millsRatio(x: number): number {
  const t = x * Math.SQRT1_2;
  return Math.sqrt(Math.PI / 2) * (t > NEAR ? scaledComplement(t) : Math.exp(t * t) * (1 - erf(t)));
}
