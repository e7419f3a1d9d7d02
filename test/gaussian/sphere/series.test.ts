import { describe, expect, test } from 'vitest';
import { Pacer } from '../../../lib/cooperate.js';
import {
  type SphereUnits,
  type ZonalCoefficients,
  zonalCoefficients,
} from '../../../lib/gaussian/sphere/coefficients.js';
import { damping, lastDegrees } from '../../../lib/gaussian/sphere/cut.js';
import { addCovariances } from '../../../lib/gaussian/sphere/pairs.js';
import { slopeAtOne, zonalSteps } from '../../../lib/gaussian/sphere/polynomials.js';
import type { ActivationName } from '../../../lib/layers/activations.js';
import { random } from '../../support/random.js';

const gateless = (name: ActivationName, m: number, s: number): SphereUnits => ({
  activation: { name, slope: 0 },
  means: Float64Array.of(m),
  deviations: Float64Array.of(s),
  up: null,
});
const coefficientsOf = (name: ActivationName, m: number, s: number, d: number, terms = 12) =>
  zonalCoefficients(gateless(name, m, s), d, terms, new Pacer());

describe.each([4, 5, 64, 1000])('zonal coefficients in %i dimensions', (d) => {
  test('of polynomials are those of the moments of a coordinate', async () => {
    const line = await coefficientsOf('identity', 0.5, 2, d);
    for (const [n, value] of line.p.entries()) expect(value).toBeCloseTo([0.5, 2][n] ?? 0, 13);
    // E z⁴ = 3d/(d+2).
    const square = await coefficientsOf('square', 0, 1, d);
    for (const [n, value] of square.p.entries())
      expect(value).toBeCloseTo([1, 0, Math.sqrt((3 * d) / (d + 2) - 1)][n] ?? 0, 12);
    expect(square.energies[0]).toBeCloseTo((3 * d) / (d + 2), 12);
    expect(square.tails[2]).toBeLessThan(1e-12);
  });

  test('of a kink have half the energy of the line', async () => {
    const { p, energies, tails } = await coefficientsOf('relu', 0, 1, d, 40);
    expect(energies[0]).toBeCloseTo(0.5, 13);
    expect(p[1]).toBeCloseTo(0.5, 13);
    expect(tails[40]).toBeGreaterThan(0);
    expect(tails[40]).toBeLessThan(tails[20]);
  });

  test('of a smooth function leave nothing', async () => {
    for (const name of ['silu', 'gelu', 'gelu_tanh', 'tanh'] as const) {
      const { p, energies, tails } = await coefficientsOf(name, -0.3, 0.7, d, 60);
      expect(tails[60]).toBeLessThan(1e-13);
      expect(p.reduce((sum, value) => sum + value * value, 0)).toBeCloseTo(energies[0], 13);
    }
  });
});

test('a steep unit is resolved as a flat one is', async () => {
  // φ = softplus(s z) / s tends to max(z, 0).
  const { p } = await coefficientsOf('softplus', 0, 1e5, 20);
  const kink = await coefficientsOf('relu', 0, 1, 20);
  for (const [n, value] of p.entries()) expect(value / 1e5).toBeCloseTo(kink.p[n], 8);
});

