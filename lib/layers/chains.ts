import { plural } from '../words/counts.js';
import type { LayerKind, Parity, Typed } from './kind.js';
import type { NamedShape, ShapeReport } from './shapes.js';

/*
 * What is known of layers that follow each other, from what their kinds say. The table of kinds comes as a function, as
 * one kind holds chains itself.
 */

export type KindOf = (layer: Typed) => LayerKind;

/** Degree, or null, and the power of the size of the input by which the output grows at most. */
export interface Sizes {
  readonly degree: number | null;
  readonly growth: number;
}

export function sizesOfChain(layers: readonly Typed[], kindOf: KindOf): Sizes {
  let [degree, growth]: [number | null, number] = [1, 1];
  for (const layer of layers) {
    const { degree: usual, growth: most = 1, sizes } = kindOf(layer);
    const own = sizes?.(layer) ?? { degree: usual, growth: most };
    degree = degree === null || own.degree === null ? null : degree * own.degree;
    growth *= own.degree ?? own.growth;
  }
  return { degree, growth };
}

/** An even layer makes all that follows even; of odd ones a chain is odd. */
export function parityOfChain(layers: readonly Typed[], kindOf: KindOf): Parity {
  for (const layer of layers) {
    const parity = kindOf(layer).parity(layer);
    if (parity !== 'odd') return parity;
  }
  return 'odd';
}

/** The first and the last width of a chain, each with the part that shows it, if there is one. */
export interface Ends {
  readonly takes: number;
  readonly gives: number;
  readonly first: NamedShape | null;
  readonly last: NamedShape | null;
}

/**
 * Checks that the parts of every layer fit each other and every layer takes what the one before it gives.
 * @param reportOn how to report on a layer, from 0.
 */
export function checkFollowing(
  layers: readonly Typed[],
  reportOn: (index: number, layer: Typed) => ShapeReport,
  kindOf: KindOf,
): Ends {
  let ends: Ends = { takes: 0, gives: 0, first: null, last: null };
  for (const [index, layer] of layers.entries()) {
    const kind = kindOf(layer);
    const report = reportOn(index, layer);
    const { takes: first = null, gives: last = null } = kind.check(layer, report) ?? {};
    const { takes, gives } = kind.widths(layer);
    const before = ends.last === null ? '' : ` (tensor "${ends.last.name}")`;
    if (index > 0 && takes !== ends.gives)
      report.refuse(first, `takes ${features(takes)}, but layer ${index}${before} gives ${ends.gives}`);
    ends = index === 0 ? { takes, gives, first, last } : { ...ends, gives, last };
  }
  return ends;
}

const features = (count: number): string => `${count} ${plural(count, 'feature')}`;
