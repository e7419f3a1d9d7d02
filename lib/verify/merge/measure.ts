import type { Products } from '../../blocks/products.js';
import type { Pacer } from '../../cooperate.js';
import type { TensorEntry } from '../../formats/checkpoint.js';
import { asStored, type Delta } from './delta.js';
import type { Allowance } from './rounding.js';
import { AT_ONCE, matrixOf, type TensorRows } from './rows.js';

/** A tensor in the base and in the merged network. */
export interface Both {
  readonly base: TensorEntry;
  readonly merged: TensorEntry;
}

/** What reading takes. */
export interface Reading {
  readonly base: TensorRows;
  readonly merged: TensorRows;
  readonly products: Products;
  readonly pacer: Pacer;
}

/** What is found of D = merged − base beside ΔW, in one reading of both. */
export interface Measured {
  readonly finite: boolean;
  /** ⟨D, D⟩, ⟨D, ΔW⟩, ⟨ΔW, ΔW⟩, ‖D − ΔW‖² and ‖merged‖². */
  readonly dd: number;
  readonly dw: number;
  readonly ww: number;
  readonly rest: number;
  readonly mm: number;
  /** Whether all elements are what they are after merging once, without and with rounding, never, and twice. */
  readonly once: boolean;
  readonly onceRounded: boolean;
  readonly never: boolean;
  readonly twice: boolean;
  /** D Aᵀ, (outputs, rank). */
  readonly projected: Float64Array;
}

/** Goes through a tensor in the base and in the merged network, some rows at a time. */
export async function* pieces(
  { base: first, merged: second }: Both,
  { base, merged }: Pick<Reading, 'base' | 'merged'>,
): AsyncGenerator<{ from: number; to: number; columns: number; before: Float64Array; after: Float64Array }> {
  const [rows, columns] = matrixOf(first);
  const step = Math.max(1, Math.floor(AT_ONCE / Math.max(1, columns)));
  for (let from = 0; from < rows; from += step) {
    const to = Math.min(rows, from + step);
    const before = await base.read(first, from * columns, to * columns);
    const after = await merged.read(second, from * columns, to * columns);
    yield { from, to, columns, before, after };
  }
}

/** Adds up what `Measured` tells, row by row. */
class Sums {
  dd = 0;
  dw = 0;
  ww = 0;
  rest = 0;
  mm = 0;
  finite = true;
  once = true;
  onceRounded = true;
  never = true;
  twice = true;
}

/**
 * Compares the change of a tensor with what adapters are to change of it.
 * @param fine what a merge may be off by that is not rounded, `coarse` one that is
 */
export async function measure(
  both: Both,
  delta: Delta,
  fine: Allowance,
  coarse: Allowance,
  reading: Reading,
): Promise<Measured> {
  const { products, pacer } = reading;
  const { rank, inputs, outputs, a, turned } = delta;
  const stored = await asStored(delta, pacer);
  const projected = new Float64Array(outputs * rank);
  const sums = new Sums();
  for await (const { from, to, columns, before, after } of pieces(both, reading)) {
    const change = await products.plain(stored.left.subarray(from * rank, to * rank), stored.right, rank);
    for (let i = from; i < to; i++) {
      addRow(sums, i - from, columns, before, after, change, {
        ...{ fine, coarse, rightNorms: stored.rightNorms, leftNorm: stored.leftNorms[i] },
      });
      if (pacer.due(4 * columns)) await pacer.pause();
    }
    // What has been compared is overwritten by the difference.
    for (let k = 0; k < after.length; k++) after[k] -= before[k];
    if (!sums.finite) continue;
    const found = turned
      ? await products.columns(after, stored.left.subarray(from * rank, to * rank), to - from)
      : await products.rows(after, a, inputs);
    if (turned) for (let k = 0; k < found.length; k++) projected[k] += found[k];
    else projected.set(found, from * rank);
  }
  const { finite, dd, dw, ww, rest, mm, once, onceRounded, never, twice } = sums;
  return { finite, dd, dw, ww, rest, mm, once, onceRounded, never, twice, projected };
}

interface RowLimits {
  readonly fine: Allowance;
  readonly coarse: Allowance;
  readonly leftNorm: number;
  readonly rightNorms: Float64Array;
}

function addRow(
  sums: Sums,
  row: number,
  columns: number,
  before: Float64Array,
  after: Float64Array,
  change: Float64Array,
  { fine, coarse, leftNorm, rightNorms }: RowLimits,
): void {
  let [dd, dw, ww, rest, mm] = [0, 0, 0, 0, 0];
  let [once, onceRounded, never, twice] = [true, true, true, true];
  for (let j = 0, at = row * columns; j < columns; j++, at++) {
    const [b, m, w] = [before[at], after[at], change[at]];
    const d = m - b;
    const off = Math.abs(d - w);
    dd += d * d;
    dw += d * w;
    ww += w * w;
    rest += off * off;
    mm += m * m;
    const size = Math.max(Math.abs(b), Math.abs(m));
    const ofFactors = leftNorm * rightNorms[j];
    const rounded = coarse.ofWeight * size + coarse.least;
    if (off > fine.ofWeight * size + fine.ofFactors * ofFactors + fine.least) once = false;
    if (off > rounded + coarse.ofFactors * ofFactors) onceRounded = false;
    if (Math.abs(d) > rounded) never = false;
    if (Math.abs(d - 2 * w) > 2 * (rounded + coarse.ofFactors * ofFactors)) twice = false;
  }
  sums.dd += dd;
  sums.dw += dw;
  sums.ww += ww;
  sums.rest += rest;
  sums.mm += mm;
  sums.once &&= once;
  sums.onceRounded &&= onceRounded;
  sums.never &&= never;
  sums.twice &&= twice;
  if (!Number.isFinite(dd)) sums.finite = false;
}
