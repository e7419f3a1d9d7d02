import type { ExchangeExplanation, Explanation, FormExplanation } from '../../similarity/explain/types.js';
import { plural } from '../../words/counts.js';
import { amountText, percent, similarityText } from '../../words/numbers.js';
import { oneLine } from '../../words/quoting.js';
import { shortenLabels, stepName } from '../labels.js';
import { toleranceSentences } from '../reliability.js';
import { type ImageShape, inputName, strongest } from './inputs.js';

/** Inputs named in a sentence, at most. */
const MOST_NAMES = 6;
/** Shares below this are not worth a sentence. */
const WORTH_NAMING = 0.005;

/** How tables name the similarities of hybrids: `intoA.toA`, `intoA.toB`, `intoB.toB`, `intoB.toA`. */
export const HYBRID_PAIRS = ['a′ and a', 'a′ and b', 'b′ and b', 'b′ and a'] as const;
export const HYBRID_KEY = 'a′ is a (the first) with the layer of b (the second), b′ is b with that of a';

/** What a report on an explanation says in words. */
export interface ExplanationWords {
  readonly headline: string;
  readonly sentences: readonly string[];
}

/** "step 6000 → 8000", or "alpha → beta". */
export function pairName({ a, b }: Pick<Explanation, 'a' | 'b'>): string {
  return stepName(shortenLabels([a, b]), 0, 1);
}

export function explanationWords(found: Explanation, image: ImageShape | null): ExplanationWords {
  return found.kind === 'forms' ? formWords(found, image) : exchangeWords(found);
}

function formWords(found: FormExplanation, image: ImageShape | null): ExplanationWords {
  const { similarity, distance, outputs, joint, parts } = found;
  const [largest] = byShare(found.shares);
  if (distance === 0) {
    return {
      headline: 'The two compute the same function',
      sentences: [`${pairName(found)}: what differs between the weights is rounding.`],
    };
  }
  const [, next] = byShare(found.shares);
  const sentences = [
    `${pairName(found)}: similarity ${similarityText(similarity)}, distance ${amountText(distance, 3)}, of which ${partsText(parts)}.`,
    `Output ${largest} carries ${percent(found.shares[largest])} of the squared difference${next === undefined ? '' : `, the next, output ${next}, ${percent(found.shares[next])}`}.`,
  ];
  const { quadratic, linear, mean, higher } = parts;
  if (higher !== undefined) {
    const told = `Means and directions explain ${percent(quadratic + linear + mean)} of the difference`;
    sentences.push(higher > 0 ? `${told}; the rest is of higher degree.` : `${told}.`);
  }
  const [along] = joint.linear ?? [];
  if (along !== undefined && linear >= WORTH_NAMING) {
    sentences.push(
      `The first direction of the linear parts is ${percent(along.share)} of them; it has ${focus(along.vector, image)}.`,
    );
  }
  const [direction] = outputs.find(({ output }) => output === largest)?.directions ?? [];
  if (direction !== undefined) {
    const side = direction.value > 0 ? 'larger' : 'smaller';
    sentences.push(
      `Its first direction is ${percent(direction.share)} of its form and makes it ${side} in ${oneLine(found.b)}; it has ${focus(direction.vector, image)}.`,
    );
  }
  const [common] = joint.directions;
  if (common !== undefined && outputs.length > 1) {
    sentences.push(`The direction that matters most to all outputs together has ${focus(common.vector, image)}.`);
  }
  return { headline: `Output ${largest} differs most: ${percent(found.shares[largest])} of the difference`, sentences };
}

function exchangeWords(found: ExchangeExplanation): ExplanationWords {
  const { similarity, layers } = found;
  const [a, b] = [found.a, found.b].map(oneLine);
  const most = layers.reduce((best, layer) => (layer.change > best.change ? layer : best));
  return {
    headline: `Layer ${most.layer}, ${most.type}, changed most`,
    sentences: [
      `${pairName(found)}: similarity ${similarityText(similarity)}.`,
      `With layer ${most.layer} of ${b}, ${a} is left with a similarity to itself of ${similarityText(most.intoA.toA)}, and comes to ${similarityText(most.intoA.toB)} of ${b}.`,
      ...toleranceSentences(found),
      'This supposes that both write what goes between the layers in the same basis, as checkpoints of one run do.',
    ],
  };
}

/**
 * "half of its energy on (6, 7), (7, 7)", or the inputs it is strongest at, where half takes more than can be named.
 */
function focus(vector: Float64Array, image: ImageShape | null): string {
  const half = strongest(vector, MOST_NAMES, 0.5);
  const held = half.reduce((sum, index) => sum + vector[index] ** 2, 0);
  const names = `${plural(half.length, image === null ? 'input' : 'pixel')} ${half.map((index) => inputName(index, image)).join(', ')}`;
  return held >= 0.5 ? `half of its energy on ${names}` : `its largest entries on ${names}`;
}

function partsText({ quadratic, linear, mean, higher = 0 }: FormExplanation['parts']): string {
  const named = [
    [quadratic, 'in the quadratic forms'],
    [linear, 'in the linear parts'],
    [mean, 'in the means'],
    [higher, 'in higher degrees'],
  ] as const;
  const worth = named.filter(([share]) => share >= WORTH_NAMING);
  return worth.map(([share, name]) => `${percent(share)} ${name}`).join(', ');
}

/** Numbers of outputs, the largest share first. */
export function byShare(shares: Float64Array): number[] {
  return [...shares.keys()].sort((i, j) => shares[j] - shares[i] || i - j);
}
