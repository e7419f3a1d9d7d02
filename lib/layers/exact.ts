import { largest } from '../extremes.js';
import type { ChainMethod, FunctionMeasure, LayerKind, Typed } from './kind.js';
import { blocksOf } from './layer.js';
import { kindOf } from './table.js';

/** The methods by which each measure is computed, the cheapest first. */
const METHODS: Readonly<Record<FunctionMeasure, readonly ChainMethod[]>> = {
  gaussian: ['one-block', 'hidden', 'two-block', 'closure'],
  tensor: ['one-block', 'tensor'],
};

/** Blocks of the deepest of some chains. */
export function depthOf(chains: readonly (readonly Typed[])[]): number {
  return largest(
    chains.map((layers) => blocksOf(layers).length),
    0,
  );
}

/**
 * What is exact: the cheapest method that gives the inner products of these chains to rounding, for the kinds of their
 * blocks and the depth of the deepest. Null: none does. Whether it is affordable is not told here.
 */
export function exactMethod(chains: readonly (readonly Typed[])[], measure: FunctionMeasure): ChainMethod | null {
  return METHODS[measure].find((method) => isExact(method, chains)) ?? null;
}

/** Whether a method is exact for these chains. */
export function isExact(method: ChainMethod, chains: readonly (readonly Typed[])[]): boolean {
  const depth = depthOf(chains);
  return kindsOf(chains).every((kind) => (kind.methods[method] ?? 0) >= depth);
}

/**
 * The kind among the blocks of these chains that is exact at the fewest of them under a measure, and at how many at
 * most. There must be a block.
 */
export function limitOf(
  chains: readonly (readonly Typed[])[],
  measure: FunctionMeasure,
): { readonly kind: LayerKind; readonly most: number } {
  const limits = kindsOf(chains).map((kind) => {
    return { kind, most: largest(METHODS[measure].map((method) => kind.methods[method] ?? 0)) };
  });
  return limits.reduce((least, limit) => (limit.most < least.most ? limit : least));
}

/** A kind of block among these that a method does not take; undefined: it takes them all. */
export function untaken(method: ChainMethod, chains: readonly (readonly Typed[])[]): LayerKind | undefined {
  return kindsOf(chains).find((kind) => kind.methods[method] === undefined);
}

/**
 * A kind of block in a chain for which a measure is not defined; undefined: it is for all. `gaussian` can be sampled,
 * whatever the kinds.
 */
export function undefinedUnder(measure: FunctionMeasure, layers: readonly Typed[]): LayerKind | undefined {
  if (measure === 'gaussian') return undefined;
  return kindsOf([layers]).find((kind) => METHODS[measure].every((method) => kind.methods[method] === undefined));
}

/** The kinds of all blocks, each once. */
function kindsOf(chains: readonly (readonly Typed[])[]): LayerKind[] {
  return [...new Set(chains.flatMap((layers) => blocksOf(layers).map(kindOf)))];
}
