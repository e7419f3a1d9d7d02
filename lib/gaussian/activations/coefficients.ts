import type { Pacer } from '../../cooperate.js';
import type { Activation } from '../../layers/activations.js';
import { closedCoefficients } from './closed.js';
import { activationValue } from './evaluate.js';
import { grainOf } from './grain.js';
import { isSmooth, type Nodes, nodesFor, together } from './line.js';

/** a_n = E φ(m + s z) h_n(z) of units, and E φ². */
export interface Coefficients {
  /** (units, terms + 1), row-major. */
  readonly values: Float64Array;
  /** E φ(m + s z)² = Σ a_n² over all n, by itself: what the coefficients leave out is the rest. */
  readonly energy: Float64Array;
}

/** Beyond this h_n ϕ is below rounding for every degree, with what functions that grow by powers add. */
const REACH = 12.5;

/**
 * The Hermite coefficients of units z ↦ φ(m_i + s_i z), h_n = He_n/√n!: closed forms where there are, else quadrature to
 * rounding (MATH.md section 10). A unit's numbers do not depend on the units beside it.
 * @param slopes of `prelu`, one per unit; null: that of the activation.
 * @param deviations s_i ≥ 0; a unit with s = 0 is a constant.
 * @param terms the highest degree, ≥ 0.
 */
export async function coefficients(
  activation: Activation,
  slopes: ArrayLike<number> | null,
  means: ArrayLike<number>,
  deviations: ArrayLike<number>,
  terms: number,
  pacer: Pacer,
): Promise<Coefficients> {
  const units = means.length;
  const values = new Float64Array(units * (terms + 1));
  const energy = new Float64Array(units);
  const tables: Tables = new Map();
  for (let i = 0; i < units; i++) {
    const own = slopes === null ? activation : { ...activation, slope: slopes[i] };
    const row = values.subarray(i * (terms + 1), (i + 1) * (terms + 1));
    energy[i] = unitCoefficients(own, means[i], deviations[i], row, tables);
    if (pacer.due(WORK_OF_UNIT + terms * WORK_OF_TERM)) await pacer.pause();
  }
  return { values, energy };
}

/** About the multiply-adds of one unit. */
const WORK_OF_UNIT = 4096;
const WORK_OF_TERM = 256;

/** Nodes of the trapezoidal rule with h_n at each of them, for all units of deviations up to the key. */
type Tables = Map<number, Table>;

interface Table {
  readonly nodes: Nodes;
  /** (nodes, terms + 1). */
  readonly hermite: Float64Array;
}

/** Writes a_n of one unit to every `out[n]`; returns E φ². */
export function unitCoefficients(
  activation: Activation,
  m: number,
  s: number,
  out: Float64Array,
  tables: Tables = new Map(),
): number {
  if (s === 0) {
    out.fill(0);
    out[0] = activationValue(activation)(m);
    return out[0] * out[0];
  }
  if (closedCoefficients(activation, m, s, out)) return energyOf(activation, m, s);
  const value = activationValue(activation);
  const { nodes, hermite } = tableFor(activation, m, s, out.length, tables);
  out.fill(0);
  let energy = 0;
  for (const [p, z] of nodes.z.entries()) {
    const at = value(m + s * z);
    const weighted = nodes.weights[p] * at;
    energy += weighted * at;
    for (let n = 0, k = p * out.length; n < out.length; n++, k++) out[n] += weighted * hermite[k];
  }
  return energy;
}

function tableFor(activation: Activation, m: number, s: number, count: number, tables: Tables): Table {
  const frequency = Math.sqrt(count);
  const bucket = 2 ** Math.ceil(Math.log2(s));
  const shared = grainOf(activation, 0, bucket);
  if (!isSmooth(shared, frequency)) return tableAt(nodesFor(grainOf(activation, m, s), REACH, frequency), count);
  let table = tables.get(bucket);
  if (table === undefined) {
    table = tableAt(nodesFor(shared, REACH, frequency), count);
    tables.set(bucket, table);
  }
  return table;
}

function tableAt(nodes: Nodes, count: number): Table {
  const hermite = new Float64Array(nodes.z.length * count);
  for (const [p, z] of nodes.z.entries()) {
    let [before, value] = [0, 1];
    for (let n = 0; n < count; n++) {
      hermite[p * count + n] = value;
      [before, value] = [value, (z * value - Math.sqrt(n) * before) / Math.sqrt(n + 1)];
    }
  }
  return { nodes, hermite };
}

/** E φ² of activations with closed coefficients. */
function energyOf(activation: Activation, m: number, s: number): number {
  const [square, mean] = [s * s, m * m];
  switch (activation.name) {
    case 'identity':
      return mean + square;
    case 'square':
      return mean * mean + 6 * mean * square + 3 * square * square;
    case 'exp':
      return Math.exp(2 * m + 2 * square);
    // ½ (1 ∓ cos(2m) e^(−2s²)) without the difference of nearly equal numbers.
    case 'sin':
      return Math.exp(-2 * square) * Math.sin(m) ** 2 - 0.5 * Math.expm1(-2 * square);
    case 'cos':
      return Math.exp(-2 * square) * Math.cos(m) ** 2 - 0.5 * Math.expm1(-2 * square);
    default: {
      const value = activationValue(activation);
      const grain = grainOf(activation, m, s);
      const nodes = nodesFor(together(grain, grain), REACH);
      let energy = 0;
      for (const [p, z] of nodes.z.entries()) energy += nodes.weights[p] * value(m + s * z) ** 2;
      return energy;
    }
  }
}
