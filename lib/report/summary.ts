import { largest, smallest } from '../extremes.js';
import type { MeasureComparison } from '../similarity/series/measure_comparison.js';
import {
  type Change,
  largestChange,
  type Onset,
  onset,
  outputOnsets,
  resolutionOf,
} from '../similarity/series/onset.js';
import { type Phase, segmentation } from '../similarity/series/segmentation.js';
import { strays } from '../similarity/series/stray.js';
import type { Matrix, SimilarityMatrix } from '../similarity/terms/types.js';
import { count, plural } from '../words/counts.js';
import { listed } from '../words/names.js';
import { ratioText, similarityText } from '../words/numbers.js';
import { type ShortLabels, shortenLabels, stepName } from './labels.js';
import { hasOrder, orderSentence } from './order.js';
import { sliceName } from './provenance.js';
import { isUseless, toleranceSentences } from './reliability.js';
import { sameSentences } from './same.js';

/** Checkpoints out of place that are named, at most. */
const MOST_STRAYS = 4;

/** What a report on a series of checkpoints says in words. */
export interface Summary {
  /** "Onset at step 6000 → 6200, output 9", or "Largest change at …"; null for fewer than two models. */
  readonly headline: string | null;
  /** One sentence per entry: the onset, the output that changed most there, the largest change in all. */
  readonly sentences: readonly string[];
  /** The step the headline names: the onset, else the largest change. */
  readonly step: Change | null;
  /** Name of the output slice the headline names. */
  readonly output: string | null;
}

/**
 * Names the onset and the largest change between consecutive models, in all and per output (see similarity/onset.ts).
 */
export function summarize(matrix: SimilarityMatrix): Summary {
  const largest = hasOrder(matrix) && !isUseless(matrix) ? largestChange(matrix) : null;
  if (largest === null) return { headline: null, sentences: withoutChanges(matrix), step: null, output: null };
  const labels = shortenLabels(matrix.labels);
  const start = onset(matrix);
  const step = start ?? largest;
  const name = stepName(labels, step.from, step.to);
  const most = step.output === undefined ? '' : `, ${sliceName(matrix, step.output.name)}`;
  const headline = `${start === null ? 'Largest change' : 'Onset'} at ${name}${most}`;
  const sentences = [
    ...(start === null ? withoutOnset(matrix, labels, largest) : withOnset(matrix, labels, largest, start)),
    ...behaviourSentence(matrix),
    ...straySentence(matrix, labels),
    ...toleranceSentences(matrix),
    ...sameSentences(matrix.work.same).map((clause) => `${clause}.`),
    ...orderSentence(matrix),
  ];
  return { headline, sentences, step, output: step.output?.name ?? null };
}

/** What can be said where nothing is told of changes: of a single model, or of models in no order. */
function withoutChanges(matrix: SimilarityMatrix): string[] {
  if (hasOrder(matrix) || isUseless(matrix)) return toleranceSentences(matrix);
  return [
    ...orderSentence(matrix),
    ...behaviourSentence(matrix),
    ...toleranceSentences(matrix),
    ...sameSentences(matrix.work.same).map((clause) => `${clause}.`),
  ];
}

function withOnset(matrix: SimilarityMatrix, labels: ShortLabels, largest: Change, start: Onset): string[] {
  const name = stepName(labels, start.from, start.to);
  const isLargest = largest.from === start.from;
  const first = `${isLargest ? 'The onset, the change that stands out most and the largest in all, is' : 'The onset, the change that stands out most, is'} ${name} (similarity ${similarityText(start.similarity)}): ${ratioText(start.rise)} times the quietest stretch before it.`;
  const rest = isLargest ? [] : [`The largest change in all is ${describe(matrix, labels, largest)}.`];
  return [first, ...outputSentence(matrix, start), ...rest];
}

function withoutOnset(matrix: SimilarityMatrix, labels: ShortLabels, largest: Change): string[] {
  const name = stepName(labels, largest.from, largest.to);
  const first = `The largest change between consecutive models is ${name} (similarity ${similarityText(largest.similarity)}).`;
  const sentences = [first, ...outputSentence(matrix, largest)];
  if (matrix.labels.length > 4)
    sentences.push(`No ${largest.from < 3 ? 'later ' : ''}change stands out from the level before it.`);
  const alone = outputOnsets(matrix).reduce(
    (best, next) => ((next?.rise ?? 0) > (best?.rise ?? 0) ? next : best),
    null,
  );
  if (alone !== null) {
    const where = stepName(labels, alone.from, alone.to);
    sentences.push(
      `On its own, ${sliceName(matrix, alone.name)} stands out at ${where} (similarity ${similarityText(alone.similarity)}): ${ratioText(alone.rise)} times the quietest stretch before it.`,
    );
  }
  return sentences;
}

