import type { Pacer } from '../../../cooperate.js';
import { activationValue } from '../../../gaussian/activations/evaluate.js';
import { type Activated, aboutActivation, activationOf } from '../../../layers/activations.js';
import type { GatedLayer, HiddenLayer } from '../../../model/model.js';
import { addLevels } from '../../../tensor/power.js';
import type { Tensor } from '../../../tensor/tensor.js';
import { diagonal, featuresOf, rowLevels, shifted, TO_ZERO } from '../rows.js';
import { type Choose, exponentsOf, isZero, less, split, type Units } from '../units.js';
import type { LayerLevels } from './kind.js';
import { withResidual } from './residual.js';

/* What hidden layers and gated blocks share. */

/**
 * The levels of φ(u) from those of u: about growth times the level for large u. Near zero φ is about linear if φ(0) is
 * zero, and else not far from 1.
 */
export function activated(layer: Activated, input: Float64Array): Float64Array {
  const activation = activationOf(layer);
  const { growth, homogeneous } = aboutActivation(activation.name);
  if (homogeneous !== null) return input.map((level) => (homogeneous === 0 ? 0 : homogeneous * level));
  const linear = activationValue(activation)(0) === 0;
  return input.map((level) => (level > 0 ? growth * level : linear ? level : 0));
}

/**
 * Levels of units, and behind the block around them. A factor of units can have units of its own if a power of two
 * goes through it: the argument of φ only where φ(s x) = s^k φ(x).
 * @param u of the arguments of φ. @param v of what φ is multiplied by.
 */
export async function unitLevels(
  layer: HiddenLayer | GatedLayer,
  u: Float64Array,
  v: Float64Array | null,
  input: Float64Array,
  pacer: Pacer,
): Promise<LayerLevels> {
  const { down, downBias, skip } = layer;
  const factors = activated(layer, u);
  const units = v === null ? factors : factors.map((level, h) => level + v[h]);
  const block =
    down === undefined ? withBias(units, downBias) : await rowLevels(down, downBias, featuresOf(units), pacer);
  const inner = { ...(homogeneity(layer) !== null && { u }), ...(v && { v }) };
  const out = withResidual(block, input, layer);
  if (skip === undefined) return { inner, out };
  const beside = await rowLevels(skip, undefined, featuresOf(input), pacer);
  return { inner, out: out.map((level, i) => addLevels(level, beside[i])) };
}

function withBias(levels: Float64Array, bias: Tensor | undefined): Float64Array {
  return bias === undefined ? levels : levels.map((level, i) => addLevels(level, Math.log2(Math.abs(bias.data[i]))));
}

/** k of φ(s x) = s^k φ(x), s > 0; null where there is none. */
export function homogeneity(layer: Activated): number | null {
  return aboutActivation(activationOf(layer).name).homogeneous;
}

/** Exponents of the arguments of φ, and of what it is multiplied by. */
export interface UnitExponents {
  readonly u: Int32Array;
  readonly v: Int32Array | null;
}

/** The exponents that the factors of units may have. @param hidden how many units there are. */
export function unitExponents(hidden: number, { inner }: LayerLevels, choose: Choose): UnitExponents {
  const { u, v }: LayerLevels['inner'] = inner;
  return { u: u === undefined ? new Int32Array(hidden) : exponentsOf(u, choose), v: v ? exponentsOf(v, choose) : null };
}

/** What is behind units in other units, and beside them. */
export async function rescaleBehind(
  layer: HiddenLayer | GatedLayer,
  { u, v }: UnitExponents,
  { inner }: LayerLevels,
  { from, to }: Units,
  choose: Choose,
  pacer: Pacer,
): Promise<Pick<HiddenLayer, 'beta' | 'down' | 'downBias' | 'skip'>> {
  const { down, downBias, skip } = layer;
  const { factor, rest } = split(layer.beta, choose);
  const degree = homogeneity(layer) ?? 0;
  const levels: LayerLevels['inner'] = inner;
  // A unit that is always zero: φ(0) is, where a power goes through.
  const isDead = (h: number) => (degree > 0 && isZero(levels.u?.[h] ?? 0)) || isZero(levels.v?.[h] ?? 0);
  const units = u.map((exponent, h) => (isDead(h) ? TO_ZERO : degree * exponent + (v === null ? 0 : v[h]) + factor));
  const direct = down === undefined && units.every((exponent, h) => exponent === to[h]);
  return {
    beta: rest,
    ...(!direct && { down: await shifted(down ?? diagonal(units.map(() => 1)), to, units, pacer) }),
    ...(downBias && { downBias: await shifted(downBias, less(to, factor), null, pacer) }),
    ...(skip && { skip: await shifted(skip, to, from, pacer) }),
  };
}
