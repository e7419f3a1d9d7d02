import { describe, expect, it } from 'vitest';
import { Pacer } from '../../../lib/cooperate.js';
import { coefficients } from '../../../lib/gaussian/activations/coefficients.js';
import { activationValue } from '../../../lib/gaussian/activations/evaluate.js';
import { ACTIVATIONS, hermiteCoefficient, overUnit } from '../../support/activations.js';

const UNITS = [
  [0.3, 1],
  [-1.7, 0.6],
  [2, 2.4],
  [-3, 0.3],
  [0.001, 0.02],
  [0, 1e-8],
  [-2, 5],
  [4, 20],
  [50, 1],
  [-50, 1],
  [-2.5, 1e-8],
  [-3, 0.1],
  [-600, 1000],
] as const;
const TERMS = 70;
const DEGREES = [0, 1, 2, 3, 4, 5, 9, 24, 47, 70];

describe('Hermite coefficients of activations', () => {
  for (const activation of ACTIVATIONS) {
    it(`${activation.name}: are those of quadrature, whatever the mean and deviation`, async () => {
      // e^(10⁶) is no number, the quadrature of the test does not reach where e^u has its weight, nor into every period.
      const most = { exp: 2, sin: 20, cos: 20 }[activation.name as string] ?? 1e4;
      const units = UNITS.filter(([, s]) => s <= most);
      const { values, energy } = await coefficients(
        activation,
        null,
        units.map(([m]) => m),
        units.map(([, s]) => s),
        TERMS,
        new Pacer(),
      );
      const value = activationValue(activation);
      for (const [i, [m, s]] of units.entries()) {
        const square = overUnit((u) => value(u) ** 2, m, s);
        // Of a unit that is nearly dead, what it would give if it were alive.
        const scale = Math.max(Math.sqrt(square), 1e-3 * Math.min(1, s));
        expect(Math.abs(energy[i] - square) / scale ** 2, `energy at ${m}, ${s}`).toBeLessThanOrEqual(2e-14);
        for (const n of DEGREES) {
          const error = Math.abs(values[i * (TERMS + 1) + n] - hermiteCoefficient(activation, m, s, n));
          // Rounding of m + s z where φ oscillates.
          const rounding = activation.name === 'sin' || activation.name === 'cos' ? 1e-16 * (Math.abs(m) + 12 * s) : 0;
          expect(error / scale, `degree ${n} at ${m}, ${s}`).toBeLessThanOrEqual(2e-14 + rounding);
        }
      }
    });
  }
});
