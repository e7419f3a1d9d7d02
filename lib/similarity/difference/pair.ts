import type { GramTile } from '../../backend/grams.js';
import { timesPower } from '../../tensor/power.js';
import { type Precision, precisionOf } from '../../tensor/tensor.js';
import { entryOf, type GramEntry } from '../gram/derived.js';
import { gramPair } from '../gram/pair.js';
import type { Member } from '../members/members.js';
import type { Comparison } from '../plan/comparison.js';
import type { SampledGram } from '../sampled/result.js';
import type { ScaledTile } from '../scale/model_scale.js';
import type { PairDifference } from '../terms/results.js';
import { expanded, inOneUnit, NEAR, relativeTo, sampledDifference } from './expanded.js';
import type { DifferenceProducts } from './products.js';
import { gramResolution } from './resolution.js';

/**
 * What two models differ by, as a whole and then per slice. Expanded in their Gram matrix, (2, 2), where they are far
 * from each other; near each other, from the inner products of their difference.
 */
export async function pairDifferences(
  members: readonly [Member, Member],
  comparison: Comparison,
  gram: GramTile & Partial<ScaledTile> & Pick<SampledGram, 'pair'>,
): Promise<PairDifference[]> {
  const { info } = comparison;
  const precision = precisionOf(info.dtype, info);
  const products = entriesOf(gram);
  if (comparison.kind === 'samples') {
    const { distance, exponent } = gram.pair!;
    return products.map((entry, c) => sampledDifference(entry, distance[c], exponent, precision));
  }
  const plain = products.map((entry) => expanded(entry, precision));
  const isNear = (entry: GramEntry) => areNear(entry, precision);
  if (!products.some(isNear)) return plain;
  const { differenceProducts } = await import('./products.js');
  const found = await differenceProducts(members, comparison);
  if (found === 'equal') return products.map(equal);
  // Two ways to write one function, scaled very differently, can cancel more than their inner products do.
  const apart = (entry: GramEntry, c: number) => {
    if (found === null || !isNear(entry)) return null;
    const difference = computed(found, c);
    const { aa, bb, u } = inOneUnit(entry);
    const best = timesPower(gramResolution(aa, bb, 'float64'), u);
    if (difference.distanceResolution > best) return null;
    // A distance far above what inner products resolve they know better than a difference that is not exact.
    return 2 * found.error <= (best / difference.distance) ** 2 ? difference : null;
  };
  const near = products.map(apart);
  if (precision === 'float64' || products.every((entry, c) => near[c] !== null || !isNear(entry))) {
    return plain.map((difference, c) => near[c] ?? difference);
  }
  const double = { ...comparison.settings, dtype: 'float64', onProgress: undefined } as const;
  return entriesOf(await gramPair(members, comparison.sources, double)).map((entry, c) => {
    return near[c] ?? (isNear(products[c]) ? expanded(entry, 'float64') : plain[c]);
  });
}

function entriesOf({ total, exponents, perOutput, sliceExponents }: GramTile & Partial<ScaledTile>): GramEntry[] {
  const size = perOutput === undefined ? 0 : perOutput.length / 4;
  const slices = Array.from({ length: size }, (_, c) => entryOf(perOutput!, sliceExponents, c, size));
  return [entryOf(total, exponents, 0, 1), ...slices];
}

/** In TF32 also where inner products cannot tell them apart. */
function areNear(entry: GramEntry, precision: Precision): boolean {
  const { aa, ab, bb } = inOneUnit(entry);
  const least = precision === 'tf32' ? gramResolution(aa, bb, precision) ** 2 : 0;
  return aa + bb > 0 && aa - ab + (bb - ab) <= Math.max(NEAR * (aa + bb), least);
}

function equal({ aa }: GramEntry): PairDifference {
  return {
    distance: 0,
    distanceResolution: 0,
    dissimilarity: aa > 0 ? 0 : null,
    ...relativeTo(Math.sqrt(aa), 0),
  };
}

/**
 * With p = ⟨r,Δ⟩/⟨r,r⟩ and q = ‖Δ‖/‖r‖ the other is of the squared norm w = 1 + 2p + q² (in units of that of r), and
 *
 *     1 − similarity² = (q² − p²)/w,      similarity = (1 + p)/√w
 */
function computed(products: DifferenceProducts, c: number): PairDifference {
  const { reference, scale, exponent, own, mixed, change, resolution } = products;
  const length = Math.sqrt(Math.max(0, own[c]));
  const away = Math.sqrt(Math.max(0, change[c]));
  const known = {
    distance: timesPower(scale * away, exponent),
    distanceResolution: timesPower(scale * resolution[c], exponent),
  };
  if (length === 0) {
    const first = reference === 'first' ? 0 : scale * away;
    return { ...known, dissimilarity: null, ...relativeTo(first, scale * away) };
  }
  const q = scale * (away / length);
  const p = scale * (mixed[c] / own[c]);
  const w = 1 + 2 * p + q * q;
  return {
    ...known,
    dissimilarity: Math.max(0, (q - p) * (q + p)) / (w + (1 + p) * Math.sqrt(w)),
    ...relativeTo(reference === 'first' ? 1 : Math.sqrt(w), q),
  };
}
