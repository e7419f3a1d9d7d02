import type { OneBlock } from '../../backend/forms.js';
import type { ChainMethod, ChainSource, WhitenedLaw } from '../../backend/grams.js';
import { Pacer } from '../../cooperate.js';
import type { Layer, Model } from '../../model/model.js';
import { differenceChain } from '../difference/chain.js';
import { type Dense, dense, type Engine, einsum, rowsOf } from './algebra.js';
import { rowSpace } from './row_space.js';

/**
 * f_b − f_a of two models of at most one bilinear block, or its part of degree two and less for other units, over ξ = basis · z, the r coordinates of the whitened input z
 * that either block sees (MATH.md section 3):
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

/** What the two models are, in the same units. */
type Pair = readonly [Pick<Model, 'layers' | 'inputShape'>, Pick<Model, 'layers' | 'inputShape'>];

/**
 * Folds the difference and writes it over the fewest coordinates: min(k, two for each of its units) of them, or less.
 * @param near whether the two are so near each other that their parts would cancel.
 * @param method `one-block`, or `hidden` for other units than bilinear ones.
 */
export async function differenceOf(
  models: Pair,
  near: boolean,
  method: ChainMethod,
  law: WhitenedLaw,
  engine: Engine,
): Promise<Difference> {
  const pacer = new Pacer(engine.signal);
  const parts = await foldedParts(models, near, method, law, engine, pacer);
  const [{ block }] = parts;
  const { inputs, outputs } = block;
  const units = parts.reduce((sum, part) => sum + (part.block.hidden ?? 0), 0);
  const rows = new Float64Array(2 * units * inputs);
  const weights = new Float64Array(outputs * units);
  let first = 0;
  for (const { block, factor } of parts) {
    await placeUnits(block, factor, first, units, rows, weights, pacer);
    first += block.hidden ?? 0;
  }
  const sides = dense(rows, 2 * units, inputs);
  const basis = 2 * units < inputs ? await rowSpace(sides, engine) : null;
  const coordinates = basis === null ? sides : await coordinatesIn(basis, sides, engine);
  return {
    outputs,
    left: rowsOf(coordinates, 0, units),
    right: rowsOf(coordinates, units, 2 * units),
    weights: dense(weights, outputs, units),
    basis,
    linear: linearOf(parts),
    mean: sumOf(parts, outputs, ({ mean }) => mean),
  };
}

/** Σ factor · block is the difference b − a. */
interface Part {
  readonly block: OneBlock;
  readonly factor: number;
}

/**
 * The chain of the difference, in which nothing large cancels; where there is none, or one that is not exact, or no need
 * of it, b and −a.
 */
async function foldedParts(
  [a, b]: Pair,
  near: boolean,
  method: ChainMethod,
  law: WhitenedLaw,
  { backend, signal, threads }: Engine,
  pacer: Pacer,
): Promise<Part[]> {
  const [positions, inputs] = a.inputShape;
  const fold = (layers: readonly Layer[]): Promise<OneBlock> => {
    const source: ChainSource = { kind: 'chain', layers, inputs, positions, method, law };
    return backend.forms.fold(source, { signal, threads });
  };
  const found = near ? await differenceChain(b.layers, a.layers, pacer, { law, inputs }) : null;
  const isExact = found !== null && found.error === 0;
  if (isExact && found.layers !== null) return [{ block: await fold(found.layers), factor: found.scale }];
  return [
    { block: await fold(a.layers), factor: -1 },
    { block: await fold(b.layers), factor: 1 },
  ];
}

async function coordinatesIn(basis: Dense, rows: Dense, engine: Engine): Promise<Dense> {
  const [rank] = basis.shape;
  if (rank === 0) return dense(new Float64Array(0), rows.shape[0], 0);
  return einsum('ik,rk->ir', [rows, basis], engine);
}

/** Writes the rows of L and R, scaled to length 1, and the weights D that take their lengths in exchange. */
async function placeUnits(
  { factors, down, hidden, inputs, outputs }: OneBlock,
  factor: number,
  first: number,
  units: number,
  rows: Float64Array,
  weights: Float64Array,
  pacer: Pacer,
): Promise<void> {
  const count = hidden ?? 0;
  for (let h = 0; h < count; h++) {
    let length = factor;
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

function linearOf(parts: readonly Part[]): Dense | null {
  if (parts.every(({ block }) => block.linear === null)) return null;
  const [{ block }] = parts;
  const size = block.outputs * block.inputs;
  return dense(
    sumOf(parts, size, ({ linear }) => linear),
    block.outputs,
    block.inputs,
  );
}

function sumOf(parts: readonly Part[], size: number, of: (block: OneBlock) => Float64Array | null): Float64Array {
  const sum = new Float64Array(size);
  for (const { block, factor } of parts) for (const [i, value] of of(block)?.entries() ?? []) sum[i] += factor * value;
  return sum;
}