/** Which output changed most at a step, and how far behind the next one is. */
function outputSentence(matrix: SimilarityMatrix, change: Change): string[] {
  const { output } = change;
  if (output === undefined || matrix.perOutput === undefined) return [];
  const others = matrix.perOutput.cosine
    .filter((_, i) => matrix.perOutput?.names[i] !== output.name)
    .map((slice) => slice[change.from][change.to])
    .filter((similarity) => !Number.isNaN(similarity));
  const next = others.length === 0 ? '' : `; all others at least ${similarityText(smallest(others))}`;
  const name = sliceName(matrix, output.name);
  return [
    `${name[0].toUpperCase()}${name.slice(1)} changed most there (similarity ${similarityText(output.similarity)}${next}).`,
  ];
}

function describe(matrix: SimilarityMatrix, labels: ShortLabels, { from, to, similarity, output }: Change): string {
  const most =
    output === undefined ? '' : `; most in ${sliceName(matrix, output.name)}, ${similarityText(output.similarity)}`;
  return `${stepName(labels, from, to)} (similarity ${similarityText(similarity)}${most})`;
}

/** Checkpoints of a numbered series that are not where their number says (see similarity/stray.ts). */
function straySentence(matrix: SimilarityMatrix, labels: ShortLabels): string[] {
  const found = labels.numbered ? strays(matrix.cosine, resolutionOf(matrix)) : [];
  if (found.length === 0) return [];
  const name = (index: number) => `${labels.noun} ${labels.short[index]}`.trim();
  const named = found
    .slice(0, MOST_STRAYS)
    .map(
      ({ index, nearest, similarity, beside }) =>
        `${name(index)} (to ${name(nearest)}, similarity ${similarityText(similarity)}; to its neighbours at most ${similarityText(beside)})`,
    );
  const more = found.length > MOST_STRAYS ? ` and ${found.length - MOST_STRAYS} more` : '';
  return [`Out of place, nearest to others than their neighbours: ${named.join(', ')}${more}.`];
}

/** Beyond this, phases are steps of a gradual change. */
const MOST_PHASES = 8;

/**
 * The phases of a series (see similarity/segmentation.ts) and a sentence about them; none for a series that is too
 * short for any, changes gradually, or was not compared in full.
 */
export async function phasesOf(matrix: SimilarityMatrix): Promise<{ phases: readonly Phase[]; sentences: string[] }> {
  const { labels, cosine } = matrix;
  const none = { phases: [], sentences: [] };
  if (!hasOrder(matrix) || labels.length < 2 * FEWEST_IN_PHASES || cosine.some((row) => row.some(Number.isNaN)))
    return none;
  const { phases, explained } = await segmentation(cosine, { resolution: resolutionOf(matrix) });
  if (phases.length < 2 || phases.length > Math.min(MOST_PHASES, labels.length / FEWEST_IN_PHASES)) return none;
  const { noun, short } = shortenLabels(labels);
  const name = ({ first, last }: Phase) => (first === last ? short[first] : `${short[first]} to ${short[last]}`);
  const share = `${Math.round(100 * explained)} %`;
  const list = listed(phases.map(name), 'and');
  return {
    phases,
    sentences: [
      `${phases.length} phases account for ${share} of the variation: ${noun === '' ? '' : `${noun} `}${list}.`,
    ],
  };
}

/** Models that a series must have for every phase it is cut into, on average. */
const FEWEST_IN_PHASES = 3;

/** How alike measures see a series, and how clearly each sees a step, in words. */
export function measureSentences({ matrices, correlation, block }: MeasureComparison): string[] {
  const sentences = matrices.flatMap(({ measure }, i) =>
    matrices.slice(i + 1).map((other, j) => {
      const value = similarityText(correlation[i][i + 1 + j]);
      return `The correlation of ${measure} and ${other.measure} over all pairs is ${value}.`;
    }),
  );
  if (block === null) return sentences;
  const labels = shortenLabels(matrices[0].labels);
  const name = stepName(labels, block.start - 1, block.start);
  const scores = matrices.map(({ measure }, i) => `${measure} ${similarityText(block.scores[i])}`);
  return [
    ...sentences,
    `Block score at ${name}, the mean similarity after it minus that across it: ${scores.join(', ')}.`,
  ];
}

/**
 * The ranges of the same over all pairs of a matrix, as a sentence; none for fewer than two models or other measures.
 */
function behaviourSentence({ labels, behaviour }: SimilarityMatrix): string[] {
  if (behaviour === undefined || labels.length < 2) return [];
  const range = (matrix: Matrix): string => {
    const values = matrix.flatMap((row, i) => [...row.subarray(i + 1)]).filter((value) => !Number.isNaN(value));
    if (values.length === 0) return 'is undefined';
    const [least, most] = [smallest(values), largest(values)].map((value) => similarityText(value));
    return least === most ? `is ${least}` : `lies between ${least} and ${most}`;
  };
  const { inputs, agreement, cka } = behaviour;
  return [
    `On ${count(inputs)} ${plural(inputs, 'input')} the share of equal largest outputs ${range(agreement)}, linear CKA ${range(cka)}.`,
  ];
}
