import { activationValue } from '../../lib/gaussian/activations/evaluate.js';
import type { Unit } from '../../lib/gaussian/activations/kernel.js';
import { ACTIVATION_NAMES, type Activation, activationOf } from '../../lib/layers/activations.js';

/** Every activation; those with a slope have one that is not the default, and prelu has that of a unit. */
export const ACTIVATIONS: readonly Activation[] = ACTIVATION_NAMES.map((name) => {
  if (name === 'leaky_relu') return activationOf({ activation: name, slope: 0.13 });
  if (name === 'elu') return activationOf({ activation: name, slope: 0.7 });
  return name === 'prelu' ? { name, slope: -0.4 } : activationOf({ activation: name, slope: null });
});

/** Ten points of Gauss–Legendre quadrature on (−1, 1), the positive half: Abramowitz and Stegun, table 25.4. */
const POINTS = [
  [0.14887433898163122, 0.29552422471475287],
  [0.4333953941292472, 0.26926671930999635],
  [0.6794095682990244, 0.21908636251598204],
  [0.8650633666889845, 0.1494513491505806],
  [0.9739065285171717, 0.06667134430868814],
] as const;

/** ∫ f over [from, to] in `panels` equal parts, by ten points in each, summed with compensation. */
function integral(f: (z: number) => number, from: number, to: number, panels: number): number {
  let [sum, lost] = [0, 0];
  const half = (to - from) / panels / 2;
  for (let i = 0; i < panels; i++) {
    const middle = from + (2 * i + 1) * half;
    for (const [node, weight] of POINTS) {
      const term = half * weight * (f(middle - half * node) + f(middle + half * node)) - lost;
      const next = sum + term;
      lost = next - sum - term;
      sum = next;
    }
  }
  return sum;
}

/** Where the derivatives of activations jump. */
const KNOTS = [-3, -1, 0, 1, 3, 6];

/**
 * E f(z) of a standard normal, `f` with kinks at the given places and changes about the place `at` on the scale `scale`:
 * composite Gauss quadrature in far more parts than it needs. Independent of the rules that are tested.
 */
export function expectation(f: (z: number) => number, kinks: readonly number[], at: number, scale: number): number {
  const reach = 13;
  const near = [-40, -12, -4, 0, 4, 12, 40].map((k) => at + k * scale);
  const ends = [-reach, ...[...kinks, ...near].filter((z) => Math.abs(z) < reach), reach].sort((a, b) => a - b);
  let sum = 0;
  for (let i = 0; i + 1 < ends.length; i++) {
    const [from, to] = [ends[i], ends[i + 1]];
    const inNear = from < at + 40 * scale && to > at - 40 * scale;
    const panels = Math.ceil(Math.min(2000, 4 + (to - from) * 12 + (inNear ? (2 * (to - from)) / scale : 0)));
    sum += integral((z) => f(z) * Math.exp(-0.5 * z * z), from, to, panels);
  }
  return sum / Math.sqrt(2 * Math.PI);
}

/** E F(u, z) of u = m + s z for functions F that are as smooth in u as activations are. */
export function overUnit(f: (u: number, z: number) => number, m: number, s: number): number {
  if (s === 0) return f(m, 0);
  return expectation(
    (z) => f(m + s * z, z),
    KNOTS.map((x) => (x - m) / s),
    -m / s,
    1 / s,
  );
}

/** E φ(m + s z) h_n(z), h_n = He_n/√n!. */
export function hermiteCoefficient(activation: Activation, m: number, s: number, n: number): number {
  const value = activationValue(activation);
  return overUnit((u, z) => value(u) * hermitePolynomial(n, z), m, s);
}

export function hermitePolynomial(n: number, z: number): number {
  let [before, value] = [0, 1];
  for (let k = 0; k < n; k++) [before, value] = [value, (z * value - Math.sqrt(k) * before) / Math.sqrt(k + 1)];
  return value;
}

/** E φ(m + s z)². */
export function energyOf({ activation, mean, deviation }: Unit): number {
  const value = activationValue(activation);
  return overUnit((u) => value(u) ** 2, mean, deviation);
}

/** Nodes z of the composite rule with ends at the given places, and their weights with the density. */
function compositeNodes(kinks: readonly number[], width: number, reach: number): { z: number[]; weights: number[] } {
  const ends = [-reach, ...kinks.filter((z) => Math.abs(z) < reach), reach].sort((a, b) => a - b);
  const [z, weights]: [number[], number[]] = [[], []];
  for (let i = 0; i + 1 < ends.length; i++) {
    const panels = Math.ceil((ends[i + 1] - ends[i]) / width);
    const half = (ends[i + 1] - ends[i]) / panels / 2;
    for (let k = 0; k < panels; k++) {
      const middle = ends[i] + (2 * k + 1) * half;
      for (const [node, weight] of POINTS) {
        for (const at of [middle - half * node, middle + half * node]) {
          z.push(at);
          weights.push((half * weight * Math.exp(-0.5 * at * at)) / Math.sqrt(2 * Math.PI));
        }
      }
    }
  }
  return { z, weights };
}

/**
 * E F(u, v) over two units by composite Gauss quadrature in both directions, with panels that end at every kink: over v
 * given z, over z in panels as short as the kinks of v are smoothed.
 */
export function overUnits(f: (z: number, z2: number) => number, u: Unit, v: Unit, rho: number): number {
  const spread = Math.sqrt((1 - rho) * (1 + rho));
  const kinksOf = ({ mean, deviation }: Unit) => (deviation === 0 ? [] : KNOTS.map((x) => (x - mean) / deviation));
  const smoothed =
    rho === 0
      ? []
      : kinksOf(v).flatMap((z) =>
          [0, 1, 2, 3, 4, 6, 8, 10].flatMap((k) => [(z - k * spread) / rho, (z + k * spread) / rho]),
        );
  // e^u has its weight s further out.
  const tilt = [u, v].map(({ activation, deviation }) => (activation.name === 'exp' ? deviation : 0));
  const reach = 9.5 + tilt[0] + tilt[1];
  const scale = (unit: Unit, size: number) => 1.2 / Math.max(1, unit.deviation * size);
  const outer = compositeNodes(
    [...kinksOf(u), ...new Set(smoothed)],
    Math.min(scale(u, 1), scale(v, Math.abs(rho))),
    reach,
  );
  let sum = 0;
  for (const [p, z] of outer.z.entries()) {
    if (spread === 0) {
      sum += outer.weights[p] * f(z, rho * z);
      continue;
    }
    const kinks = kinksOf(v).map((at) => (at - rho * z) / spread);
    const inner = compositeNodes(kinks, scale(v, spread), reach);
    let given = 0;
    for (const [q, w] of inner.z.entries()) given += inner.weights[q] * f(z, rho * z + spread * w);
    sum += outer.weights[p] * given;
  }
  return sum;
}

/** E φ(u) ψ(v). */
export function kernelByQuadrature(u: Unit, v: Unit, rho: number): number {
  const [phi, psi] = [activationValue(u.activation), activationValue(v.activation)];
  return overUnits((z, z2) => phi(u.mean + u.deviation * z) * psi(v.mean + v.deviation * z2), u, v, rho);
}
