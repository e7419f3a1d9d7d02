import type { ChainSource } from '../../backend/grams.js';
import type { Pacer } from '../../cooperate.js';
import { coefficients } from '../../gaussian/activations/coefficients.js';
import { type GatedUnit, gatedCoefficients, gatedKernels } from '../../gaussian/activations/gated.js';
import { aboutActivation } from '../../layers/activations.js';
import { type MatrixView, rowMajor } from '../../tensor/matrix.js';
import type { DType, TensorData } from '../../tensor/tensor.js';
import { multiply, multiplyVector } from '../gemm/gemm.js';
import { TILE } from '../gemm/kernel.js';
import { panelCount } from '../gemm/pack.js';
import { convert } from '../similarity/convert.js';
import { packRows } from '../similarity/pair_kernel.js';
import { addTails, DEGREES, emptyTails, SERIES, type Tails, tailsOf } from './hidden_bound.js';
import { type HiddenProducts, hiddenProducts } from './hidden_pair.js';
import { type FoldedUnits, foldUnits } from './units.js';

/**
 * A chain of at most one block of units, by Hermite degree (MATH.md sections 10 and 11): degrees 0 and 1 as they are, all
 * higher ones as coefficients of the units. Unit i is p_i(z) + ξ q_i(z), with z = ŵ_i·x, ξ = U⊥_i·x; a hidden layer has
 * no ξ, and p = φ(m + s z).
 */
export interface PreparedHidden {
  readonly kind: 'hidden';
  /** k, the size of the whitened input. */
  readonly inputs: number;
  readonly outputs: number;
  readonly positions: number;
  /** h. */
  readonly hidden: number;
  /** h, rounded up to whole panels. */
  readonly units: number;
  /** Ŵ in panels of four rows (see `packRows`), in the dtype. */
  readonly directions: TensorData;
  /** U⊥ likewise; null for a hidden layer. */
  readonly across: TensorData | null;
  /** D in panels of four outputs. */
  readonly packedDown: Float64Array;
  /** D, (o, h). */
  readonly down: Float64Array;
  /** p_n, n ≤ the last of DEGREES: (units, SERIES). */
  readonly p: Float64Array;
  /** q_{n−1}, likewise; null for a hidden layer. */
  readonly q: Float64Array | null;
  /** What closed forms are given. */
  readonly closed: readonly GatedUnit[];
  readonly tails: Tails;
  /** F_0, (o). */
  readonly constant: Float64Array;
  /** F_1, (o, k), in the dtype, or null if zero. */
  readonly linear: TensorData | null;
  /** The part of ‖f_c‖‖g_c‖ that series may leave out. */
  readonly tolerance: number;
  /** ‖f_c‖, but no less than what rounding leaves: what errors are measured by. */
  readonly norms: Float64Array;
  /** The products of the model with itself. */
  readonly self: HiddenProducts;
}

/**
 * A tenth of what results claim (1e-12 and 1e-6): slices that are scaled apart, and closed forms, add to the error too.
 */
const TOLERANCE: Readonly<Record<DType, number>> = { float64: 1e-13, float32: 1e-7 };
/** A norm smaller than this part of the terms that it is made of is not known well enough to measure errors by. */
const CANCELLED = 2 ** -36;
/** How much larger than a norm the guess of it may have been. */
const CLOSE = 8;

/**
 * Folds, packs and expands a chain. `float32` rounds Ŵ, U⊥ and F_1 to single precision; all arithmetic is in double
 * precision.
 * @throws TensimError `UNSUPPORTED_LAYER` as `foldUnits`.
 */
export async function prepareHidden(source: ChainSource, dtype: DType, pacer: Pacer): Promise<PreparedHidden> {
  const folded = await foldUnits(source, pacer);
  const { inputs, outputs, hidden, directions, down, up } = folded;
  const units = panelCount(hidden) * TILE;
  const series = await seriesOf(folded, units, pacer);
  const rounded = (data: Float64Array) => convert(data, dtype, pacer);
  const { constant, linear } = await degreesBelowTwo(folded, series, pacer);
  const { tails, energies } = await tailsOfUnits(folded, series, pacer);
  const prepared: Omit<PreparedHidden, 'norms' | 'self'> = {
    ...{ kind: 'hidden', inputs, outputs, positions: source.positions, hidden, units },
    directions: await rounded(await packRows(directions, hidden, inputs, inputs, pacer)),
    across: up && (await rounded(await packRows(up.across, hidden, inputs, inputs, pacer))),
    packedDown: await packRows(down, outputs, hidden, units, pacer),
    down,
    ...{ p: series.p, q: series.q, closed: series.closed, tails, constant },
    linear: linear && (await rounded(linear)),
    tolerance: TOLERANCE[dtype],
  };
  return { ...prepared, ...(await withItself(prepared, energies, pacer)) };
}

interface UnitSeries extends Pick<PreparedHidden, 'p' | 'q' | 'closed'> {
  /** E p² and E q² of every unit. */
  readonly energyP: Float64Array;
  readonly energyQ: Float64Array;
}

