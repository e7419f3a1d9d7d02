import type { Pacer } from '../../cooperate.js';
import { type GatedCoefficients, gatedCoefficients } from '../../gaussian/activations/gated.js';
import { type MatrixView, rowMajor } from '../../tensor/matrix.js';
import { multiplyVector } from '../gemm/gemm.js';
import { times } from './covariance.js';
import type { UnitsForm } from './units_form.js';

/** Degrees of the series between two units; where they do not suffice, closed forms and quadrature take over. */
export const TERMS = 64;

/** The units of a block at one position, as their mean input and its covariance make them (MATH.md section 14). */
export interface UnitsState {
  readonly form: UnitsForm;
  /** m_i and s_i of W x + b. */
  readonly means: Float64Array;
  readonly deviations: Float64Array;
  /** Ŵ = diag(1/s) W, zero where s is. */
  readonly direction: MatrixView;
  /** Of gated blocks: u_i, β_i and U⊥ = U − diag(β) Ŵ. */
  readonly gate: {
    readonly constants: Float64Array;
    readonly betas: Float64Array;
    readonly rest: MatrixView;
  } | null;
  /** Of a hidden layer p = q = φ: it is a block that gates the constant 1. */
  readonly coefficients: GatedCoefficients;
  /** What the series of a hidden unit leaves out of the root of E φ², as a share of it; 1 for gated ones. */
  readonly tails: Float64Array;
  /** G, the expected derivative of the block (o, in). */
  readonly slope: MatrixView;
}

/** @param block the covariance of the input; null for zero. */
export async function stateOf(
  form: UnitsForm,
  x: Float64Array,
  block: MatrixView | null,
  pacer: Pacer,
): Promise<UnitsState> {
  const { weight, up, activation, slopes } = form;
  const [units, inputs] = [weight.rows, weight.columns];
  const means = await multiplyVector(weight, x, form.bias, pacer);
  const spread = block === null ? null : await times(weight, block, pacer);
  const variances = await rowProducts(spread, weight, pacer);
  const deviations = variances.map((variance) => Math.sqrt(Math.max(variance, 0)));
  const direction = rowMajor(new Float64Array(units * inputs), units, inputs);
  await eachEntry(weight, pacer, (value, i, k) => {
    direction.data[i * inputs + k] = deviations[i] === 0 ? 0 : value / deviations[i];
  });
  const gate = up === null ? null : await gateOf(up, x, spread, direction, deviations, pacer);
  const constants = gate?.constants ?? new Float64Array(units).fill(1);
  const betas = gate?.betas ?? new Float64Array(units);
  const own = await gatedCoefficients(activation, slopes, { means, deviations, constants, betas }, TERMS, pacer);
  const tails = gate === null ? tailsOf(own.p, own.energy) : new Float64Array(units).fill(1);
  const slope = await slopeOf(form, direction, gate?.rest ?? null, own, pacer);
  return { form, means, deviations, direction, gate, coefficients: own, tails, slope };
}

/** The regression of what is gated on the gate: β_i = (W C Uᵀ)_ii / s_i. */
async function gateOf(
  { weight, bias }: { readonly weight: MatrixView; readonly bias: Float64Array },
  x: Float64Array,
  spread: MatrixView | null,
  direction: MatrixView,
  deviations: Float64Array,
  pacer: Pacer,
) {
  const covariances = await rowProducts(spread, weight, pacer);
  const betas = covariances.map((value, i) => (deviations[i] === 0 ? 0 : value / deviations[i]));
  const rest = rowMajor(new Float64Array(weight.rows * weight.columns), weight.rows, weight.columns);
  await eachEntry(weight, pacer, (value, i, k) => {
    const at = i * weight.columns + k;
    rest.data[at] = value - betas[i] * direction.data[at];
  });
  return { constants: await multiplyVector(weight, x, bias, pacer), betas, rest };
}

/** √(1 − Σ a_n² / E φ²), at least what rounding leaves of it. */
function tailsOf(values: Float64Array, energy: Float64Array): Float64Array {
  return energy.map((whole, i) => {
    let rest = whole;
    for (let n = 0; n <= TERMS; n++) rest -= values[i * (TERMS + 1) + n] ** 2;
    return whole === 0 ? 0 : Math.sqrt(Math.max(rest / whole, Number.EPSILON));
  });
}

/** S + D (diag(p_1) Ŵ + diag(q_0) U⊥). */
async function slopeOf(
  form: UnitsForm,
  direction: MatrixView,
  rest: MatrixView | null,
  { p, q }: GatedCoefficients,
  pacer: Pacer,
): Promise<MatrixView> {
  const inner = rowMajor(new Float64Array(direction.data.length), direction.rows, direction.columns);
  await eachEntry(direction, pacer, (value, i, k) => {
    const other = rest === null ? 0 : q[i * (TERMS + 1)] * rest.data[i * rest.columns + k];
    inner.data[i * direction.columns + k] = p[i * (TERMS + 1) + 1] * value + other;
  });
  const slope = await times(form.down, inner, pacer);
  if (form.skip !== null) for (let i = 0; i < slope.data.length; i++) slope.data[i] += form.skip.data[i];
  return slope;
}

/** Row i of one times row i of the other. */
async function rowProducts(a: MatrixView | null, b: MatrixView, pacer: Pacer): Promise<Float64Array> {
  const sums = new Float64Array(b.rows);
  if (a === null) return sums;
  await eachEntry(b, pacer, (value, i, k) => {
    sums[i] += a.data[i * a.columns + k] * value;
  });
  return sums;
}

async function eachEntry(
  { data, rows, columns, rowStride, columnStride }: MatrixView,
  pacer: Pacer,
  visit: (value: number, row: number, column: number) => void,
): Promise<void> {
  for (let i = 0; i < rows; i++) {
    for (let k = 0; k < columns; k++) visit(data[i * rowStride + k * columnStride], i, k);
    if (pacer.due(columns)) await pacer.pause();
  }
}
