import type { MergedTensor } from '../terms.js';
import { solve } from './algebra.js';
import type { Delta } from './delta.js';
import type { Measured } from './measure.js';

/** What became of one change of a tensor, before anybody looks where else it may be. */
export interface Decision {
  readonly state: MergedTensor['state'];
  readonly factor: number | null;
  readonly error: number | null;
  /** By what each adapter's own change is multiplied, where there are several and they can be told apart. */
  readonly factors?: readonly number[];
  /** The change is too small for the type: merged or not, the numbers are the same. */
  readonly lost?: true;
}

/** How near to a number a factor is that it: rounding moves it by less, and so do two alphas of use. */
const NEAR = 0.02;
/** The part of a change that may be in no multiple of ΔW, where the factor is at fault and nothing else. */
const BESIDE = 0.03;

export const isNear = (value: number, wanted: number): boolean =>
  Math.abs(value - wanted) <= NEAR * Math.max(1, Math.abs(wanted));

/**
 * What became of a change.
 * @param unit of the coarsest type at hand, by which rounding can change a weight
 * @param grams ⟨ΔWᵢ, ΔWⱼ⟩ of the adapters that change it
 */
export function decide(
  measured: Measured,
  delta: Delta,
  unit: number,
  grams: readonly (readonly number[])[],
): Decision {
  const { dd, dw, ww, rest, mm, finite, once, onceRounded, never, twice } = measured;
  if (!finite) return { state: 'different', factor: null, error: null };
  if (ww === 0) return { state: never ? 'merged' : 'different', factor: null, error: null };
  const factor = dw / ww;
  const about = { factor, error: Math.sqrt(rest / ww) };
  // What rounding of the weights adds to the change; where that is little, a factor is exact.
  const noise = (unit ** 2 * mm) / 3;
  const isOne = noise > 0.05 * ww || isNear(factor, 1);
  const lost = never && { lost: true as const };
  if (once && isOne) return { state: 'merged', ...about, ...lost };
  if (onceRounded && isOne) return { state: 'rounded', ...about, ...lost };
  if (never) return { state: 'not-merged', ...about };
  if (twice && (noise > 0.05 * ww || isNear(factor, 2))) return { state: 'merged-twice', ...about };
  const own = ownFactors(measured, delta, grams);
  if (own !== undefined) {
    const { factors, beside } = own;
    if (beside <= BESIDE ** 2 * dd + 1.5 * noise) {
      if (factors.every((one) => isNear(one, 1))) return { state: 'different', ...about };
      if (factors.every((one) => isNear(one, 1) || isNear(one, 0))) return { state: 'not-merged', ...about, factors };
      if (factors.every((one) => isNear(one, 1) || isNear(one, 2))) return { state: 'merged-twice', ...about, factors };
      return { state: 'wrong-scale', ...about, factors };
    }
  }
  const beside = dd - dw ** 2 / ww;
  const isMultiple = Math.abs(factor) > NEAR && beside <= BESIDE ** 2 * dd + 1.5 * noise;
  if (isMultiple && !isNear(factor, 1)) return { state: 'wrong-scale', ...about };
  return { state: 'different', ...about };
}

/** The multiples of several adapters' changes that come nearest to D, and what of ‖D‖² is beside them. */
function ownFactors(
  { projected, dd }: Measured,
  { b, rank, outputs, parts }: Delta,
  grams: readonly (readonly number[])[],
) {
  if (parts.length < 2) return undefined;
  const inner = parts.map(({ from, to }) => {
    let sum = 0;
    for (let i = 0; i < outputs; i++) for (let k = from; k < to; k++) sum += projected[i * rank + k] * b[i * rank + k];
    return sum;
  });
  const factors = solve(grams, inner);
  if (factors === undefined) return undefined;
  return { factors, beside: factors.reduce((left, factor, i) => left - factor * inner[i], dd) };
}
