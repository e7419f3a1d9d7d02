import { largest, smallest } from '../extremes.js';
import type { Group } from '../similarity/series/clustering.js';
import type { MeasureComparison } from '../similarity/series/measure_comparison.js';
import { consecutive, type Onset, onset } from '../similarity/series/onset.js';
import type { CrossSimilarity, SimilarityMatrix } from '../similarity/terms/types.js';
import { amountText, similarityDecimals, similarityText } from '../words/numbers.js';
import { displayWidth } from '../words/wrap.js';
import { matrixDegreeSentences } from './degrees.js';
import { abbreviateAll, shortenLabels } from './labels.js';
import { hasOrder } from './order.js';
import { isUseless } from './reliability.js';
import { groupsTable, inOrder, setSummary } from './set.js';
import { measureSentences, summarize } from './summary.js';
import { bold, COLUMNS, columns, footnote, LONGEST_LABEL, type TextOptions, wrapped } from './text.js';

/** Heights of a bar in the curve, lowest first. */
const BARS = '▁▂▃▄▅▆▇█';

/**
 * What `tensim matrix` prints: the matrix where it fits, else the changes as a curve; then the sentences of the report.
 */
export function matrixText(given: SimilarityMatrix, { colour = false, set = null }: TextOptions = {}): string {
  const matrix = set?.matrix ?? given;
  const { headline, ...words } = set === null ? summarize(matrix) : setSummary(set, summarize(matrix));
  const sentences = [...words.sentences, ...matrixDegreeSentences(matrix)];
  const useless = isUseless(matrix);
  const groups = set?.groups ?? [];
  const parts = [table(matrix, groups) ?? (hasOrder(matrix) && !useless ? curve(matrix) : rangeText(matrix))];
  if (set !== null && groups.length > 0) parts.push(columns(groupsTable(set), 'lrrl'));
  if (useless) return `${[...wrapped(sentences), ...parts, footnote(matrix)].join('\n\n')}\n`;
  if (headline !== null) parts.push([bold(headline, colour), ...sentences].join('\n'));
  else for (const part of wrapped(sentences)) parts.push(part);
  return `${[...parts, footnote(matrix)].join('\n\n')}\n`;
}

/** Of models in no order that are too many for a table: how near to each other they are. */
function rangeText({ labels, cosine }: SimilarityMatrix): string {
  const values = cosine.flatMap((row, i) => [...row.subarray(i + 1)]).filter((value) => !Number.isNaN(value));
  const [least, most] = [values.reduce((a, b) => Math.min(a, b), 1), values.reduce((a, b) => Math.max(a, b), -1)];
  return `${labels.length} models: similarities from ${similarityText(least)} to ${similarityText(most)}`;
}

/** What it prints for rows against columns: the table where it fits, else the range. */
export function crossText(cross: CrossSimilarity, { colour = false }: TextOptions = {}): string {
  const { rows, columns: against, cosine } = cross;
  const values = cosine.flatMap((row) => [...row]).filter((value) => !Number.isNaN(value));
  const [least, most] = [values, values.map((value) => -value)].map((all) => all.reduce((a, b) => Math.min(a, b), 1));
  const title = `${rows.length} models against ${against.length}: similarities from ${similarityText(least!)} to ${similarityText(-most!)}`;
  const parts = [...(crossTable(cross) ?? []), ...wrapped(matrixDegreeSentences(cross)), footnote(cross)];
  return `${[bold(title, colour), ...parts].join('\n\n')}\n`;
}

/** Rows of models, columns of models; null if that would be wider than the terminal. */
function crossTable({ rows, columns: against, cosine }: CrossSimilarity): [string] | null {
  if (against.length * 8 > COLUMNS) return null;
  const decimals = similarityDecimals(
    cosine.flatMap((row) => [...row]),
    4,
  );
  const heads = abbreviateAll(against, LONGEST_LABEL);
  const names = abbreviateAll(rows, LONGEST_LABEL);
  const lines = names.map((name, i) => [
    name,
    ...Array.from(cosine[i], (value) => (Number.isNaN(value) ? '' : value.toFixed(decimals))),
  ]);
  const text = columns([['', ...heads], ...lines], `l${'r'.repeat(against.length)}`);
  return largest(text.split('\n').map(displayWidth)) <= COLUMNS ? [text] : null;
}

