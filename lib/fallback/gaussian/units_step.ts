import type { Pacer } from '../../cooperate.js';
import type { Layer, LinearLayer } from '../../model/model.js';
import { multiplyVector } from '../gemm/gemm.js';
import { at, blockAt, type Covariance, type Pairs, type PerPosition, type Term } from './covariance.js';
import { type UnitsForm, unitsForm } from './units_form.js';
import { higherDegrees } from './units_kernel.js';
import { stateOf, TERMS, type UnitsState } from './units_state.js';

/** A block of units in the closure; blocks of all kinds with units meet as one kind. */
export interface UnitsStep {
  readonly type: 'gated';
  readonly form: UnitsForm;
  readonly states: PerPosition<UnitsState>;
}

/** @param mean,cov of the input, whose diagonal blocks alone are used. */
export async function prepareUnits(
  layer: Layer,
  after: readonly LinearLayer[],
  mean: PerPosition<Float64Array>,
  cov: Covariance,
  pacer: Pacer,
): Promise<{ step: UnitsStep; mean: Float64Array[] }> {
  const form = await unitsForm(layer, after, pacer);
  const states: UnitsState[] = [];
  const means: Float64Array[] = [];
  for (const [position, x] of mean.entries()) {
    const state = await stateOf(form, x, blockAt(cov, position, position), pacer);
    states.push(state);
    const constants = Float64Array.from(state.means, (_, i) => state.coefficients.p[i * (TERMS + 1)]);
    const through = await multiplyVector(form.down, constants, form.constant, pacer);
    means.push(form.skip === null ? through : await multiplyVector(form.skip, x, through, pacer));
  }
  return { step: { type: 'gated', form, states }, mean: means };
}

/** The terms of Cov(out_s, out'_t) for the pairs of positions asked for: G C G'ᵀ + D K D'ᵀ, K from degree 2 on. */
export async function unitsTerms(
  a: UnitsStep,
  b: UnitsStep,
  cov: Covariance,
  pairs: Pairs,
  pacer: Pacer,
): Promise<Term[][]> {
  const result: Term[][] = [];
  for (const [s, t] of pairs) {
    const block = blockAt(cov, s, t);
    const [left, right] = [at(a.states, s), at(b.states, t)];
    if (block === null) {
      result.push([]);
      continue;
    }
    const middle = await higherDegrees(left, right, block, pacer);
    result.push([
      { left: left.slope, middle: block, right: right.slope },
      { left: a.form.down, middle, right: b.form.down },
    ]);
  }
  return result;
}

/** The terms of Cov(out_s, x'_t), the other chain waiting at x'. */
export async function waitingUnitsTerms({ states }: UnitsStep, cov: Covariance, pairs: Pairs): Promise<Term[][]> {
  return pairs.map(([s, t]) => {
    const middle = blockAt(cov, s, t);
    return middle === null ? [] : [{ left: at(states, s).slope, middle, right: null }];
  });
}