/** Units x ↦ (w·x)(u·x) on the sphere, one of f and several of g, in 7 dimensions. */
describe('covariances of gated units', () => {
  const d = 7;
  const { normal } = random(3);
  const vector = () => Float64Array.from({ length: d }, normal);
  const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, value, i) => sum + value * b[i], 0);
  const given = Array.from({ length: 5 }, () => ({ gate: vector(), up: vector() }));
  // The last gates as the first does, and against it.
  given[4] = { gate: given[0].gate.map((value) => -2 * value), up: given[0].up };

  const split = ({ gate, up }: { gate: Float64Array; up: Float64Array }) => {
    const length = Math.sqrt(dot(gate, gate));
    const direction = gate.map((value) => value / length);
    const beta = dot(up, direction);
    const across = up.map((value, i) => value - beta * direction[i]);
    return { length, direction, beta, across };
  };
  const expanded = (units: typeof given, name: ActivationName = 'identity', terms = 8): Promise<ZonalCoefficients> => {
    const parts = units.map(split);
    const of = (pick: (part: (typeof parts)[0]) => number) => Float64Array.from(parts, pick);
    return zonalCoefficients(
      {
        activation: { name, slope: 0 },
        means: new Float64Array(units.length),
        deviations: of(({ length }) => length),
        up: {
          constants: new Float64Array(units.length),
          along: of(({ beta }) => beta),
          lengths: of(({ across }) => Math.sqrt(dot(across, across))),
        },
      },
      d,
      terms,
      new Pacer(),
    );
  };
  const covariance = (f: ZonalCoefficients, g: ZonalCoefficients, i: number, j: number, degreeOf: Int32Array) => {
    const [a, b] = [split(given[i]), split(given[j])];
    const cross = (x: Float64Array, y: Float64Array) => Float64Array.of(dot(x, y));
    const gates = {
      kappa: cross(a.across, b.direction),
      otherKappa: cross(a.direction, b.across),
      nu: cross(a.across, b.across),
    };
    const sums = new Float64Array(3);
    const one: ZonalCoefficients = { ...g, p: g.p.slice(j * (g.terms + 1)), q: g.q!.slice(j * (g.terms + 1)) };
    const unit = { rho: cross(a.direction, b.direction), gates, weights: Float64Array.of(1) };
    addCovariances(f, i, one, 0, unit, zonalSteps(d, f.terms), degreeOf, sums);
    return sums;
  };

  test('of bilinear units are the moments of four coordinates', async () => {
    const series = await expanded(given);
    for (let i = 0; i < given.length; i++)
      for (let j = 0; j < given.length; j++) {
        const [a, b] = [given[i], given[j]];
        const [constant, other] = [dot(a.gate, a.up), dot(b.gate, b.up)];
        const pairs = constant * other + dot(a.gate, b.gate) * dot(a.up, b.up) + dot(a.gate, b.up) * dot(a.up, b.gate);
        const [linear, quadratic, higher] = covariance(series, series, i, j, new Int32Array(33).fill(8));
        expect(linear).toBeCloseTo(0, 10);
        expect(higher).toBeCloseTo(0, 10);
        // E x_i x_j x_k x_l on the sphere of radius √d is d/(d+2) times that of normals.
        expect(quadratic).toBeCloseTo((d / (d + 2)) * pairs - constant * other, 9);
      }
  });

  test('are of size of what is left of the units where series are cut', async () => {
    const terms = 40;
    const series = await expanded(given, 'relu', terms);
    const table = damping(d, terms);
    const all = new Int32Array(33).fill(terms);
    for (const last of [2, 5, 12])
      for (let i = 0; i < given.length; i++)
        for (let j = 0; j < given.length; j++) {
          const cut = covariance(series, series, i, j, new Int32Array(33).fill(last));
          const whole = covariance(series, series, i, j, all);
          const rho = Math.abs(dot(split(given[i]).direction, split(given[j]).direction));
          const size = Math.sqrt(series.tails[last * 5 + i] * series.tails[last * 5 + j]);
          const bound = table[Math.floor(Math.min(1, rho) * 32) * (terms + 1) + last];
          expect(Math.abs(cut[2] - whole[2])).toBeLessThanOrEqual(bound * size + 1e-13);
        }
  });

  test('of a unit with itself are its energy', async () => {
    const series = await expanded(given, 'silu', 90);
    const all = new Int32Array(33).fill(90);
    for (let i = 0; i < 4; i++) {
      const sum = covariance(series, series, i, i, all).reduce((total, value) => total + value, series.p[i * 91] ** 2);
      expect(sum / series.energies[i]).toBeCloseTo(1, 9);
    }
    expect(slopeAtOne(d, 1)).toBe(1);
  });
});

test('the last degree that is needed grows with |ρ|, and falls with the dimension', () => {
  const reach = Float64Array.from({ length: 61 }, (_, n) => 2 ** -n);
  const [few, many] = [5, 500].map((d) => lastDegrees(damping(d, 60), reach, 1e-12));
  for (let bin = 1; bin < few.length; bin++) {
    expect(few[bin]).toBeGreaterThanOrEqual(few[bin - 1]);
    expect(many[bin]).toBeLessThanOrEqual(few[bin]);
  }
  expect(many[2]).toBeLessThan(few[2]);
  expect(few[32]).toBe(40);
});
