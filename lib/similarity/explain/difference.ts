import type { ChainSource, WhitenedLaw } from '../../backend/backend.js';
import { Pacer } from '../../cooperate.js';
import { foldOneBlock, type OneBlock } from '../../fallback/gaussian/one_block.js';
import type { Model } from '../../model/model.js';
import { type Dense, dense, type Engine, einsum, rowsOf } from './algebra.js';
import { rowSpace } from './row_space.js';

/**
 * f_b − f_a of two models of at most one bilinear block, over ξ = basis · z, the r coordinates of the whitened input z that either
 * block sees (MATH.md section 3):
 *
 *     Δf_c = ξᵀ sym(Σ_h weights_ch left_h right_hᵀ) ξ + linear_c · z + const,     h over the units of both
 */
export interface Difference {
  readonly outputs: number;
  /** (H, r) each, rows of length 1 at most. */
  readonly left: Dense;
  readonly right: Dense;
  /** (o, H): β D_ch times the lengths of the unit's rows; negative for units of a. */
  readonly weights: Dense;
  /** (r, k), orthonormal rows; null for the identity, r = k. */
  readonly basis: Dense | null;
  /** Δw, (o, k); null where both are zero. */
  readonly linear: Dense | null;
  /** Δ E f, (o). */
  readonly mean: Float64Array;
}

/** Folds both chains and writes their difference over the fewest coordinates: min(k, 2(h + h')) of them, or less. */
export async function differenceOf(
  models: readonly Pick<Model, 'layers' | 'inputShape'>[],
  law: WhitenedLaw,
  engine: Engine,
): Promise<Difference> {
  const pacer = new Pacer(engine.signal);
  const chain = ({ layers, inputShape: [positions, inputs] }: Pick<Model, 'layers' | 'inputShape'>): ChainSource => {
    return { kind: 'chain', layers, inputs, positions, method: 'one-block', law };
  };
  // Folding is plain algebra on small matrices, the same for every backend.
  const [from, to] = [await foldOneBlock(chain(models[0]), pacer), await foldOneBlock(chain(models[1]), pacer)];
  const { inputs, outputs } = to;
  const units = (from.hidden ?? 0) + (to.hidden ?? 0);
  const rows = new Float64Array(2 * units * inputs);
  const weights = new Float64Array(outputs * units);
  await placeUnits(from, -1, 0, units, rows, weights, pacer);
  await placeUnits(to, 1, from.hidden ?? 0, units, rows, weights, pacer);
  const sides = dense(rows, 2 * units, inputs);
  const basis = 2 * units < inputs ? await rowSpace(sides, engine) : null;
  const coordinates = basis === null ? sides : await coordinatesIn(basis, sides, engine);
  return {
    outputs,
    left: rowsOf(coordinates, 0, units),
    right: rowsOf(coordinates, units, 2 * units),
    weights: dense(weights, outputs, units),
    basis,
    linear: linearDifference(from, to),
    mean: to.mean.map((value, c) => value - from.mean[c]),
  };
}

async function coordinatesIn(basis: Dense, rows: Dense, engine: Engine): Promise<Dense> {
  const [rank] = basis.shape;
  if (rank === 0) return dense(new Float64Array(0), rows.shape[0], 0);
  return einsum('ik,rk->ir', [rows, basis], engine);
}

/** Writes the rows of L and R, scaled to length 1, and the weights D that take their lengths in exchange. */
async function placeUnits(
  { factors, down, hidden, inputs, outputs }: OneBlock,
  sign: number,
  first: number,
  units: number,
  rows: Float64Array,
  weights: Float64Array,
  pacer: Pacer,
): Promise<void> {
  const count = hidden ?? 0;
  for (let h = 0; h < count; h++) {
    let length = sign;
    for (const side of [0, 1]) {
      const row = factors.subarray((2 * h + side) * inputs, (2 * h + side + 1) * inputs);
      length *= placeRow(row, rows, (side * units + first + h) * inputs);
    }
    for (let c = 0; c < outputs; c++) weights[c * units + first + h] = length * down[c * count + h];
    if (pacer.due(4 * inputs + outputs)) await pacer.pause();
  }
}

/** Writes a row scaled to length 1 (zeros stay zeros) and returns its length. */
function placeRow(row: Float64Array, target: Float64Array, at: number): number {
  let square = 0;
  for (const value of row) square += value * value;
  const length = Math.sqrt(square);
  if (length > 0) for (let k = 0; k < row.length; k++) target[at + k] = row[k] / length;
  return length;
}

function linearDifference(from: OneBlock, to: OneBlock): Dense | null {
  if (from.linear === null && to.linear === null) return null;
  const data = new Float64Array(to.outputs * to.inputs);
  for (let i = 0; i < data.length; i++) data[i] = (to.linear?.[i] ?? 0) - (from.linear?.[i] ?? 0);
  return dense(data, to.outputs, to.inputs);
}
