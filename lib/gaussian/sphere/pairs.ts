import type { ZonalCoefficients } from './coefficients.js';
import type { ZonalSteps } from './polynomials.js';

/** One unit against others: how they lie to each other, in rows by the other. */
export interface UnitAgainst {
  /** ρ = ŵ·ŵ'. */
  readonly rho: Float64Array;
  /** κ = U⊥·ŵ', κ' = ŵ·U⊥' and ν = U⊥·U⊥'; null where neither of the two is gated. */
  readonly gates: {
    readonly kappa: Float64Array;
    readonly otherKappa: Float64Array;
    readonly nu: Float64Array;
  } | null;
  /** What their covariance is multiplied by. */
  readonly weights: Float64Array;
}

/**
 * Adds the weighted covariances of one unit with the others, from `first` on, by degree: linear, quadratic, higher.
 *
 *     Σ_n c_n(p)c_n(p') P_n + [κ c_n(Z)c_n(p') + κ' c_n(p)c_n(Z')] P_n' + c_n(Z)c_n(Z') (ν P_n' + κκ' P_n'')   at ρ
 *
 * @param degreeOf the last degree that is needed, by ⌊|ρ| · (its length − 1)⌋
 */
export function addCovariances(
  f: ZonalCoefficients,
  unit: number,
  g: ZonalCoefficients,
  first: number,
  { rho, gates, weights }: UnitAgainst,
  { d, up, down }: ZonalSteps,
  degreeOf: Int32Array,
  into: Float64Array,
): number {
  const [count, columns] = [f.terms + 1, g.terms + 1];
  const [p, q] = [f.p.subarray(unit * count, (unit + 1) * count), f.q?.subarray(unit * count, (unit + 1) * count)];
  const bins = degreeOf.length - 1;
  const [otherP, otherQ] = [g.p, g.q];
  let [linear, quadratic, higher, work] = [0, 0, 0, 0];
  for (let j = first; j < rho.length; j++) {
    const [r, weight, at] = [Math.min(1, Math.max(-1, rho[j])), weights[j], j * columns];
    const last = degreeOf[Math.floor(Math.abs(r) * bins)];
    work += last;
    let [before, value] = [r, (d * r * r - 1) / (d - 1)];
    if (gates === null) {
      linear += weight * p[1] * otherP[at + 1] * r;
      quadratic += weight * p[2] * otherP[at + 2] * value;
      let sum = 0;
      for (let n = 2; n < last; n++) {
        const next = up[n] * r * value - down[n] * before;
        before = value;
        value = next;
        sum += p[n + 1] * otherP[at + n + 1] * value;
      }
      higher += weight * sum;
      continue;
    }
    const [kappa, otherKappa, nu] = [gates.kappa[j], gates.otherKappa[j], gates.nu[j]];
    const both = kappa * otherKappa;
    const term = (n: number, P: number, D: number, S: number) => {
      const [x, y] = [p[n], otherP[at + n]];
      const [a, b] = [q === undefined ? 0 : q[n], otherQ === null ? 0 : otherQ[at + n]];
      return x * y * P + (kappa * a * y + otherKappa * x * b) * D + a * b * (nu * D + both * S);
    };
    let [slopeBefore, slope] = [1, (2 * d * r) / (d - 1)];
    let [bendBefore, bend] = [0, (2 * d) / (d - 1)];
    linear += weight * term(1, r, 1, 0);
    quadratic += weight * term(2, value, slope, bend);
    let sum = 0;
    for (let n = 2; n < last; n++) {
      const [a, b] = [up[n], down[n]];
      const next = a * r * value - b * before;
      const nextSlope = a * (value + r * slope) - b * slopeBefore;
      const nextBend = a * (2 * slope + r * bend) - b * bendBefore;
      before = value;
      slopeBefore = slope;
      bendBefore = bend;
      value = next;
      slope = nextSlope;
      bend = nextBend;
      sum += term(n + 1, value, slope, bend);
    }
    higher += weight * sum;
  }
  into[0] += linear;
  into[1] += quadratic;
  into[2] += higher;
  return work;
}
