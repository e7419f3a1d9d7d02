import { largest } from '../extremes.js';
import { INTERVAL } from '../similarity/sampled/jackknife.js';
import type { ResultInfo, SimilarityResult } from '../similarity/terms/types.js';
import { bytesText } from '../words/bytes.js';
import { amountText, errorText, similarityDecimals, similarityText } from '../words/numbers.js';
import { oneLine } from '../words/quoting.js';
import { timeText } from '../words/times.js';
import { displayWidth } from '../words/wrap.js';
import { degreeSentences, degreeTable, isTelling } from './degrees.js';
import { amountsText, differenceRows, distanceText } from './difference.js';
import { abbreviateAll } from './labels.js';
import { behaviourRows, provenance, sliceNoun } from './provenance.js';
import { isUseless, toleranceSentences } from './reliability.js';
import type { ClusteredSet } from './set.js';

export interface TextOptions {
  /** Set off what matters with ANSI codes. Default false. */
  readonly colour?: boolean | undefined;
  /**
   * Whether the degrees of two models are a table of their own. Default: where they are of higher degree than two, or
   * mostly constant.
   */
  readonly degrees?: boolean | undefined;
  /** Models in no order as `clusteredSet` has put them. Default: as they are in the result. */
  readonly set?: ClusteredSet | null | undefined;
}

/** Columns of the terminal that a report keeps within. */
export const COLUMNS = 100;
export const LONGEST_LABEL = 28;
/** What `tensim compare` prints: the similarity and what is behind it, then a table per output if there is one. */
export function compareText(result: SimilarityResult, { colour = false, degrees }: TextOptions = {}): string {
  const { similarity, behaviour, perOutput } = result;
  const { innerProduct, normA, normB } = amountsText(result);
  const useless = isUseless(result);
  const facts = columns(
    [
      ['similarity', bold(similarityText(similarity, 6), colour && !useless) + intervalText(result)],
      ...differenceRows(result),
      ['inner product', innerProduct],
      ['norms', `${normA} and ${normB}`],
      ...(behaviour ? behaviourRows(behaviour) : []),
    ],
    'll',
  );
  const table = result.degrees && (degrees ?? isTelling(result.degrees)) ? degreeTable(result.degrees) : null;
  const parts = [
    pairTitle(result),
    ...(useless ? wrapped(toleranceSentences(result)) : []),
    facts,
    ...(table === null ? [] : [columns(table, 'lrrr')]),
    ...wrapped([...degreeSentences(result), ...(useless ? [] : toleranceSentences(result))]),
    footnote(result),
  ];
  if (perOutput) {
    const decimals = similarityDecimals(
      perOutput.map((slice) => slice.similarity),
      6,
    );
    const names = abbreviateAll(
      perOutput.map(({ name }) => name),
      LONGEST_LABEL,
    );
    const rows = perOutput.map((slice, c) => [
      names[c],
      slice.similarity === null ? 'undefined (zero output)' : slice.similarity.toFixed(decimals),
      ...(slice.standardError === undefined ? [] : [`± ${errorText(INTERVAL * slice.standardError)}`]),
      distanceText(slice),
      amountText(slice.normA),
      amountText(slice.normB),
    ]);
    const sampled = result.sampling !== null;
    const head = [sliceNoun(result), 'similarity', ...(sampled ? ['95 %'] : []), 'distance', 'norm a', 'norm b'];
    parts.push(columns([head, ...rows], `lr${sampled ? 'l' : ''}rrr`));
  }
  return `${parts.join('\n\n')}\n`;
}

/** The two models of a comparison, a line each. */
export function pairTitle({ a, b }: { readonly a: string; readonly b: string }): string {
  return `${oneLine(a)}\n${oneLine(b)}`;
}

/** Who computes, and why no other backend does, a line each; nothing where no other one is there. */
export function passedOverText({ backend, passedOver = [] }: Pick<ResultInfo, 'backend' | 'passedOver'>): string {
  return passedOver.map(({ name, reason }) => `backend: ${backend}, not ${name}: ${oneLine(reason)}\n`).join('');
}

/** What `--verbose` prints: why no other backend, the routes there were, what they would take, and which was taken. */
export function routeText({ route, estimates, ...chosen }: ResultInfo): string {
  const { backend, devices } = chosen;
  const shared = devices === undefined ? '' : `devices: ${devices} of ${backend} have shared the tiles\n`;
  const others = `${passedOverText(chosen)}${shared}`;
  if (route === null) return `${others}route: the method has one way only\n`;
  const rows = estimates.map((estimate) => [
    estimate.route,
    timeText(estimate.seconds),
    `${estimate.flops.toExponential(2)} flop`,
    `${bytesText(estimate.bytes)} moved`,
    `${bytesText(estimate.memory)} held`,
    estimate.route === route ? 'taken' : '',
  ]);
  return `${others}${columns([['route', 'predicted', '', '', '', ''], ...rows], 'lrrrrl')}\n`;
}

/** " ± 0.0031", half the width of the 95 % interval; nothing for what is not sampled. */
function intervalText({ standardError }: ResultInfo): string {
  return standardError === null ? '' : ` ± ${errorText(INTERVAL * standardError)}`;
}

/** Sentences on lines of their own, as one part of a text; none, no part. */
export const wrapped = (sentences: readonly string[]) => (sentences.length === 0 ? [] : [sentences.join('\n')]);

/** How a result was obtained, in one line. */
export function footnote(info: ResultInfo): string {
  return provenance(info)
    .map(([name, value]) => (name === 'method' ? value : `${name} ${value}`))
    .join(' · ');
}

/** Rows of cells in aligned columns, two spaces apart; `alignment` has an l or an r per column. */
export function columns(rows: readonly (readonly string[])[], alignment: string): string {
  const widths = [...alignment].map((_, c) => largest(rows.map((row) => displayWidth(row[c]))));
  const lines = rows.map((row) =>
    row.map((cell, c) => {
      const space = ' '.repeat(widths[c] - displayWidth(cell));
      return alignment[c] === 'r' ? space + cell : cell + space;
    }),
  );
  return lines.map((cells) => cells.join('  ').trimEnd()).join('\n');
}

export function bold(text: string, colour: boolean): string {
  return colour ? `\u001b[1m${text}\u001b[22m` : text;
}
