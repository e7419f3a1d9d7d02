import { largest } from '../extremes.js';
import type { ChainMethod, FunctionMeasure, LayerKind, Typed } from './kind.js';
import { blocksOf, exactType } from './layer.js';
import { kindOf, layerKinds } from './table.js';

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
  return chains.flatMap(blocksOf).every((layer) => (methodsOf(layer)[method] ?? 0) >= depth);
}

/**
 * The kind among the blocks of these chains that is exact at the fewest of them under a measure, and at how many at
 * most. There must be a block.
 */
export function limitOf(
  chains: readonly (readonly Typed[])[],
  measure: FunctionMeasure,
): { readonly kind: LayerKind; readonly most: number } {
  const limits = chains.flatMap(blocksOf).map((layer) => {
    const methods = methodsOf(layer);
    return { kind: kindOf(layer), most: largest(METHODS[measure].map((method) => methods[method] ?? 0)) };
  });
  return limits.reduce((least, limit) => (limit.most < least.most ? limit : least));
}

/** A kind of block among these that a method does not take; undefined: it takes them all. */
export function untaken(method: ChainMethod, chains: readonly (readonly Typed[])[]): LayerKind | undefined {
  const found = chains.flatMap(blocksOf).find((layer) => methodsOf(layer)[method] === undefined);
  return found && kindOf(found);
}

/**
 * A kind of block in a chain for which a measure is not defined; undefined: it is for all. `gaussian` can be sampled,
 * whatever the kinds.
 */
export function undefinedUnder(measure: FunctionMeasure, layers: readonly Typed[]): LayerKind | undefined {
  if (measure === 'gaussian') return undefined;
  const found = blocksOf(layers).find((layer) =>
    METHODS[measure].every((method) => methodsOf(layer)[method] === undefined),
  );
  return found && kindOf(found);
}

/** The methods that take a block: those of its kind, or of the kind that stands in its place. */
function methodsOf(layer: Typed): LayerKind['methods'] {
  return layerKinds.of(exactType(layer)).methods;
}
