import type { Pacer } from '../../cooperate.js';
import { rowMajor } from '../../tensor/matrix.js';
import { multiply } from '../gemm/gemm.js';

/** k(k+1)/2 */
export function denseFormSize(inputs: number): number {
  return (inputs * (inputs + 1)) / 2;
}

/** Elements of the form of a unit that are made at a time, about. */
const BLOCK = 2048;

/**
 * The symmetric matrices B_c = sym(Σ_h D_ch L_h R_hᵀ) of a block over its whitened inputs, one packed vector per output
 * (o, k(k+1)/2), scaled so that the product of two vectors is 2⟨B_c, B'_c⟩ (MATH.md section 3):
 *
 *     for i ≤ j, row after row:    √2·B_ii on the diagonal,  2·B_ij beside it
 *
 * The forms of single units, L_h R_hᵀ + R_h L_hᵀ packed like this, are made a block at a time; D times the block is the
 * same block of the result.
 *
 * @param factors (2h, k), the rows L_0, R_0, L_1, R_1, …
 * @param down D, (o, h).
 */
export async function denseForm(
  factors: Float64Array,
  down: Float64Array,
  hidden: number,
  inputs: number,
  outputs: number,
  pacer: Pacer,
): Promise<Float64Array> {
  const size = denseFormSize(inputs);
  const forms = new Float64Array(outputs * size);
  const weights = rowMajor(down, outputs, hidden);
  let at = 0;
  for (let first = 0, end = 0; first < inputs; first = end) {
    let length = 0;
    for (; end < inputs && length < BLOCK; end++) length += inputs - end;
    const units = new Float64Array(hidden * length);
    for (let h = 0; h < hidden; h++) {
      unitForm(factors, h, inputs, first, end, units, h * length);
      if (pacer.due(3 * length)) await pacer.pause();
    }
    const block = await multiply(weights, rowMajor(units, hidden, length), pacer);
    for (let c = 0; c < outputs; c++) forms.set(block.subarray(c * length, (c + 1) * length), c * size + at);
    at += length;
  }
  return forms;
}

/** Rows `first` … `end − 1` of the packed form of unit h, from `to` on. */
function unitForm(
  factors: Float64Array,
  h: number,
  inputs: number,
  first: number,
  end: number,
  units: Float64Array,
  to: number,
): void {
  const left = 2 * h * inputs;
  const right = left + inputs;
  let at = to;
  for (let i = first; i < end; i++) {
    const l = factors[left + i];
    const r = factors[right + i];
    units[at++] = Math.SQRT2 * l * r;
    for (let j = i + 1; j < inputs; j++) units[at++] = l * factors[right + j] + r * factors[left + j];
  }
}
