import type { Pacer } from '../../cooperate.js';
import type { Activation } from '../../layers/activations.js';
import { activationValue } from '../activations/evaluate.js';
import { type SphereTables, sphereNodes } from './nodes.js';
import { orthonormalSteps, slopeAtOne } from './polynomials.js';

/**
 * Units p(z) + ξ q(z) of a point x on the sphere of radius √d, with z = ŵ·x, ξ = U⊥·x, q(z) = φ(m + s z) and
 * p(z) = (u + β z) q(z); of a hidden layer p = q, and there is no ξ.
 */
export interface SphereUnits {
  readonly activation: Activation;
  /** m and s, (h). */
  readonly means: Float64Array;
  readonly deviations: Float64Array;
  /** Null for a hidden layer. */
  readonly up: {
    /** u, β and ‖U⊥‖, (h). */
    readonly constants: Float64Array;
    readonly along: Float64Array;
    readonly lengths: Float64Array;
  } | null;
}

/** Zonal coefficients of units. */
export interface ZonalCoefficients {
  readonly terms: number;
  /** c_n(p), (h, terms + 1). */
  readonly p: Float64Array;
  /** c_n(Z) with Z' = q, as ξ q is the change of Z(ŵ·x) where ŵ moves by U⊥; null for a hidden layer. */
  readonly q: Float64Array | null;
  /** E (p + ξ q)², by itself. */
  readonly energies: Float64Array;
  /** What is left of that from degree N + 1 on, not below 0: (terms + 1, h) by N. */
  readonly tails: Float64Array;
}

/** The coefficients of degrees up to `terms`, by quadrature to rounding (MATH.md section 12). */
export async function zonalCoefficients(
  units: SphereUnits,
  d: number,
  terms: number,
  pacer: Pacer,
): Promise<ZonalCoefficients> {
  const { activation, means, deviations, up } = units;
  const [hidden, count] = [means.length, terms + 1];
  const p = new Float64Array(hidden * count);
  const q = up && new Float64Array(hidden * count);
  const energies = new Float64Array(hidden);
  const tails = new Float64Array(count * hidden);
  const steps = orthonormalSteps(d, terms + 2);
  const tables: SphereTables = new Map();
  const value = activationValue(activation);
  const radius = Math.sqrt(d);
  // q_n of one unit, one degree more than is wanted.
  const own = new Float64Array(count + 1);
  for (let i = 0; i < hidden; i++) {
    const [m, s] = [means[i], deviations[i]];
    const line = up && { u: up.constants[i], beta: up.along[i], across: up.lengths[i] ** 2 };
    own.fill(0);
    let energy = 0;
    // About the second factor, given z: E (u + β z + ξ)².
    const squared = (z: number, rest: number) =>
      line === null ? 1 : (line.u + line.beta * z) ** 2 + (line.across * d * rest) / (d - 1);
    if (s === 0) {
      own[0] = value(m);
      energy = own[0] ** 2 * (line === null ? 1 : line.u ** 2 + line.across);
    } else {
      const { z, weights, rest, polynomials } = sphereNodes(activation, m, s, d, count, tables);
      for (let k = 0, at = 0; k < z.length; k++) {
        const phi = value(m + s * z[k]);
        const weighted = weights[k] * phi;
        energy += weighted * phi * squared(z[k], rest[k]);
        for (let n = 0; n <= count; n++, at++) own[n] += weighted * polynomials[at];
      }
      if (pacer.due(z.length * count)) await pacer.pause();
    }
    let left = energy;
    for (let n = 0; n < count; n++) {
      const [before, after] = [n === 0 ? 0 : steps[n] * own[n - 1], steps[n + 1] * own[n + 1]];
      const at = i * count + n;
      p[at] = line === null ? own[n] : line.u * own[n] + line.beta * radius * (before + after);
      if (line !== null && n > 0) q![at] = radius * (before / n - after / (n + d - 2));
      left -= p[at] ** 2 + (line === null ? 0 : line.across * slopeAtOne(d, n) * q![at] ** 2);
      tails[n * hidden + i] = Math.max(0, left);
    }
    energies[i] = energy;
  }
  return { terms, p, q, energies, tails };
}
