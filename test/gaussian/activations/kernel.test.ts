import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { activationValue } from '../../../lib/gaussian/activations/evaluate.js';
import { kernel, type Unit } from '../../../lib/gaussian/activations/kernel.js';
import { type Activation, activationOf } from '../../../lib/layers/activations.js';
import { ACTIVATIONS, energyOf, kernelByQuadrature } from '../../support/activations.js';

interface GoldenKernel {
  readonly phi: string;
  readonly psi: string;
  readonly mu: number;
  readonly su: number;
  readonly mv: number;
  readonly sv: number;
  readonly rho: number;
  readonly value: number;
}

const golden = JSON.parse(readFileSync(new URL('../../golden/activations.json', import.meta.url), 'utf8')) as {
  readonly kernels: readonly GoldenKernel[];
  readonly kernels_agreement: Readonly<Record<string, number>>;
};

/** What rounding is measured by: √(E φ² E ψ²), and of units that are nearly dead what they would give alive. */
const scaleOf = (u: Unit, v: Unit): number => {
  const alive = 1e-3 * Math.min(1, u.deviation) * Math.min(1, v.deviation);
  return Math.max(Math.sqrt(energyOf(u) * energyOf(v)), alive);
};

describe('E φ(u) ψ(v) of two units', () => {
  it('agrees with the 200 golden values', () => {
    expect(golden.kernels).toHaveLength(200);
    for (const { phi, psi, mu, su, mv, sv, rho, value } of golden.kernels) {
      const u = { activation: activationOf({ activation: phi, slope: null }), mean: mu, deviation: su };
      const v = { activation: activationOf({ activation: psi, slope: null }), mean: mv, deviation: sv };
      // The file says how far its values agree with quadrature: of nearly dead units that is what counts.
      const error = Math.max(Math.abs(kernel(u, v, rho) - value) - golden.kernels_agreement[phi], 0);
      expect(error / scaleOf(u, v), `${phi} ${mu} ${su} ${mv} ${sv} ${rho}`).toBeLessThanOrEqual(1e-13);
    }
  });

  /** In two dimensions, of which every pair takes one, and those that are cheap to check. */
  const inside = [
    [0.3, 1, -0.7, 0.6, -0.8],
    [-1.2, 2, 0.4, 1, 0.99],
    [1, 0.7, -0.4, 1.3, 1 - 1e-9],
    [0.002, 0.01, -0.001, 0.02, 0.6],
    [-0.2, 1.1, -1.5, 0.9, 0.95],
  ] as const;
  const atEnds = [
    [0.5, 1.5, 0.2, 0.8, 1],
    [0.5, 1.5, 0.2, 0.8, -1],
    [2, 0, 0.3, 1, 0.4],
  ] as const;
  for (const [i, first] of ACTIVATIONS.entries()) {
    it(`${first.name}: agrees with quadrature beside every other activation, either way round`, () => {
      for (const [j, second] of ACTIVATIONS.slice(i).entries()) {
        for (const [m, s, n, t, rho] of [inside[(i + j) % inside.length], ...atEnds]) {
          const u = { activation: first, mean: m, deviation: s };
          const v = { activation: second, mean: n, deviation: t };
          const what = `${first.name} ${second.name} ${m} ${s} ${n} ${t} ${rho}`;
          const [value, scale] = [kernel(u, v, rho), scaleOf(u, v)];
          expect(Math.abs(kernel(v, u, rho) - value) / scale, what).toBeLessThanOrEqual(1e-14);
          expect(Math.abs(value - kernelByQuadrature(u, v, rho)) / scale, what).toBeLessThanOrEqual(1e-13);
        }
      }
    });
  }
});

describe('E φ(u) ψ(v) far out', () => {
  const ofRho = (first: Activation, second: Activation) =>
    kernel({ activation: first, mean: 0, deviation: 1000 }, { activation: second, mean: 0, deviation: 1000 }, 0.4);
  it('tends to that of steps where deviations are large', () => {
    const steps = (2 / Math.PI) * Math.asin(0.4);
    for (const name of ['tanh', 'erf', 'hardtanh']) {
      const activation = activationOf({ activation: name, slope: null });
      expect(ofRho(activation, activation)).toBeCloseTo(steps, 5);
    }
  });

  it('is the product of the values where means are beyond all doubt', () => {
    for (const first of ACTIVATIONS.filter(({ name }) => name !== 'exp' && name !== 'sin' && name !== 'cos')) {
      const u = { activation: first, mean: 900, deviation: 1e-6 };
      const v = { activation: first, mean: -700, deviation: 1e-6 };
      const value = activationValue(first);
      expect(kernel(u, v, 0.7)).toBeCloseTo(value(900) * value(-700), 4);
    }
  });
});
