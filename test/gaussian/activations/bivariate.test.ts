import { describe, expect, it } from 'vitest';
import { orthant, truncatedMoments } from '../../../lib/gaussian/activations/bivariate.js';
import { normalDensity, normalDistribution } from '../../../lib/gaussian/normal.js';
import { expectation } from '../../support/activations.js';
import { remainder } from '../../support/remainder.js';

const PLACES = [-9, -2.3, -0.4, 0, 1e-9, 0.4, 1.7, 6];
const CORRELATIONS = [-1, -0.9999, -0.6, 0, 0.3, 0.97, 1 - 1e-9, 1];

/** E (z + a)_+^p (z' + b)_+^q by quadrature over z, z' + b given z being c + r w. */
function moment(p: number, q: number, a: number, b: number, rho: number): number {
  const r = Math.sqrt((1 - rho) * (1 + rho));
  const given = (z: number) => {
    const c = b + rho * z;
    if (r === 0) return c > 0 ? c ** q : 0;
    const [chance, edge] = [normalDistribution(c / r), r * normalDensity(c / r)];
    return [chance, c * chance + edge, (c * c + r * r) * chance + c * edge][q];
  };
  const at = rho === 0 ? 0 : -b / rho;
  return expectation(
    (z) => (z > -a ? (z + a) ** p * given(z) : 0),
    [-a, at],
    at,
    Math.max(r / Math.abs(rho || 1), 1e-8),
  );
}

describe('two correlated normals', () => {
  it('have the orthant probabilities and truncated moments of quadrature, at ρ = ±1 too', () => {
    for (const a of PLACES) {
      for (const b of PLACES) {
        for (const rho of CORRELATIONS) {
          expect(Math.abs(orthant(a, b, rho) - moment(0, 0, a, b, rho)), `${a} ${b} ${rho}`).toBeLessThanOrEqual(2e-15);
          const moments = truncatedMoments(a, b, rho, 2);
          for (const [k, value] of moments.entries()) {
            const [p, q] = [Math.floor(k / 3), k % 3];
            const scale = (1 + Math.max(a, 0)) ** p * (1 + Math.max(b, 0)) ** q;
            const error = Math.abs(value - moment(p, q, a, b, rho)) / scale;
            expect(error, `M_${p}${q}(${a}, ${b}, ${rho})`).toBeLessThanOrEqual(3e-14);
          }
        }
      }
    }
  });

  it('keep the digits of orthants that are nearly empty', () => {
    expect(orthant(-8, 9, 0.3) / normalDistribution(-8)).toBeCloseTo(1, 12);
    expect(orthant(-8, -8, 0.999999999999) / normalDistribution(-8)).toBeCloseTo(1, 5);
    expect(orthant(-60, 70, 0.5)).toBe(0);
    expect(orthant(60, 70, -0.5)).toBe(1);
  });

  it('have remainders that are what degrees above p make of the moments', () => {
    for (const a of PLACES.slice(1, -1)) {
      for (const b of PLACES.slice(1, -1)) {
        for (const rho of [-0.9, -0.3, 0.5, 0.8, 0.94]) {
          const [moments, alone] = [truncatedMoments(a, b, rho, 1), truncatedMoments(a, b, 0, 1)];
          const rest = moments[3] - alone[3] - rho * alone[0];
          expect(Math.abs(remainder(1, a, b, rho) - rest)).toBeLessThanOrEqual(3e-15 * (1 + Math.abs(a * b)));
          expect(Math.abs(remainder(0, a, b, rho) - (moments[0] - alone[0]))).toBeLessThanOrEqual(1e-15);
        }
      }
    }
  });
});
