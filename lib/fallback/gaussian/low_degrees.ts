import type { OneBlock } from '../../backend/forms.js';
import type { ChainSource } from '../../backend/grams.js';
import type { Pacer } from '../../cooperate.js';
import { coefficients } from '../../gaussian/activations/coefficients.js';
import { gatedCoefficients } from '../../gaussian/activations/gated.js';
import { degreesBelowTwo } from './hidden.js';
import { type FoldedUnits, foldUnits } from './units.js';

/** Coefficients of a unit up to degree two. */
const COUNT = 3;

/**
 * The part of degree two and less of a chain of units, as a chain with a bilinear block (MATH.md sections 10 and 11):
 * of degree two a unit p(z) + ξ q(z) has p_2 h_2(z) + q_1 ξ z, which but for its mean is the product of
 *
 *     ŵ·x    and    (p_2/√2) ŵ·x + q_1 U⊥·x
 */
export async function foldLowDegrees(source: ChainSource, pacer: Pacer): Promise<OneBlock> {
  const folded = await foldUnits(source, pacer);
  const { inputs, outputs, hidden, directions, up, down } = folded;
  const series = await seriesOf(folded, pacer);
  const { constant: mean, linear } = await degreesBelowTwo(folded, series, pacer, COUNT);
  const factors = new Float64Array(2 * hidden * inputs);
  const constant = mean.slice();
  for (let i = 0; i < hidden; i++) {
    const [along, across] = [series.p[i * COUNT + 2] / Math.SQRT2, series.q === null ? 0 : series.q[i * COUNT + 2]];
    let trace = 0;
    for (let j = 0, at = i * inputs, left = 2 * at; j < inputs; j++, at++, left++) {
      factors[left] = directions[at];
      factors[left + inputs] = along * directions[at] + (up === null ? 0 : across * up.across[at]);
      trace += factors[left] * factors[left + inputs];
    }
    for (let c = 0; c < outputs; c++) constant[c] -= trace * down[c * hidden + i];
    if (pacer.due(5 * inputs + outputs)) await pacer.pause();
  }
  return { inputs, outputs, hidden, width: inputs, embedding: null, factors, down, linear, constant, mean };
}

/** p_n, and q_{n−1} of gated units, for n up to two: (hidden, COUNT) each. */
async function seriesOf(
  { hidden, activation, slopes, means, deviations, up }: FoldedUnits,
  pacer: Pacer,
): Promise<{ p: Float64Array; q: Float64Array | null }> {
  if (up === null) {
    const { values } = await coefficients(activation, slopes, means, deviations, COUNT - 1, pacer);
    return { p: values, q: null };
  }
  const gates = { means, deviations, constants: up.constants, betas: up.along };
  const { p, q: own } = await gatedCoefficients(activation, slopes, gates, COUNT - 1, pacer);
  const q = new Float64Array(hidden * COUNT);
  for (let at = 0; at < q.length; at += COUNT) q.set(own.subarray(at, at + COUNT - 1), at + 1);
  return { p, q };
}
