import type { Alignment, BasisAlignment, BlocksResult, LayerComparison, WorstBlock } from '../../blocks/terms.js';
import { plural } from '../../words/counts.js';
import { amountText, similarityText } from '../../words/numbers.js';

const PARTS: Readonly<Record<WorstBlock['part'], string>> = {
  mlp: 'in its MLP',
  qk: 'in which positions its heads attend to',
  ov: 'in what its heads write',
  expert: 'in one of its experts',
  router: 'in which experts tokens are given to',
};

/** What was taken out before. */
export const ALIGNED: Readonly<Record<Alignment, string>> = {
  none: 'heads in their order',
  heads: 'heads in the order that answers best',
  units: 'heads and units in the order that answers best',
  rotation: 'heads and units in the order that answers best, in one basis of the residual stream',
};

/** Where two networks differ most. */
function worstSentence(worst: WorstBlock | null): string {
  if (worst === null) return 'All blocks are the same functions.';
  const { layer, part, similarity } = worst;
  return `They differ most in layer ${layer}, ${PARTS[part]}: similarity ${similarityText(similarity, 4)}.`;
}

/** What is said on top of a report: where the two differ most, and what that looks like. */
export function sentencesOf({ worst, impression }: Pick<BlocksResult, 'worst' | 'impression'>): string[] {
  return [worstSentence(worst), impression.words];
}

/** How the residual streams were brought into one basis. */
export function rotationSentence({ from, residual, unturned, identity, turn, undetermined }: BasisAlignment): string {
  const by = `the ${from.join(' and ')}`;
  const open =
    undetermined === 0
      ? ''
      : ` Of ${undetermined} ${plural(undetermined, 'direction')} ${from.length === 1 ? 'it says' : 'they say'} nothing.`;
  if (identity)
    return `Nothing was rotated: no rotation fits ${by} much better than none (residual ${amountText(unturned, 3)}).${open}`;
  const moved = `residual ${amountText(residual, 3)}, without it ${amountText(unturned, 3)}; ${amountText(turn, 3)} of a turn into nothing in common`;
  return `The residual stream was rotated by ${by}: ${moved}.${open}`;
}

/** How many hidden units found their like, in all layers. */
export function unitSentences(layers: readonly LayerComparison[]): string[] {
  const found = layers.flatMap(({ mlp }) => (mlp?.units === undefined ? [] : [mlp.units]));
  if (found.length === 0) return [];
  const sum = (of: 'count' | 'moved' | 'partners') => found.reduce((total, units) => total + units[of], 0);
  return [
    `Of ${sum('count')} hidden units ${sum('partners')} have a partner that is the same to 1e-9; ${sum('moved')} were moved.`,
  ];
}
