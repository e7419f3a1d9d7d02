import { Pacer } from '../../../cooperate.js';
import { TensimError } from '../../../errors.js';
import { zonalCoefficients } from '../../../gaussian/sphere/coefficients.js';
import { CUTS, damping, lastDegrees } from '../../../gaussian/sphere/cut.js';
import type { RowProducts } from '../../circuits/heads.js';
import { type ExpandedMlp, sphereProduct } from './products.js';
import type { SphereMlp } from './units.js';

/** Inner products of two MLPs, each as [constant, linear, quadratic, higher]. */
export interface SphereProducts {
  readonly ff: Float64Array;
  readonly fg: Float64Array;
  readonly gg: Float64Array;
  /** What series that were cut off can have changed of the similarity, proven. */
  readonly certified: number;
}

/** Degrees that are tried, one after the other: smooth activations need few, kinks more than are worth while. */
const TERMS = [48, 96, 192, 384];
/** What series may leave out, as a part of the norms. */
const TOLERANCE = 1e-12;
/** What the cuts by |ρ| may leave out each. */
const CUT = 1e-15;

/**
 * Compares two MLPs of an input that is uniform on the sphere of radius √d in d dimensions, by series of zonal
 * polynomials (MATH.md section 12).
 * @throws TensimError `ZERO_NORM`
 */
export async function compareOnSphere(
  f: SphereMlp,
  g: SphereMlp,
  d: number,
  multiply: RowProducts,
  signal?: AbortSignal,
): Promise<SphereProducts> {
  const pacer = new Pacer(signal);
  const expanded = (terms: number) => expandBoth(f, g, d, terms, multiply, pacer);
  let both = await expanded(TERMS[0]);
  for (let i = 1; i < TERMS.length && !both.isEnough; i++) both = await expanded(TERMS[i]);
  const table = damping(d, both.terms);
  const product = (i: 0 | 1, j: 0 | 1) => {
    const { left, scale } = both.rest(i, j);
    const [x, y] = [both.mlps[i], both.mlps[j]];
    return sphereProduct(x, y, d, lastDegrees(table, left, CUT * scale), multiply, pacer);
  };
  const [ff, fg, gg] = [await product(0, 0), await product(0, 1), await product(1, 1)];
  const norms = [total(ff), total(gg)];
  for (const [at, { label }] of [f, g].entries())
    if (!(norms[at] > 0))
      throw new TensimError('ZERO_NORM', `${label} is zero, so that no similarity to it is defined`);
  const missing = (i: 0 | 1, j: 0 | 1) => {
    const { left, scale } = both.rest(i, j);
    return (left[both.terms] + CUTS * CUT * scale) / Math.sqrt(norms[i] * norms[j]);
  };
  return { ff, fg, gg, certified: missing(0, 1) + (missing(0, 0) + missing(1, 1)) / 2 };
}

/** Two MLPs in series of so many terms. */
interface ExpandedPair {
  readonly terms: number;
  readonly mlps: readonly [ExpandedMlp, ExpandedMlp];
  /** What is left of ⟨f_i, f_j⟩ from degree N + 1 on, by N, and about how large that is. */
  rest(i: 0 | 1, j: 0 | 1): { readonly left: Float64Array; readonly scale: number };
  /** Nothing that counts is left. */
  readonly isEnough: boolean;
}

async function expandBoth(
  f: SphereMlp,
  g: SphereMlp,
  d: number,
  terms: number,
  multiply: RowProducts,
  pacer: Pacer,
): Promise<ExpandedPair> {
  const mlps = [await expand(f, d, terms, pacer), await expand(g, d, terms, pacer)] as const;
  const reach = [await reachOf(mlps[0], multiply, pacer), await reachOf(mlps[1], multiply, pacer)];
  const scales = [await scaleOf(mlps[0], pacer), await scaleOf(mlps[1], pacer)];
  const rest = (i: 0 | 1, j: 0 | 1) => ({
    left: leftOut(reach[i], reach[j], terms),
    scale: Math.sqrt(scales[i] * scales[j]),
  });
  const isEnough = [rest(0, 0), rest(1, 1)].every(({ left, scale }) => left[terms] <= TOLERANCE * scale);
  return { terms, mlps, rest, isEnough };
}

export const total = (degrees: Float64Array): number => degrees.reduce((sum, value) => sum + value, 0);

async function expand(mlp: SphereMlp, d: number, terms: number, pacer: Pacer): Promise<ExpandedMlp> {
  return { mlp, series: await zonalCoefficients(mlp, d, terms, pacer) };
}

/** Σ_i |D_ci| √(what is left of unit i from degree N + 1 on), (terms + 1, outputs). */
async function reachOf(
  { mlp: { down, outputs, hidden }, series: { tails } }: ExpandedMlp,
  multiply: RowProducts,
  pacer: Pacer,
): Promise<Float64Array> {
  const sizes = new Float64Array(down.length);
  for (let i = 0; i < hidden; i++) {
    for (let c = 0; c < outputs; c++) sizes[c * hidden + i] = Math.abs(down[i * outputs + c]);
    if (pacer.due(8 * outputs)) await pacer.pause();
  }
  return multiply(tails.map(Math.sqrt), sizes, hidden);
}

/** Σ_ij |(DᵀD')_ij| times what is left of both units, by N: no more than that is left out of ⟨f, g⟩. */
function leftOut(a: Float64Array, b: Float64Array, terms: number): Float64Array {
  const outputs = a.length / (terms + 1);
  return Float64Array.from({ length: terms + 1 }, (_, n) => {
    let sum = 0;
    for (let c = 0; c < outputs; c++) sum += a[n * outputs + c] * b[n * outputs + c];
    return sum;
  });
}

/** About ‖f‖²: as if its units were orthogonal. */
async function scaleOf(
  { mlp: { down, outputs, hidden, constant }, series: { energies } }: ExpandedMlp,
  pacer: Pacer,
): Promise<number> {
  let sum = constant.reduce((square, value) => square + value * value, 0);
  for (let i = 0; i < hidden; i++) {
    for (let c = 0; c < outputs; c++) sum += down[i * outputs + c] ** 2 * energies[i];
    if (pacer.due(2 * outputs)) await pacer.pause();
  }
  return sum;
}
