import { describe, expect, it } from 'vitest';
import { Pacer } from '../../../lib/cooperate.js';
import { bivariateDensity } from '../../../lib/gaussian/activations/bivariate.js';
import { activationDerivative, activationValue } from '../../../lib/gaussian/activations/evaluate.js';
import { type GatedUnit, gatedCoefficients, gatedKernels } from '../../../lib/gaussian/activations/gated.js';
import { normalDensity } from '../../../lib/gaussian/normal.js';
import { ACTIVATIONS, hermitePolynomial, overUnit, overUnits } from '../../support/activations.js';
import { inCampaign } from '../../support/campaign.js';

const INSIDE = [
  [0.3, 1, -0.7, 0.6, -0.8],
  [-0.2, 1.1, 0.4, 0.9, 0.95],
] as const;
const AT_ENDS = [
  [0.5, 1.5, 0.2, 0.8, 1],
  [0.5, 1.5, 0.2, 0.8, -1],
  [2, 0, 0.3, 1, 0.4],
] as const;

/** p, q, ∂p and ∂q as functions of z. */
function partsOf({ activation, mean, deviation, constant, beta }: GatedUnit) {
  const [value, derivative] = [activationValue(activation), activationDerivative(activation)];
  const q = (z: number) => value(mean + deviation * z);
  const dq = (z: number) => deviation * derivative(mean + deviation * z);
  const p = (z: number) => (constant + beta * z) * q(z);
  const dp = (z: number) => beta * q(z) + (constant + beta * z) * dq(z);
  return { p, q, dp, dq };
}

function fiveOf(u: GatedUnit, v: GatedUnit, rho: number): number[] {
  const [a, b] = [partsOf(u), partsOf(v)];
  const products = [
    [a.p, b.p],
    [a.q, b.dp],
    [a.dp, b.q],
    [a.q, b.q],
    [a.dq, b.dq],
  ] as const;
  return products.map(([f, g]) => overUnits((z, z2) => f(z) * g(z2), u, v, rho));
}

// The quadrature of the test has no derivative of a step; those have a test of their own.
const GATES = ACTIVATIONS.filter(({ name }) => name !== 'heaviside');

describe('gated units', () => {
  for (const [i, first] of GATES.entries()) {
    it(`${first.name}: five expectations agree with quadrature`, () => {
      const others = inCampaign ? [7, 12] : [7];
      for (const [j, second] of [first, ...others.map((away) => GATES[(i + away) % GATES.length])].entries()) {
        for (const [m, s, n, t, rho] of [INSIDE[(i + j) % 2], ...AT_ENDS]) {
          const u = { activation: first, mean: m, deviation: s, constant: -0.4, beta: s === 0 ? 0 : 0.7 };
          const v = { activation: second, mean: n, deviation: t, constant: 0.9, beta: -1.2 };
          const wanted = fiveOf(u, v, rho);
          const scale = 1 + Math.abs(wanted[0]) + Math.abs(wanted[4]);
          const turned = gatedKernels(v, u, rho);
          for (const [k, value] of gatedKernels(u, v, rho).entries()) {
            const what = `${k} of ${first.name} ${second.name} ${m} ${s} ${n} ${t} ${rho}`;
            expect(Math.abs(value - wanted[k]) / scale, what).toBeLessThanOrEqual(2e-13);
            expect(Math.abs(turned[[0, 2, 1, 3, 4][k]] - value) / scale, what).toBeLessThanOrEqual(2e-14);
          }
        }
      }
    });
  }

  it('have series that add up to the expectations, a step among them', async () => {
    for (const activation of ACTIVATIONS) {
      const [u, v] = [
        { activation, mean: 0.3, deviation: 0.8, constant: -0.4, beta: 0.7 },
        { activation, mean: -0.5, deviation: 1.2, constant: 0.9, beta: -1.2 },
      ];
      const { p, q, dp, dq } = await gatedCoefficients(
        activation,
        null,
        { means: [0.3, -0.5], deviations: [0.8, 1.2], constants: [-0.4, 0.9], betas: [0.7, -1.2] },
        80,
        new Pacer(),
      );
      const sum = (a: Float64Array, b: Float64Array) => {
        let total = 0;
        for (let n = 80; n >= 0; n--) total = total * 0.5 + a[n] * b[81 + n];
        return total;
      };
      const wanted = [sum(p, p), sum(q, dp), sum(dp, q), sum(q, q), sum(dq, dq)];
      for (const [k, value] of gatedKernels(u, v, 0.5).entries()) {
        expect(value, `${k} of ${activation.name}`).toBeCloseTo(wanted[k], 12);
      }
      const first = partsOf(u).p;
      const third = overUnit((_, z) => first(z) * hermitePolynomial(3, z), 0.3, 0.8);
      expect(p[3]).toBeCloseTo(third, 12);
    }
  });

  it('with steps have the densities at their edges', () => {
    const step = ACTIVATIONS.find(({ name }) => name === 'heaviside')!;
    const gelu = ACTIVATIONS.find(({ name }) => name === 'gelu')!;
    const u = { activation: step, mean: 0.3, deviation: 0.8, constant: -0.4, beta: 0.7 };
    const v = { activation: gelu, mean: -0.5, deviation: 1.2, constant: 0.9, beta: -1.2 };
    expect(gatedKernels(u, { ...v, activation: step }, 0.6)[4]).toBeCloseTo(
      bivariateDensity(0.3 / 0.8, -0.5 / 1.2, 0.6),
      14,
    );
    // E δ(z + a) at ρ = 1 is the density at the edge times what the other is there.
    const edge = -0.3 / 0.8;
    const there = partsOf(v);
    const [, , dpq, , dqdq] = gatedKernels(u, v, 1);
    expect(dqdq).toBeCloseTo(normalDensity(edge) * there.dq(edge), 12);
    const smooth = overUnits((z, z2) => (z > edge ? 0.7 : 0) * there.q(z2), u, v, 1);
    expect(dpq).toBeCloseTo(smooth + (-0.4 + 0.7 * edge) * normalDensity(edge) * there.q(edge), 12);
  });
});