/** The coefficients of all units, with places for those that fill the last panel. */
async function seriesOf(folded: FoldedUnits, units: number, pacer: Pacer): Promise<UnitSeries> {
  const { hidden, activation, slopes, means, deviations, up } = folded;
  const closed = Array.from({ length: hidden }, (_, i): GatedUnit => {
    const own = slopes === null ? activation : { ...activation, slope: slopes[i] };
    const line = { constant: up?.constants[i] ?? 1, beta: up?.along[i] ?? 0 };
    return { activation: own, mean: means[i], deviation: deviations[i], ...line };
  });
  const p = new Float64Array(units * SERIES);
  if (up === null) {
    const { values, energy } = await coefficients(activation, slopes, means, deviations, SERIES - 1, pacer);
    p.set(values);
    return { p, q: null, closed, energyP: energy, energyQ: energy };
  }
  const gates = { means, deviations, constants: up.constants, betas: up.along };
  const series = await gatedCoefficients(activation, slopes, gates, SERIES - 1, pacer);
  p.set(series.p);
  const q = new Float64Array(units * SERIES);
  const [energyP, energyQ] = [new Float64Array(hidden), new Float64Array(hidden)];
  for (let i = 0; i < hidden; i++) {
    const at = i * SERIES;
    q.set(series.q.subarray(at, at + SERIES - 1), at + 1);
    const [pp, , , qq] = gatedKernels(closed[i], closed[i], 1);
    energyP[i] = pp;
    energyQ[i] = qq;
    if (pacer.due(8 * SERIES)) await pacer.pause();
  }
  return { p, q, closed, energyP, energyQ };
}

/**
 * F_0 = c + D p_0 and F_1 = S + D (p_1 Ŵ + q_0 U⊥).
 * @param count of the coefficients of a unit.
 */
export async function degreesBelowTwo(
  { inputs, outputs, hidden, directions, up, down, constant, skip }: FoldedUnits,
  { p, q }: Pick<UnitSeries, 'p' | 'q'>,
  pacer: Pacer,
  count = SERIES,
): Promise<{ constant: Float64Array; linear: Float64Array | null }> {
  if (hidden === 0) return { constant, linear: skip };
  const weights: MatrixView = rowMajor(down, outputs, hidden);
  const zeroth = Float64Array.from({ length: hidden }, (_, i) => p[i * count]);
  const rows = new Float64Array(hidden * inputs);
  for (let i = 0, at = 0; i < hidden; i++) {
    const [along, across] = [p[i * count + 1], q === null ? 0 : q[i * count + 1]];
    for (let j = 0; j < inputs; j++, at++) {
      rows[at] = along * directions[at] + (up === null ? 0 : across * up.across[at]);
    }
    if (pacer.due(3 * inputs)) await pacer.pause();
  }
  const linear = await multiply(weights, rowMajor(rows, hidden, inputs), pacer);
  if (skip !== null) for (let i = 0; i < linear.length; i++) linear[i] += skip[i];
  return { constant: await multiplyVector(weights, zeroth, constant, pacer), linear };
}

/**
 * The tails of all series, and E of the square of every unit without its degrees 0 and 1: what units would add to a norm
 * if they were independent.
 */
async function tailsOfUnits(
  { hidden, outputs, activation, up, down }: FoldedUnits,
  { p, q, energyP, energyQ }: UnitSeries,
  pacer: Pacer,
): Promise<{ tails: Tails; energies: Float64Array }> {
  const tails = emptyTails(hidden, outputs, up !== null);
  const { degree } = aboutActivation(activation.name);
  const own = new Float64Array(DEGREES.length);
  const energies = new Float64Array(hidden);
  for (let i = 0; i < hidden; i++) {
    const at = i * SERIES;
    const row = p.subarray(at, at + SERIES);
    tailsOf(row, energyP[i], degree === null || up === null ? degree : degree + 1, 0, own);
    addTails(tails.p, tails, own, down, i, hidden);
    energies[i] = own[0] ** 2 + row[2] ** 2;
    if (q !== null && tails.q !== null && up !== null) {
      const length = up.lengths[i];
      tailsOf(q.subarray(at + 1, at + SERIES), energyQ[i], degree, 1, own);
      for (let l = 0; l < own.length; l++) own[l] *= length;
      addTails(tails.q, tails, own, down, i, hidden);
      energies[i] += own[0] ** 2 + (length * q[at + 2]) ** 2;
    }
    if (pacer.due(2 * DEGREES.length * outputs)) await pacer.pause();
  }
  return { tails, energies };
}

/**
 * ⟨f, f⟩. Errors are measured by ‖f_c‖, which is not known before: where a first guess, of independent units, turns out
 * to be far too large, the product is taken once more.
 */
async function withItself(
  prepared: Omit<PreparedHidden, 'norms' | 'self'>,
  energies: Float64Array,
  pacer: Pacer,
): Promise<Pick<PreparedHidden, 'norms' | 'self'>> {
  const { outputs, hidden, down, constant, linear, inputs, positions, closed } = prepared;
  const [guess, least] = [new Float64Array(outputs), new Float64Array(outputs)];
  for (let c = 0; c < outputs; c++) {
    let [squares, terms] = [constant[c] ** 2, 0];
    for (let j = c * inputs; linear !== null && j < (c + 1) * inputs; j++) squares += linear[j] ** 2;
    for (let i = 0; i < hidden; i++) {
      const weight = down[c * hidden + i];
      squares += weight * weight * energies[i];
      terms += Math.abs(weight) * Math.sqrt(energies[i]);
    }
    least[c] = CANCELLED * terms;
    guess[c] = Math.max(Math.sqrt(squares), least[c]);
    if (pacer.due(inputs + 4 * hidden)) await pacer.pause();
  }
  const normsOf = ({ slices }: HiddenProducts) =>
    slices.map((square, c) => Math.max(Math.sqrt(Math.max(0, square / positions)), least[c]));
  const first = await hiddenProducts({ ...prepared, norms: guess }, null, true, pacer);
  const norms = normsOf(first);
  if (closed.length === 0 || guess.every((one, c) => one <= CLOSE * norms[c])) return { norms, self: first };
  const self = await hiddenProducts({ ...prepared, norms }, null, true, pacer);
  return { norms: normsOf(self), self };
}
