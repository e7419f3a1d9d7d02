import { isExact } from '../../layers/exact.js';
import { isBlock, type LayerOf } from '../../layers/layer.js';
import type { ShapeOnly } from '../../layers/shapes.js';
import { kindOf } from '../../layers/table.js';
import type { LinearLayer } from '../../model/model.js';
import type { Member } from '../members/members.js';

/** A linear layer behind the first block of a model, in place of all that follows there. */
export interface Head {
  /** (outputs, width behind the block), row-major. */
  readonly weight: Float64Array;
  /** (outputs). */
  readonly bias: Float64Array;
}

/** What stands in for a model: its first block under a head; the model itself, which is exact already; or nothing. */
export type Surrogate = Head | 'self' | null;

/**
 * Functions f̃ that stand in for models as control variates (MATH.md section 15): they vary with the input as the models
 * do, and their inner products are known exactly. Plain data: with the models it says all of them.
 */
export interface Surrogates {
  /** Of every different model. */
  readonly of: readonly Surrogate[];
  /** E f̃·g̃, (models, models); zero where there is none. */
  readonly total: Float64Array;
  /** The same per output, (models, models, o), where that is wanted. */
  readonly perOutput: Float64Array | null;
}

/** Control variates, and the variance of similarities with them in parts of that without. */
export interface Variates {
  readonly surrogates: Surrogates;
  readonly varianceRatio: number;
}

/**
 * The layers of a model that its surrogate keeps, the first block and what stands before it: how many. `'self'` where
 * the whole is one block of units at most; null where the first block is none.
 */
export function keptLayers(layers: readonly LayerOf<ShapeOnly>[]): number | 'self' | null {
  if (isExact('hidden', [layers])) return 'self';
  const place = layers.findIndex(isBlock);
  const { asUnits, asBilinear, methods } = kindOf(layers[place]);
  // Of quadratic blocks the next ones make powers that no head tells anything of.
  return asUnits === undefined || asBilinear !== undefined || methods.hidden === undefined ? null : place + 1;
}

/** The features behind so many layers. */
export function widthBehind(layers: readonly LayerOf<ShapeOnly>[], kept: number): number {
  const last = layers[kept - 1];
  return kindOf(last).widths(last).gives;
}

/** The first layers of a model, and a linear one behind them if there is a head. */
export function cutMember({ outline, load }: Member, kept: number, head: Head | null): Member {
  const width = widthBehind(outline.layers, kept);
  const [positions] = outline.inputShape;
  const outputs = head === null ? width : head.bias.length;
  const added: LinearLayer[] = head === null ? [] : [headLayer(head, width)];
  const label = outline.label;
  return {
    outline: { ...outline, layers: [...outline.layers.slice(0, kept), ...added], outputShape: [positions, outputs] },
    async load() {
      const model = await load();
      return { ...model, layers: [...model.layers.slice(0, kept), ...added], outputShape: [positions, outputs] };
    },
    release: () => {},
    identity: async () => label,
    known: undefined,
    sketch: () => label,
  };
}

function headLayer({ weight, bias }: Head, width: number): LinearLayer {
  return {
    type: 'linear',
    weight: { data: weight, shape: [bias.length, width] },
    bias: { data: bias, shape: [bias.length] },
  };
}

/** The surrogate of a model as a model. */
export function surrogateMember(member: Member, surrogate: Head | 'self'): Member {
  const kept = keptLayers(member.outline.layers);
  return surrogate === 'self' || typeof kept !== 'number' ? member : cutMember(member, kept, surrogate);
}
