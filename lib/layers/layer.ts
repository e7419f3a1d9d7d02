import type { Tensor } from '../tensor/tensor.js';
import type { BilinearOf } from './bilinear.js';
import type { GatedOf } from './gated.js';
import type { HiddenOf } from './hidden.js';
import type { LayerKind, Typed } from './kind.js';
import type { LinearOf } from './linear.js';
import { NO_RESIDUAL, RESIDUAL_FIELDS, type Residual } from './residual.js';
import { kindOf } from './table.js';
import type { LayerOf } from './types.js';

export type { ActivationOf } from './activation.js';
export type { AttentionOf } from './attention.js';
export type { BatchNormOf } from './batch_norm.js';
export type { BilinearOf } from './bilinear.js';
export type { ConvolutionOf } from './convolution.js';
export type { GatedOf } from './gated.js';
export type { HiddenOf } from './hidden.js';
export type { LayerNormOf } from './layer_norm.js';
export type { LinearOf } from './linear.js';
export type { PoolOf } from './pool.js';
export type { PositionsOf } from './positions.js';
export type { RmsNormOf } from './rms_norm.js';
export type { SoftmaxAttentionOf } from './softmax_attention.js';
export type { LayerOf, LayerTypes } from './types.js';

/** The parts that a layer has, each with its role: `['weight', …]`, `['left', …]`. */
export function partsOf<T>(layer: LayerOf<T>): [role: string, part: T][] {
  const { required, optional } = kindOf(layer).parts;
  const parts = layer as unknown as Readonly<Record<string, T | undefined>>;
  return [...required, ...optional].flatMap((role): [string, T][] => {
    const part = parts[role];
    return part === undefined ? [] : [[role, part]];
  });
}

/** The same layer with every part replaced. */
export function mapLayer<T, U>(layer: LayerOf<T>, replace: (part: T, role: string) => U): LayerOf<U> {
  const parts = Object.fromEntries(partsOf(layer).map(([role, part]) => [role, replace(part, role)]));
  const values = layer as unknown as Readonly<Record<string, unknown>>;
  const fields = kindOf(layer).parts.fields.map((field) => [field, values[field]]);
  return { type: layer.type, ...Object.fromEntries(fields), ...parts } as LayerOf<U>;
}

/** Whether layers of its kind have α and β around them. */
export function canHaveResidual(layer: Typed): boolean {
  return RESIDUAL_FIELDS.every((field) => kindOf(layer).parts.fields.includes(field));
}

/** α and β of a layer: 0 and 1 for one of a kind that has none. */
export function residualOf(layer: Typed): Residual {
  return canHaveResidual(layer) ? (layer as Typed & Residual) : NO_RESIDUAL;
}

/**
 * The linear layer that does the same as one of an affine kind, which is itself for linear layers; null for a block,
 * which every other layer is.
 */
export function linearOf(layer: LayerOf<Tensor>): LinearOf<Tensor> | null {
  return isBlock(layer) ? null : kindOf(layer).asLinear!(layer);
}

/**
 * The bilinear block that does the same as one of a quadratic kind, which is itself for bilinear blocks; null for other
 * layers.
 */
export function bilinearOf(layer: LayerOf<Tensor>): BilinearOf<Tensor> | null {
  return kindOf(layer).asBilinear?.(layer) ?? null;
}

/** The hidden layer or gated block that does the same as one of a kind made of units; null for other layers. */
export function unitsOf(layer: LayerOf<Tensor>): HiddenOf<Tensor> | GatedOf<Tensor> | null {
  return kindOf(layer).asUnits?.(layer) ?? null;
}

/** The hidden units of these blocks, from shapes; 0 for other layers. */
export function hiddenOf(layer: Typed): number {
  return kindOf(layer).hidden?.(layer) ?? 0;
}

/** Whether a layer is of no affine kind, so that a chain is cut at it. */
export function isBlock(layer: Typed): boolean {
  const kind = kindOf(layer);
  return kind.asLinear === undefined || kind.isAffine?.(layer) === false;
}

/** The layers of a chain, affine ones as the linear layers that do the same. */
export function withLinear(layers: readonly LayerOf<Tensor>[]): LayerOf<Tensor>[] {
  return layers.map((layer) => linearOf(layer) ?? layer);
}

/** What a layer is called in messages that is a block. */
export function nounOf({ words, asBlock }: LayerKind): string {
  return asBlock ?? words.noun;
}

/** The layers of a chain that are blocks. */
export function blocksOf<Layer extends Typed>(layers: readonly Layer[]): Layer[] {
  return layers.filter(isBlock);
}

/** The degree of a chain as a polynomial of its input; null where a layer is none. */
export function degreeOf(layers: readonly Typed[]): number | null {
  return layers.reduce<number | null>((degree, layer) => {
    const own = sizesOf(layer).degree;
    return degree === null || own === null ? null : degree * own;
  }, 1);
}

/** The power of the size of its input that the output of a chain grows by at most; the degree, where it has one. */
export function growthOf(layers: readonly Typed[]): number {
  return layers.reduce((growth, layer) => {
    const { degree, growth: own } = sizesOf(layer);
    return growth * (degree ?? own);
  }, 1);
}

function sizesOf(layer: Typed): { readonly degree: number | null; readonly growth: number } {
  const { degree, growth = 1, sizes } = kindOf(layer);
  return sizes?.(layer) ?? { degree, growth };
}
