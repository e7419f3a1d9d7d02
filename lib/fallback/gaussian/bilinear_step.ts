import type { Pacer } from '../../cooperate.js';
import type { BilinearLayer, LinearLayer } from '../../model/model.js';
import { type MatrixView, rowMajor, transpose } from '../../tensor/matrix.js';
import { multiplyVector } from '../gemm/gemm.js';
import { type BilinearForm, bilinearForm } from './bilinear_form.js';
import { at, blockAt, type Covariance, type Pairs, type PerPosition, type Term, times } from './covariance.js';

/**
 * A bilinear block out = S x + D(u ⊙ v) + c with what its mean input makes of it. The terms of MATH.md section 6 with
 * means are those of its expected derivative G = S + D(m_v ⊙ L + m_u ⊙ R), so that
 *
 *     Cov(out, out') = G C G'ᵀ + D (C_uu' ⊙ C_vv' + C_uv' ⊙ C_vu') D'ᵀ
 */
export interface BilinearStep {
  readonly type: 'bilinear';
  readonly form: BilinearForm;
  /** G (o, in) of every position; null for zero. */
  readonly slope: PerPosition<MatrixView | null>;
}

/** @param mean,cov of the input, whose diagonal blocks alone are used. */
export async function prepareBilinear(
  block: BilinearLayer,
  after: readonly LinearLayer[],
  mean: PerPosition<Float64Array>,
  cov: Covariance,
  pacer: Pacer,
): Promise<{ step: BilinearStep; mean: Float64Array[] }> {
  const form = await bilinearForm(block, after, pacer);
  const slope: (MatrixView | null)[] = [];
  const means: Float64Array[] = [];
  for (const [position, x] of mean.entries()) {
    const sides = await multiplyVector(form.factors, x, form.biases, pacer);
    slope.push(await slopeOf(form, sides, pacer));
    means.push(await meanOf(form, sides, x, blockAt(cov, position, position), pacer));
  }
  return { step: { type: 'bilinear', form, slope }, mean: means };
}

/** S + D(m_v ⊙ L + m_u ⊙ R); `sides` holds m_u, then m_v. */
async function slopeOf(
  { hidden, factors, down, skip }: BilinearForm,
  sides: Float64Array,
  pacer: Pacer,
): Promise<MatrixView | null> {
  if (sides.every((value) => value === 0)) return skip;
  const inputs = factors.columns;
  const rows = new Float64Array(hidden * inputs);
  for (let h = 0; h < hidden; h++) {
    const [u, v] = [sides[h], sides[hidden + h]];
    const [left, right] = [h * inputs, (hidden + h) * inputs];
    for (let i = 0; i < inputs; i++) rows[left + i] = v * factors.data[left + i] + u * factors.data[right + i];
    if (pacer.due(inputs)) await pacer.pause();
  }
  const slope = await times(down, rowMajor(rows, hidden, inputs), pacer);
  if (skip !== null) for (let i = 0; i < slope.data.length; i++) slope.data[i] += skip.data[i];
  return slope;
}

/** E out = S m + D(m_u ⊙ m_v + diag C_uv) + c. */
async function meanOf(
  { hidden, factors, down, skip, constant }: BilinearForm,
  sides: Float64Array,
  x: Float64Array,
  block: MatrixView | null,
  pacer: Pacer,
): Promise<Float64Array> {
  const inputs = factors.columns;
  const products = Float64Array.from({ length: hidden }, (_, h) => sides[h] * sides[hidden + h]);
  if (block !== null) {
    const left = rowMajor(factors.data.subarray(0, hidden * inputs), hidden, inputs);
    const spread = await times(left, block, pacer);
    for (let h = 0; h < hidden; h++) {
      const [from, right] = [h * inputs, (hidden + h) * inputs];
      for (let i = 0; i < inputs; i++) products[h] += spread.data[from + i] * factors.data[right + i];
      if (pacer.due(inputs)) await pacer.pause();
    }
  }
  const mean = await multiplyVector(down, products, constant, pacer);
  return skip === null ? mean : multiplyVector(skip, x, mean, pacer);
}

/** The terms of Cov(out_s, out'_t) for the pairs of positions asked for, in their order. */
export async function bilinearTerms(
  a: BilinearStep,
  b: BilinearStep,
  cov: Covariance,
  pairs: Pairs,
  pacer: Pacer,
): Promise<Term[][]> {
  const quadratic = new Map<unknown, MatrixView>();
  const result: Term[][] = [];
  for (const [s, t] of pairs) {
    const block = blockAt(cov, s, t);
    const terms: Term[] = [];
    result.push(terms);
    if (block === null) continue;
    const [left, right] = [at(a.slope, s), at(b.slope, t)];
    if (left !== null && right !== null) terms.push({ left, middle: block, right });
    const middle = quadratic.get(block.data) ?? (await quadraticPart(a.form, b.form, block, pacer));
    quadratic.set(block.data, middle);
    terms.push({ left: a.form.down, middle, right: b.form.down });
  }
  return result;
}

/** The terms of Cov(out_s, x'_t), the other chain waiting at x'. */
export async function waitingBilinearTerms({ slope }: BilinearStep, cov: Covariance, pairs: Pairs): Promise<Term[][]> {
  return pairs.map(([s, t]) => {
    const [left, middle] = [at(slope, s), blockAt(cov, s, t)];
    return left === null || middle === null ? [] : [{ left, middle, right: null }];
  });
}

/** C_uu' ⊙ C_vv' + C_uv' ⊙ C_vu', (h, h'). */
async function quadraticPart(a: BilinearForm, b: BilinearForm, block: MatrixView, pacer: Pacer): Promise<MatrixView> {
  const half = await times(a.factors, block, pacer);
  const { data, columns } = await times(half, transpose(b.factors), pacer);
  const part = new Float64Array(a.hidden * b.hidden);
  for (let h = 0; h < a.hidden; h++) {
    const [u, v] = [h * columns, (a.hidden + h) * columns];
    for (let k = 0; k < b.hidden; k++) {
      part[h * b.hidden + k] = data[u + k] * data[v + b.hidden + k] + data[u + b.hidden + k] * data[v + k];
    }
    if (pacer.due(2 * b.hidden)) await pacer.pause();
  }
  return rowMajor(part, a.hidden, b.hidden);
}
