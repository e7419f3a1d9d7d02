import type { BilinearOf, GatedOf, HiddenOf, LayerOf, LinearOf, SoftmaxAttentionOf } from '../../../layers/layer.js';
import type { Place } from '../../../layers/place.js';
import { scaledFrequencies } from '../../../layers/rope_scaling.js';
import { SOFTMAX_DEFAULTS, type SoftmaxFields } from '../../../layers/softmax_attention.js';
import type { Layout } from '../../transformers/layouts/layout.js';
import { turningOf } from '../../transformers/layouts/rotation.js';
import type { Attention, Mlp, Norm, Piece } from '../../transformers/network.js';
import { COMPARE_BLOCKS, untold } from '../refusals.js';
import type { Facts } from './facts.js';

/** A matrix of the network as a part of a layer. */
export function placeOf({ tensor, ...cut }: Piece): Place {
  return Object.keys(cut).length === 0 ? { tensor } : { tensor, cut };
}

/** A bias or a gain, which may have an axis for the heads. */
export function vectorOf({ tensor, rows }: Piece, perHead = false): Place {
  if (rows === undefined && !perHead) return { tensor };
  return { tensor, cut: { ...(perHead && { vector: true as const }), ...(rows && { rows }) } };
}

/** The place of a bias under a role, as a field to spread; nothing where there is none. */
const biasOf = <Role extends string>(role: Role, piece: Piece | undefined, perHead = false) =>
  (piece === undefined ? {} : { [role]: vectorOf(piece, perHead) }) as { readonly [key in Role]?: Place };

export function normOf({ kind, gain, bias, fromOne }: Norm, width: number, facts: Facts): LayerOf<Place> {
  return {
    type: kind === 'rms' ? 'rms_norm' : 'layer_norm',
    ...biasOf('weight', gain),
    ...biasOf('bias', bias),
    features: gain === undefined && bias === undefined ? width : null,
    epsilon: facts.epsilon(),
    offset: fromOne === true ? 1 : 0,
  };
}

/** Slopes of ALiBi fall from 2^−8/heads to 2^−8, as published. */
const ALIBI = 8;

/** What attention has beside the pieces of a `BlockNetwork`. */
export interface AroundAttention {
  readonly layer: number;
  readonly positions: number;
  readonly queryNorm: Norm | undefined;
  readonly keyNorm: Norm | undefined;
}

/** Attention without its residual. */
export function attentionOf(
  attention: Attention,
  layout: Layout,
  facts: Facts,
  { layer, positions, queryNorm, keyNorm }: AroundAttention,
): SoftmaxAttentionOf<Place> {
  const { heads, groups, width, query, key, value, output } = attention;
  const perHead = layout.headsApart === true;
  return {
    type: 'softmax_attention',
    ...{ q: placeOf(query), k: placeOf(key), v: placeOf(value), o: placeOf(output) },
    ...biasOf('qBias', attention.queryBias, perHead),
    ...biasOf('kBias', attention.keyBias, perHead),
    ...biasOf('vBias', attention.valueBias, perHead),
    ...biasOf('oBias', attention.outputBias),
    ...biasOf('qNorm', queryNorm?.gain),
    ...biasOf('kNorm', keyNorm?.gain),
    ...SOFTMAX_DEFAULTS,
    ...rotaryOf(attention, layout, facts, layer),
    ...{ heads, kvHeads: groups === heads ? null : groups, mask: facts.mask() },
    window: facts.window(layer, positions),
    scale: facts.scale(layer, width),
    softcap: facts.scoreCap(),
    alibi: attention.slopes === true ? ALIBI : null,
    ...(queryNorm && { normEpsilon: facts.epsilon(), normOffset: queryNorm.fromOne ? 1 : 0 }),
    ...{ alpha: 0, beta: 1 },
  };
}

type Rotary = Pick<SoftmaxFields, 'rotaryBase' | 'rotaryDimension' | 'rotaryLayout' | 'rotaryScaling'>;

/** Without a rotary embedding. */
const STILL: Rotary = { ...SOFTMAX_DEFAULTS, rotaryLayout: 'half' };

function rotaryOf({ rotation, width }: Attention, layout: Layout, facts: Facts, layer: number): Rotary {
  const { settings } = facts;
  const made = rotation === null ? null : turningOf(layout, settings, width, layer);
  if (rotation === null || made === null || made.turning === 0) return STILL;
  const { base, turning, scaling } = made;
  const usual = scaledFrequencies(scaling, { base, turning, positions: 1 }).frequencies;
  if (
    rotation.divisors !== undefined ||
    usual.length !== rotation.angles.length ||
    usual.some((angle, p) => angle !== rotation.angles[p])
  )
    throw untold(settings.file, 'has angles of its own in its rotary embedding, which are not run', COMPARE_BLOCKS);
  if (settings.number('rotaryBase') === undefined) facts.note('rotaryBase', base);
  return {
    rotaryBase: base,
    rotaryDimension: turning === width ? null : turning,
    rotaryLayout: rotation.interleaved ? 'interleaved' : 'half',
    rotaryScaling: Object.keys(scaling).length === 0 ? 1 : scaling,
  };
}

/** An MLP without its residual; one with a gate and no activation is a bilinear block. */
export function mlpOf(mlp: Mlp): HiddenOf<Place> | GatedOf<Place> | BilinearOf<Place> {
  const { activation, gate, up, down } = mlp;
  const behind = { down: placeOf(down), ...biasOf('downBias', mlp.downBias), ...{ alpha: 0, beta: 1 } };
  if (gate === undefined)
    return {
      type: 'hidden',
      weight: placeOf(up),
      ...biasOf('bias', mlp.upBias),
      ...behind,
      ...{ activation, slope: null },
    };
  if (activation === 'identity')
    return {
      type: 'bilinear',
      ...{ left: placeOf(gate), right: placeOf(up) },
      ...biasOf('leftBias', mlp.gateBias),
      ...biasOf('rightBias', mlp.upBias),
      ...behind,
    };
  return {
    type: 'gated',
    ...{ gate: placeOf(gate), up: placeOf(up) },
    ...biasOf('gateBias', mlp.gateBias),
    ...biasOf('upBias', mlp.upBias),
    ...behind,
    ...{ activation, slope: null },
  };
}

/** A matrix times a number; `turned` for an embedding, whose rows are the tokens. */
export function linearOf(piece: Piece, factor: number, turned: boolean, bias?: Piece): LinearOf<Place> {
  const place = turned ? { tensor: piece.tensor, transposed: true } : placeOf(piece);
  return {
    type: 'linear',
    weight: factor === 1 ? place : { ...place, made: { as: 'matrix', factor, power: 1 } },
    ...biasOf('bias', bias),
  };
}
