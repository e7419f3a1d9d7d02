import type { GraphNode } from '../../../formats/onnx/graph.js';
import type { Activated } from '../../../layers/activations.js';

/** Operations that are an activation, whatever they are given beside. */
const PLAIN: Readonly<Record<string, string>> = {
  Relu: 'relu',
  Sigmoid: 'sigmoid',
  Tanh: 'tanh',
  Softplus: 'softplus',
  Erf: 'erf',
  Mish: 'mish',
  HardSwish: 'hardswish',
  Abs: 'abs',
  Sin: 'sin',
  Cos: 'cos',
  Exp: 'exp',
};

/** What ONNX has for the two constants of SELU. */
const SELU = { alpha: 1.6732632423543772, gamma: 1.0507009873554805 };
/** Attributes have 32 bits. */
const near = (value: number, wanted: number): boolean => Math.abs(value - wanted) <= 1e-6 * Math.abs(wanted);

/**
 * The activation that a node is.
 * @param bound the number that an input of the node is, by its place; undefined where it is none
 * @returns undefined for other operations, `unknown` for parameters that no activation has
 */
export function activationOfNode(
  { op, attributes, inputs }: GraphNode,
  bound: (input: number) => number | undefined,
): Activated | 'unknown' | undefined {
  const number = (name: string, missing: number): number => {
    const value = attributes.get(name) ?? missing;
    return typeof value === 'number' ? value : Number.NaN;
  };
  const named = (activation: string, slope: number | null = null): Activated => ({ activation, slope });
  if (Object.hasOwn(PLAIN, op)) return named(PLAIN[op]);
  switch (op) {
    case 'LeakyRelu':
      return sloped('leaky_relu', number('alpha', 0.01));
    case 'Elu':
      return sloped('elu', number('alpha', 1));
    case 'Selu': {
      const isUsual = near(number('alpha', SELU.alpha), SELU.alpha) && near(number('gamma', SELU.gamma), SELU.gamma);
      return isUsual ? named('selu') : 'unknown';
    }
    case 'HardSigmoid': {
      const isUsual = near(number('alpha', 0.2), 1 / 6) && near(number('beta', 0.5), 0.5);
      return isUsual ? named('hardsigmoid') : 'unknown';
    }
    case 'Gelu': {
      const kind = attributes.get('approximate') ?? 'none';
      return kind === 'none' ? named('gelu') : kind === 'tanh' ? named('gelu_tanh') : 'unknown';
    }
    case 'Clip': {
      // Bounds are attributes or, since version 11, inputs that may be left out.
      const at = (name: string, input: number, missing: number) =>
        (inputs[input] ?? '') === '' ? number(name, missing) : (bound(input) ?? Number.NaN);
      const [low, high] = [at('min', 1, Number.NEGATIVE_INFINITY), at('max', 2, Number.POSITIVE_INFINITY)];
      if (low === 0 && high === 6) return named('relu6');
      if (low === 0 && high > 3e38) return named('relu');
      return low === -1 && high === 1 ? named('hardtanh') : 'unknown';
    }
    default:
      return undefined;
  }
}

const sloped = (activation: string, slope: number): Activated | 'unknown' =>
  Number.isFinite(slope) ? { activation, slope } : 'unknown';