/** What it prints for several measures: how they see each other, then each by itself. */
export function measuresText(comparison: MeasureComparison, { set = null, ...options }: TextOptions = {}): string {
  const each = comparison.matrices.map((matrix) =>
    matrixText(matrix, { ...options, set: set && { ...set, matrix: inOrder(matrix, set.order) } }),
  );
  return [`${measureSentences(comparison).join('\n')}\n`, ...each].join('\n');
}

/** The matrix as a table, null if it would be wider than the terminal. */
function table({ labels, cosine }: SimilarityMatrix, groups: readonly Group[]): string | null {
  // A column takes at least "0.0000" and two spaces.
  if (labels.length * 8 > COLUMNS) return null;
  const names = abbreviateAll(shortenLabels(labels).short, LONGEST_LABEL);
  const whole = abbreviateAll(labels, LONGEST_LABEL);
  const decimals = similarityDecimals(
    cosine.flatMap((row) => [...row]),
    4,
  );
  const head = names.map((name) => ([...name].length <= decimals + 2 ? name : ''));
  // Names too long for a column head give way to row numbers.
  const numbered = head.includes('');
  const isMarked = groups.length > 0;
  const groupOf = (model: number) => groups.findIndex(({ first, last }) => first <= model && model <= last) + 1;
  const rows = whole.map((label, i) => [
    ...(isMarked ? [groupOf(i) === 0 ? '' : `${groupOf(i)}`] : []),
    `${numbered ? `${i + 1}  ` : ''}${label}`,
    ...Array.from(cosine[i], (value) => (Number.isNaN(value) ? '' : value.toFixed(decimals))),
  ]);
  const text = columns(
    [[...(isMarked ? ['group'] : []), '', ...(numbered ? names.map((_, i) => `${i + 1}`) : head)], ...rows],
    `${isMarked ? 'l' : ''}l${'r'.repeat(labels.length)}`,
  );
  return largest(text.split('\n').map(displayWidth)) <= COLUMNS ? text : null;
}

/** The change of every step as a row of bars on a logarithmic scale; of neighbours that share a bar, the largest. */
function curve(matrix: SimilarityMatrix): string {
  const { labels } = matrix;
  const similarities = consecutive(matrix.cosine);
  const changes = Array.from(similarities, (similarity) => 1 - similarity);
  // Of parts that were put together some may be missing.
  const known = changes.filter((change) => !Number.isNaN(change));
  const high = largest(known, 0);
  const low = Math.max(smallest(known, high), high * 1e-6, Number.MIN_VALUE);
  const perBar = Math.ceil(changes.length / COLUMNS);
  let bars = '';
  for (let i = 0; i < changes.length; i += perBar) {
    const within = changes.slice(i, i + perBar).filter((change) => !Number.isNaN(change));
    if (within.length === 0) {
      bars += ' ';
      continue;
    }
    const change = largest(within, low);
    const height = high > low ? Math.log(change / low) / Math.log(high / low) : 0;
    bars += BARS[Math.min(BARS.length - 1, Math.floor(height * BARS.length))];
  }
  const { short } = shortenLabels(labels);
  const [first, last] = abbreviateAll([short[0], short.at(-1)!], LONGEST_LABEL);
  const gap = Math.max(1, bars.length - displayWidth(first) - displayWidth(last));
  const title = `${labels.length} models: change from one to the next, 1 − similarity, ${amountText(low, 2)} to ${amountText(high, 2)} (logarithmic)`;
  return [title, bars, `${first}${' '.repeat(gap)}${last}`, '', largestSteps(matrix, similarities, onset(matrix))].join(
    '\n',
  );
}

/** The steps that changed most, and the onset among them. */
function largestSteps({ labels: whole }: SimilarityMatrix, similarities: Float64Array, start: Onset | null): string {
  const labels = abbreviateAll(whole, LONGEST_LABEL);
  const known = [...similarities.keys()].filter((i) => !Number.isNaN(similarities[i]));
  const most = known.sort((a, b) => similarities[a] - similarities[b]).slice(0, 5);
  if (start !== null && known.includes(start.from) && !most.includes(start.from)) most[4] = start.from;
  const rows = most
    .sort((a, b) => a - b)
    .map((i) => [`${labels[i]} → ${labels[i + 1]}`, similarityText(similarities[i]), i === start?.from ? 'onset' : '']);
  return columns([['largest changes', 'similarity', ''], ...rows], 'lrl');
}
