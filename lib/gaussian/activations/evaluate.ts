import type { Activation, ActivationName } from '../../layers/activations.js';
import { erf, normalDensity, normalDistribution } from '../normal.js';

/** The constants of self-normalising networks. */
export const SELU = { alpha: 1.6732632423543772, scale: 1.0507009873554805 } as const;
/** √(2/π) and the cubic part of the tanh approximation of GELU. */
export const GELU_TANH = { scale: Math.sqrt(2 / Math.PI), cubic: 0.044715 } as const;
export const QUICK_GELU = 1.702;

const sigmoid = (x: number): number => {
  if (x >= 0) return 1 / (1 + Math.exp(-x));
  const e = Math.exp(x);
  return e / (1 + e);
};

const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

/** tanh log(1 + eˣ) = w / (w + 2) with w = eˣ (eˣ + 2). */
const mish = (x: number): number => {
  if (x > 20) return x;
  const e = Math.exp(x);
  const w = e * (e + 2);
  return (x * w) / (w + 2);
};

const geluTanh = (x: number): number => {
  const inner = GELU_TANH.scale * x * (1 + GELU_TANH.cubic * x * x);
  // ½ (1 + tanh t) = σ(2t), which keeps its digits where tanh is nearly −1.
  return x * sigmoid(2 * inner);
};

function step(x: number): number {
  return x > 0 ? 1 : x === 0 ? 0.5 : 0;
}

/** (x σ(k x))'. */
function gatedSlope(k: number, x: number): number {
  const gate = sigmoid(k * x);
  return gate * (1 + k * x * sigmoid(-k * x));
}

/** φ and the names of those that have a slope, which they take as a second argument. */
const VALUES: Readonly<Record<ActivationName, (x: number, slope: number) => number>> = {
  identity: (x) => x,
  square: (x) => x * x,
  relu: (x) => Math.max(x, 0),
  leaky_relu: (x, slope) => (x > 0 ? x : slope * x),
  prelu: (x, slope) => (x > 0 ? x : slope * x),
  relu6: (x) => Math.min(Math.max(x, 0), 6),
  hardtanh: (x) => Math.min(Math.max(x, -1), 1),
  relu2: (x) => Math.max(x, 0) ** 2,
  abs: Math.abs,
  heaviside: step,
  gelu: (x) => x * normalDistribution(x),
  gelu_tanh: geluTanh,
  quick_gelu: (x) => x * sigmoid(QUICK_GELU * x),
  silu: (x) => x * sigmoid(x),
  tanh: Math.tanh,
  sigmoid,
  softplus,
  mish,
  erf,
  sin: Math.sin,
  cos: Math.cos,
  exp: Math.exp,
  elu: (x, slope) => (x > 0 ? x : slope * Math.expm1(x)),
  selu: (x) => SELU.scale * (x > 0 ? x : SELU.alpha * Math.expm1(x)),
  hardswish: (x) => (x * Math.min(Math.max(x + 3, 0), 6)) / 6,
  hardsigmoid: (x) => Math.min(Math.max(x + 3, 0), 6) / 6,
};

/** φ as a function of a number; of `prelu` it needs the unit's slope. */
export function activationValue({ name, slope }: Activation, unitSlope = slope): (x: number) => number {
  const value = VALUES[name];
  return (x) => value(x, unitSlope);
}

/**
 * φ of every element of row-major rows, in place.
 * @param slopes of `prelu`, one for each column.
 */
export function applyActivation(
  { name, slope }: Activation,
  slopes: ArrayLike<number> | null,
  rows: { readonly data: Float64Array; readonly width: number },
): void {
  const { data, width } = rows;
  const value = VALUES[name];
  if (slopes === null) for (let i = 0; i < data.length; i++) data[i] = value(data[i], slope);
  else for (let i = 0; i < data.length; i++) data[i] = value(data[i], slopes[i % width]);
}

/** φ' and, of those that have a slope, with it; at kinks the mean of both sides. Of `heaviside` without its step. */
const DERIVATIVES: Readonly<Record<ActivationName, (x: number, slope: number) => number>> = {
  identity: () => 1,
  square: (x) => 2 * x,
  relu: step,
  leaky_relu: (x, slope) => slope + (1 - slope) * step(x),
  prelu: (x, slope) => slope + (1 - slope) * step(x),
  relu6: (x) => step(x) - step(x - 6),
  hardtanh: (x) => step(x + 1) - step(x - 1),
  relu2: (x) => 2 * Math.max(x, 0),
  abs: Math.sign,
  heaviside: () => 0,
  gelu: (x) => normalDistribution(x) + x * normalDensity(x),
  gelu_tanh: (x) => {
    const gate = sigmoid(2 * GELU_TANH.scale * x * (1 + GELU_TANH.cubic * x * x));
    const slope = 2 * GELU_TANH.scale * (1 + 3 * GELU_TANH.cubic * x * x);
    return gate + x * slope * gate * sigmoid(-2 * GELU_TANH.scale * x * (1 + GELU_TANH.cubic * x * x));
  },
  quick_gelu: (x) => gatedSlope(QUICK_GELU, x),
  silu: (x) => gatedSlope(1, x),
  tanh: (x) => 1 / Math.cosh(x) ** 2,
  sigmoid: (x) => sigmoid(x) * sigmoid(-x),
  softplus: sigmoid,
  mish: (x) => {
    const tanh = Math.tanh(softplus(x));
    return tanh + x * sigmoid(x) * (1 - tanh) * (1 + tanh);
  },
  erf: (x) => (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x),
  sin: Math.cos,
  cos: (x) => -Math.sin(x),
  exp: Math.exp,
  elu: (x, slope) => (x > 0 ? 1 : x === 0 ? (1 + slope) / 2 : slope * Math.exp(x)),
  selu: (x) => SELU.scale * (x > 0 ? 1 : x === 0 ? (1 + SELU.alpha) / 2 : SELU.alpha * Math.exp(x)),
  hardswish: (x) => (step(x + 3) - step(x - 3)) * (x / 3 + 0.5) + step(x - 3),
  hardsigmoid: (x) => (step(x + 3) - step(x - 3)) / 6,
};

/** φ' as a function of a number, without the jump of `heaviside`. */
export function activationDerivative({ name, slope }: Activation): (x: number) => number {
  const derivative = DERIVATIVES[name];
  return (x) => derivative(x, slope);
}
