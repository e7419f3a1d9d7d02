import type { Activation } from '../../layers/activations.js';
import { closedCoefficients, losesSmallDigits } from './closed.js';
import { activationDerivative, activationValue } from './evaluate.js';
import { grainOf } from './grain.js';
import { isSmooth, type Nodes, nodesFor } from './line.js';
import { piecesOf } from './pieces.js';
import { addPieces } from './piecewise.js';

/** A unit: z ↦ φ(m + s z), s ≥ 0. The slope of the activation is that of the unit. */
export interface Unit {
  readonly activation: Activation;
  readonly mean: number;
  readonly deviation: number;
}

/** Beyond this a normal is below rounding, with what activations add. */
export const REACH = 10.5;

/** Whether averages of the activation over a normal have a closed form. */
export function hasClosedMean({ activation, deviation }: Unit): boolean {
  if (piecesOf(activation)?.exponential) return !losesSmallDigits(deviation);
  return piecesOf(activation) !== null || CLOSED.has(activation.name);
}

const CLOSED: ReadonlySet<string> = new Set(['gelu', 'erf', 'sin', 'cos', 'exp']);

/**
 * x ↦ [E φ(x + σ w), E φ'(x + σ w), E w φ'(x + σ w)] for a standard normal w, as far as asked for: what is left of a
 * unit given another one. The last two without the step of `heaviside` where σ = 0. The result is written over by the
 * next call.
 */
export function conditional(unit: Unit, spread: number, count: 1 | 3 = 1): (x: number) => Float64Array {
  const { activation } = unit;
  const out = new Float64Array(count);
  if (spread === 0) {
    const [value, derivative] = [activationValue(activation), activationDerivative(activation)];
    return (x) => {
      out[0] = value(x);
      if (count > 1) out[1] = derivative(x);
      return out;
    };
  }
  const pieces = piecesOf(activation);
  // The step of the exponential piece and that of the constant cancel, which a slope would divide by σ.
  const cancels = count > 1 && pieces !== null && pieces.exponential !== 0 && losesSmallDigits(spread);
  if (cancels || !hasClosedMean(unit)) return byNodes(activation, spread, out);
  return (x) => {
    if (pieces === null) closedCoefficients(activation, x, spread, out);
    else addPieces(out.fill(0), pieces, x, spread);
    // By Stein's identity: a_1 = σ E φ' and √2 a_2 = σ E w φ'.
    if (count > 1) out[1] /= spread;
    if (count > 2) out[2] *= Math.SQRT2 / spread;
    return out;
  };
}

function byNodes(activation: Activation, spread: number, out: Float64Array): (x: number) => Float64Array {
  const [value, derivative] = [activationValue(activation), activationDerivative(activation)];
  const grainAt = (x: number) => grainOf(activation, x, spread);
  const shared: Nodes | null = isSmooth(grainAt(0)) ? nodesFor(grainAt(0), REACH) : null;
  return (x) => {
    const { z, weights } = shared ?? nodesFor(grainAt(x), REACH);
    out.fill(0);
    for (let p = 0; p < z.length; p++) {
      const at = x + spread * z[p];
      out[0] += weights[p] * value(at);
      if (out.length === 1) continue;
      const slope = weights[p] * derivative(at);
      out[1] += slope;
      out[2] += z[p] * slope;
    }
    return out;
  };
}
