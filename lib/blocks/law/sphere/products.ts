import type { Pacer } from '../../../cooperate.js';
import type { ZonalCoefficients } from '../../../gaussian/sphere/coefficients.js';
import { addCovariances, type UnitAgainst } from '../../../gaussian/sphere/pairs.js';
import { zonalSteps } from '../../../gaussian/sphere/polynomials.js';
import type { RowProducts } from '../../circuits/heads.js';
import type { SphereMlp } from './units.js';

/** An MLP with its series. */
export interface ExpandedMlp {
  readonly mlp: SphereMlp;
  readonly series: ZonalCoefficients;
}

/** Units of one side that are multiplied with all of the other at a time. */
const ROWS = 256;

/**
 * E f·g on the sphere of radius √d, by degree: constant, linear, quadratic, higher.
 * @param degreeOf the last degree that is needed, by |ρ| (see `lastDegrees`)
 */
export async function sphereProduct(
  f: ExpandedMlp,
  g: ExpandedMlp,
  d: number,
  degreeOf: Int32Array,
  multiply: RowProducts,
  pacer: Pacer,
): Promise<Float64Array> {
  const [a, b] = [f.mlp, g.mlp];
  const steps = zonalSteps(d, f.series.terms);
  const sums = new Float64Array(3);
  const isGated = a.across !== null || b.across !== null;
  const [across, otherAcross] = [a, b].map(({ across: own, hidden, width }) => own ?? zeros(hidden * width, isGated));
  // A model with itself: each pair of two units once, and twice what it gives.
  const isSelf = f === g;
  for (let from = 0; from < a.hidden; from += ROWS) {
    const end = Math.min(a.hidden, from + ROWS);
    const against = (own: Float64Array, other: Float64Array, columns = a.width) =>
      multiply(own.subarray(from * columns, end * columns), other, columns);
    const weights = await against(a.down, b.down, a.outputs);
    const rho = await against(a.directions, b.directions);
    const gates = isGated && {
      kappa: await against(across, b.directions),
      otherKappa: await against(a.directions, otherAcross),
      nu: await against(across, otherAcross),
    };
    for (let i = from; i < end; i++) {
      const row = (data: Float64Array) => data.subarray((i - from) * b.hidden, (i - from + 1) * b.hidden);
      const unit: UnitAgainst = {
        rho: row(rho),
        gates: gates ? { kappa: row(gates.kappa), otherKappa: row(gates.otherKappa), nu: row(gates.nu) } : null,
        weights: row(weights),
      };
      if (isSelf) unit.weights[i] /= 2;
      const work = addCovariances(f.series, i, g.series, isSelf ? i : 0, unit, steps, degreeOf, sums);
      if (pacer.due(8 * (work + b.hidden))) await pacer.pause();
    }
  }
  const [own, other] = [await meanOf(f, pacer), await meanOf(g, pacer)];
  const constant = own.reduce((sum, value, c) => sum + value * other[c], 0);
  return Float64Array.from([constant, ...sums].map((sum, n) => (isSelf && n > 0 ? 2 * sum : sum)));
}

/** Nothing is multiplied where no unit is gated. */
const zeros = (size: number, isNeeded: boolean) => new Float64Array(isNeeded ? size : 0);

/** E f = c + D c_0(p). */
async function meanOf(
  { mlp: { hidden, outputs, down, constant }, series: { p, terms } }: ExpandedMlp,
  pacer: Pacer,
): Promise<Float64Array> {
  const mean = constant.slice();
  for (let i = 0; i < hidden; i++) {
    for (let c = 0; c < outputs; c++) mean[c] += down[i * outputs + c] * p[i * (terms + 1)];
    if (pacer.due(2 * outputs)) await pacer.pause();
  }
  return mean;
}
