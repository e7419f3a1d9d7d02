import type { Tensor } from '../tensor/tensor.js';
import type { BilinearOf } from './bilinear.js';
import { sizesOfChain } from './chains.js';
import type { GatedOf } from './gated.js';
import type { HiddenOf } from './hidden.js';
import type { LayerKind, Typed } from './kind.js';
import type { LinearOf } from './linear.js';
import type { ParallelOf } from './parallel.js';
import { NO_RESIDUAL, RESIDUAL_FIELDS, type Residual } from './residual.js';
import { kindOf, layerKinds } from './table.js';
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
export type { ParallelOf } from './parallel.js';
export type { PoolOf } from './pool.js';
export type { PositionsOf } from './positions.js';
export type { RmsNormOf } from './rms_norm.js';
export type { SoftmaxAttentionOf } from './softmax_attention.js';
export type { LayerOf, LayerTypes } from './types.js';

/** The parts that a layer has, each with its role: `['weight', …]`, `['left', …]`. */
export function partsOf<T>(layer: LayerOf<T>): [role: string, part: T][] {
  const { required, optional } = kindOf(layer).parts;
  const parts = layer as unknown as Readonly<Record<string, T | undefined>>;
  const found: [string, T][] = [];
  for (const roles of [required, optional]) {
    for (const role of roles) if (parts[role] !== undefined) found.push([role, parts[role]]);
  }
  for (const [b, branch] of branchesOf(layer).entries()) {
    for (const [i, one] of branch.entries())
      for (const [role, part] of partsOf(one)) found.push([inBranch(b, i, role), part]);
  }
  return found;
}

/** The chains of layers that a layer holds; none, but for kinds that do. */
export function branchesOf<T>(layer: LayerOf<T>): readonly (readonly LayerOf<T>[])[] {
  return kindOf(layer).parts.branches ? (layer as ParallelOf<T>).branches : [];
}

/** The role of a part in a layer of a branch: `branches.0.1.weight`. */
const inBranch = (branch: number, index: number, role: string): string => `branches.${branch}.${index}.${role}`;

/** The types of a layer and of all layers within. */
export function typesOf(layer: Typed): string[] {
  const { branches = [] } = layerKinds.find(layer.type)?.parts.branches ? (layer as ParallelOf<unknown>) : {};
  return [layer.type, ...branches.flatMap((branch) => branch.flatMap(typesOf))];
}

/** The same layer with every part replaced. */
export function mapLayer<T, U>(layer: LayerOf<T>, replace: (part: T, role: string) => U): LayerOf<U> {
  const { required, optional, fields, branches } = kindOf(layer).parts;
  const values = layer as unknown as Readonly<Record<string, unknown>>;
  const mapped: Record<string, unknown> = { type: layer.type };
  for (const field of fields) mapped[field] = values[field];
  for (const roles of [required, optional]) {
    for (const role of roles) if (values[role] !== undefined) mapped[role] = replace(values[role] as T, role);
  }
  if (branches) {
    mapped.branches = branchesOf(layer).map((branch, b) =>
      branch.map((inner, i) => mapLayer(inner, (part, role) => replace(part, inBranch(b, i, role)))),
    );
  }
  return mapped as unknown as LayerOf<U>;
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

/** The layers of a chain as exact methods take them: affine ones as linear layers, sums of branches as one block. */
export function withLinear(layers: readonly LayerOf<Tensor>[]): LayerOf<Tensor>[] {
  return layers.map((layer) => {
    const simpler = simplerType(layer) === null ? null : kindOf(layer).asSimpler!(layer);
    return linearOf(layer) ?? simpler ?? layer;
  });
}

/** What a block is replaced by for exact methods, another kind; null: it stays. */
function simplerType(layer: Typed): string | null {
  return isBlock(layer) ? (kindOf(layer).simplerType?.(layer) ?? null) : null;
}

/** The type of the layer that exact methods take in the place of one. */
export function exactType(layer: Typed): string {
  return isBlock(layer) ? (simplerType(layer) ?? layer.type) : 'linear';
}

/** Whether its outputs depend on other positions than their own, or on which they are at. */
export function mixesPositions(layer: Typed): boolean {
  const kind = kindOf(layer);
  return kind.mixes?.(layer) ?? kind.mixesPositions;
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
  return sizesOfChain(layers, kindOf).degree;
}

/** The power of the size of its input that the output of a chain grows by at most; the degree, where it has one. */
export function growthOf(layers: readonly Typed[]): number {
  return sizesOfChain(layers, kindOf).growth;
}
