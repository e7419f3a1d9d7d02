import { isCentred } from '../blocks/align/basis.js';
import type { StreamView } from '../blocks/align/stream.js';
import { matchUnits } from '../blocks/align/units.js';
import {
  type AttentionSide,
  attentionSide,
  type BlockSettled,
  compareMlps,
  compareSides,
  sourceInView,
} from '../blocks/compare.js';
import { compareExperts } from '../blocks/experts.js';
import type { BlockLaws } from '../blocks/law/laws.js';
import type { BlockFile } from '../blocks/open.js';
import { productsBy } from '../blocks/products.js';
import { methodsFor, settleBlocks } from '../blocks/settings.js';
import type { AttentionComparison } from '../blocks/terms.js';
import { WeightTally } from '../blocks/weights.js';
import { largest } from '../extremes.js';
import type { LayerBlocks } from '../model/transformers/network.js';
import { EXPLAINED, roundingOf } from './folding.js';
import type { VerifyOptions } from './options.js';
import type { Compared } from './tally.js';
import type { LayoutChange } from './terms.js';

/** A way in which a block is written otherwise and is the same function. */
type BlockChange = Pick<LayoutChange, 'kind' | 'text'>;

/** Compares blocks as functions, whatever their weights. */
export interface FunctionCheck {
  /**
   * How the attention of one layer is that of another; undefined where it is not, or that cannot be told.
   * @param tolerance of squared relative errors
   */
  attention(one: LayerBlocks, other: LayerBlocks, tolerance: number): Promise<BlockChange | undefined>;
  mlp(one: LayerBlocks, other: LayerBlocks, tolerance: number): Promise<BlockChange | undefined>;
  experts(one: LayerBlocks, other: LayerBlocks, tolerance: number): Promise<BlockChange | undefined>;
}

/** What rounding in the computation leaves of a squared relative error. */
const FLOOR = 1e-11;
/** What rounding in float32 leaves of 1 less the similarity of two units. */
const UNIT_ROUNDED = 1e-9;
/** Errors of a block's weights add up. */
const ROUNDED = 2;

/**
 * How much of a block's function, squared, may be left: what rounding of its weights can change, and little beside what
 * its weights have changed.
 */
export function toleranceOf(parts: readonly Compared[]): number {
  const most = largest(parts.map(({ slot }) => roundingOf(slot)));
  const matrices = parts.filter(({ slot }) => (slot.candidate ?? slot.reference)!.columns > 1);
  const sum = (of: (one: Compared) => number | undefined) => matrices.reduce((all, one) => all + (of(one) ?? 0), 0);
  const changed = sum(({ both }) => both?.difference) / sum(({ reference }) => reference?.squares);
  return Math.min(FLOOR + ROUNDED * most ** 2, EXPLAINED * changed);
}

/**
 * @param basis (d, d): takes the residual stream of the second network into that of the first; absent where both have one
 */
export async function functionCheck(
  f: BlockFile,
  g: BlockFile,
  laws: BlockLaws,
  { backend, threads, signal }: VerifyOptions,
  basis?: Float64Array,
): Promise<FunctionCheck> {
  const given = settleBlocks({ align: 'heads', backend, threads, signal });
  const methods = await methodsFor([f, g], given);
  const views =
    basis &&
    ([
      { basis: null, centres: isCentred(f.network) },
      { basis, centres: isCentred(g.network) },
    ] as const);
  const settled: BlockSettled = {
    ...given,
    laws,
    methodOf: ({ number }) => methods.get(number)!,
    ...(views && { views }),
  };
  const products = productsBy(settled);
  const definitionOf = async (file: BlockFile, layer: LayerBlocks, view: StreamView | undefined) =>
    (await sourceInView(file, layer, view, products, signal)).definition();
  // Of all inputs a unit may answer to few that are far off, and change what the network does there alone.
  const unitsIn = async (one: LayerBlocks, other: LayerBlocks) =>
    matchUnits(
      await definitionOf(f, one, views?.[0]),
      await definitionOf(g, other, views?.[1]),
      f.network.width,
      products,
      signal,
    );
  return {
    async attention(one, other, tolerance) {
      const law = await laws.of(one.number, 'attn');
      const [a, b] = [
        await attentionSide(f, one, law, settled, views?.[0]),
        await attentionSide(g, other, law, settled, views?.[1]),
      ];
      // Behind a norm of its own a head is another function where its form is the same up to a factor.
      if (a.isNormalised || b.isNormalised) return undefined;
      const { heads, ov } = await compareSides(a, b, settled);
      const isOne =
        a.circuits.heads === b.circuits.heads &&
        (ov === null || ov.fidelityError <= tolerance) &&
        heads.every((head) => isSameHead(a, b, head, tolerance));
      if (!isOne) return undefined;
      return heads.some(({ head, answeredBy }) => head !== answeredBy)
        ? { kind: 'heads-permuted', text: 'heads in another order' }
        : { kind: 'head-basis', text: 'heads in another basis' };
    },
    async mlp(one, other, tolerance) {
      const units = await unitsIn(one, other);
      if (!haveSameUnits(units, tolerance)) return undefined;
      const found = await compareMlps(f, one, g, other, settled);
      if (found === undefined || !(found.fidelityError <= tolerance)) return undefined;
      return units.comparison.moved > 0
        ? { kind: 'units-permuted', text: 'hidden units in another order' }
        : { kind: 'units-rescaled', text: 'hidden units at another scale' };
    },
    async experts(one, other, tolerance) {
      const found = await compareExperts(f, one, g, other, settled, compareMlps, new WeightTally());
      const isOne =
        found !== undefined &&
        found.router !== null &&
        found.router.fidelityError <= tolerance &&
        (found.shared === undefined || found.shared.fidelityError <= tolerance) &&
        (found.sharedGate === undefined || found.sharedGate.equal) &&
        found.experts.every(({ mlp }) => mlp !== undefined && mlp.fidelityError <= tolerance);
      if (!isOne) return undefined;
      const [a, b] = [one.experts!, other.experts!];
      const pairs = found.experts.map(({ expert, answeredBy }) => [a.experts[expert], b.experts[answeredBy]]);
      if (found.shared !== undefined) pairs.push([a.shared!, b.shared!]);
      for (const [own, answer] of pairs)
        if (!haveSameUnits(await unitsIn({ ...one, mlp: own }, { ...other, mlp: answer }), tolerance)) return undefined;
      return found.experts.some(({ expert, answeredBy }) => expert !== answeredBy)
        ? { kind: 'units-permuted', text: 'experts in another order' }
        : { kind: 'units-permuted', text: 'hidden units of experts in another order or at another scale' };
    },
  };
}

/** Whether the product of cosines of every unit's vectors is as near to 1 as rounding leaves it. */
const haveSameUnits = <Units extends { readonly least: number }>(
  units: Units | undefined,
  tolerance: number,
): units is Units => units !== undefined && 1 - units.least <= Math.max(UNIT_ROUNDED, 2 * tolerance);

/** Whether a head and its answer give the same scores, not only in proportion, and write the same. */
function isSameHead(
  a: AttentionSide,
  b: AttentionSide,
  { head, answeredBy, qk, ov }: AttentionComparison['heads'][number],
  tolerance: number,
): boolean {
  const isOne = (of: 'scores' | 'values', cosine: number | null) => {
    const [own, answer] = [a.own[of][head], b.own[of][answeredBy]];
    if (cosine === null) return own === 0 && answer === 0;
    return 1 - cosine <= tolerance && Math.abs(answer / own - 1) <= 4 * Math.sqrt(tolerance);
  };
  return isOne('scores', qk) && isOne('values', ov);
}
