import { largest, smallest } from '../extremes.js';
import type { DegreeName, DegreeSimilarity, Degrees, DegreesMatrix } from '../similarity/terms/degrees.js';
import type { CrossSimilarity, SimilarityMatrix, SimilarityResult } from '../similarity/terms/types.js';
import { similarityText } from '../words/numbers.js';
import { Rows } from './json_pieces.js';

/** From this share of ‖f‖² on, a similarity mostly says how alike two constants are. */
const MUCH = 0.5;

const TITLES: Readonly<Record<DegreeName, string>> = {
  constant: 'constant (the mean)',
  linear: 'linear',
  quadratic: 'quadratic',
  higher: 'higher',
};

/** A share of ‖f‖² in words: `72.1 %`, `< 0.1 %`. */
function shareText(share: number): string {
  if (share === 0) return '0 %';
  return share < 0.001 ? '< 0.1 %' : `${(100 * share).toFixed(1)} %`;
}

/** A table of the degrees of two models: its head, then a row for each, and one for all but the constant. */
export function degreeTable({ parts, centred }: Degrees): string[][] {
  const cosine = (value: number | null) => (value === null ? 'undefined' : similarityText(value, 6));
  const rest = (shares: readonly number[]) => shareText(shares.slice(1).reduce((sum, share) => sum + share, 0));
  return [
    ['degree', 'similarity', 'share of a', 'share of b'],
    ...parts.map(({ name, similarity, shareA, shareB }) => [
      TITLES[name],
      cosine(similarity),
      shareText(shareA),
      shareText(shareB),
    ]),
    [
      'all but the constant',
      cosine(centred),
      rest(parts.map(({ shareA }) => shareA)),
      rest(parts.map(({ shareB }) => shareB)),
    ],
  ];
}

/** Whether the degrees say what the similarity alone hides: there are more than two, or the constant is most of a model. */
export function isTelling({ parts: [constant, , , higher] }: Degrees): boolean {
  return [higher.shareA, higher.shareB].some((share) => share > 0) || isConstant(constant);
}

const isConstant = ({ shareA, shareB }: DegreeSimilarity) => shareA > MUCH || shareB > MUCH;

/** What must be said beside the similarity of two models: that it is mostly one of constants. */
export function degreeSentences({ degrees }: Pick<SimilarityResult, 'degrees'>): string[] {
  if (degrees === undefined) return [];
  const { parts, centred } = degrees;
  const [constant] = parts;
  if (!isConstant(constant)) return [];
  const shares = [constant.shareA, constant.shareB].map((share) => `${Math.round(100 * share)} %`).join(' and ');
  const rest =
    centred === null
      ? 'nothing else of one of them can be told from rounding'
      : `the similarity of what depends on the input is ${similarityText(centred)}`;
  return [`A constant, the same for all inputs, is ${shares} of the two (of ‖f‖²): ${rest}.`];
}

/** The same of a matrix that was asked for its degrees: what they weigh, and how similar models are without the mean. */
export function matrixDegreeSentences({
  degrees,
  kind,
}: Pick<SimilarityMatrix | CrossSimilarity, 'degrees' | 'kind'>): string[] {
  if (degrees === undefined) return [];
  const { names, rowShares, columnShares, centred } = degrees;
  const shares = names.map((name, n) => {
    const all = [...rowShares[n], ...columnShares[n]].filter((share) => !Number.isNaN(share));
    const [least, most] = [smallest(all), largest(all)].map(shareText);
    return `${name} ${least === most ? least : `${least} to ${most}`}`;
  });
  // Of a square matrix without those of models with themselves.
  const values = centred
    .flatMap((row, i) => [...(kind === 'matrix' ? row.subarray(i + 1) : row)])
    .filter((value) => !Number.isNaN(value));
  const told = `By degree the models consist (in ‖f‖²) of: ${shares.join(', ')}.`;
  if (values.length === 0) return [told];
  const range = [smallest(values), largest(values)].map((value) => similarityText(value));
  return [told, `Without the constant, similarities lie between ${range[0]} and ${range[1]}.`];
}

/** The degrees of a matrix for JSON. */
export function degreesJson({ names, gram, cosine, centred, rowShares, columnShares }: DegreesMatrix): object {
  const rows = (matrices: DegreesMatrix['gram']) => matrices.map((matrix) => new Rows(matrix));
  return {
    names,
    cosine: rows(cosine),
    centred: new Rows(centred),
    gram: rows(gram),
    rowShares: new Rows(rowShares),
    columnShares: new Rows(columnShares),
  };
}
