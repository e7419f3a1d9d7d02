import { smallest } from '../extremes.js';
import { consecutive, outputOnsets } from '../similarity/series/onset.js';
import type { ResultInfo, SimilarityMatrix, SimilarityResult } from '../similarity/terms/types.js';
import { plural } from '../words/counts.js';
import { escapeMarkup } from '../words/markup.js';
import { ratioText, similarityText } from '../words/numbers.js';
import { type About, explaining, type NamedSource, obtained, sourcesOf } from './about.js';
import { barsChart } from './bars.js';
import { changeRange, type Series } from './change_axis.js';
import { colourScheme, PAGE } from './chart.js';
import { colourScale, rampPng } from './colour.js';
import { type CurveOptions, curveChart, LONGEST_CAPTION } from './curve.js';
import { degreeSentences, degreeTable, matrixDegreeSentences } from './degrees.js';
import { amountsText, differenceRows } from './difference.js';
import { embeddedMatrices, embeddedPalette, packingError, previewPng, type Slice, seriesData } from './embed.js';
import { bothWidths, WIDTHS } from './figure.js';
import { heatmapChart } from './heatmap.js';
import { abbreviate, type ShortLabels, shortenLabels, stepName } from './labels.js';
import { hasOrder } from './order.js';
import { definitionTable, page } from './page.js';
import type { PageData } from './page_data.js';
import { behaviourRows, sliceName, sliceNoun } from './provenance.js';
import { isUseless, toleranceSentences } from './reliability.js';
import { clusteredSet, groupsSection, setSummary, treeFigure } from './set.js';
import { phasesOf, type Summary, summarize } from './summary.js';
import { tableBehind } from './table_behind.js';

/** Heatmaps per output come along up to this many cells in all. */
const MOST_CELLS = 2_000_000;
/** Curves drawn per output: beyond this the ones that change most at some step. */
const MOST_CURVES = 64;

/** A page about a series of models. One file, loads nothing; every label in it is escaped. */
export async function matrixHtml(given: SimilarityMatrix, about: About = {}): Promise<string> {
  const set = await clusteredSet(given);
  const matrix = set?.matrix ?? given;
  const labels = shortenLabels(matrix.labels);
  const words = set === null ? summarize(matrix) : setSummary(set, summarize(matrix));
  const { phases, sentences } = set === null ? await phasesOf(matrix) : { phases: set.groups, sentences: [] };
  const summary = { ...words, sentences: [...words.sentences, ...sentences, ...matrixDegreeSentences(matrix)] };
  const slices = embeddedSlices(matrix);
  const matrices = slices.map(({ cosine }) => cosine);
  const scale = colourScale(matrices, await colourScheme('viridis'), await colourScheme('blueorange'));
  const image = await previewPng(matrix.cosine, scale);
  const ramp = await rampPng(scale);
  const marked = summary.step ?? undefined;
  const title = set === null ? heatmapTitle(matrix, phases.length) : 'Similarity of every pair, by likeness';
  const titles = { rows: axisTitle(labels), columns: axisTitle(labels), legend: LEGEND };
  const heatmapAt = (width: number) =>
    heatmapChart({ labels, scale, image, ramp, width, theme: PAGE, marked, phases, titles });
  const heatmap = await bothWidths({ kind: 'heatmap', name: `Heatmap: ${title}` }, heatmapAt);
  const tree = set === null ? '' : await treeFigure(set, (width) => heatmapAt(width).plot);
  const curves = curvesOf(matrix);
  const figures = await Promise.all(
    curves.map(({ title, series }, index) =>
      bothWidths({ kind: 'curve', name: `Curve: ${title}`, data: index }, (width) =>
        curveChart(curveOptions(matrix, labels, summary, series, index, width)),
      ),
    ),
  );
  const right = figures.map(
    (figure, i) =>
      `<section><h2>${curves[i].title} <small>${curves[i].legend(summary)}</small></h2>${figure}</section>`,
  );
  const body = `<main>
${header(matrix, labels, summary)}
<div class="columns">
<div class="column"><section><div class="bar"><h2>${title}</h2>${chooser(slices)}</div>${tree}${heatmap}${digitsNote(packingError(slices, scale))}</section>
${PINS}
<section class="last"><h2>How this was obtained</h2>${obtained(matrix, facts(matrix), about)}</section></div>
<div class="column">${set === null ? '' : groupsSection(set)}${right.join('\n')}${outputsTable(matrix, labels, summary)}</div>
</div>
</main>`;
  const data: PageData = {
    labels: matrix.labels,
    ...explained(matrix, sourcesOf(matrix)),
    matrices: await embeddedMatrices(slices, scale),
    palette: embeddedPalette(scale),
    curves: curves.map(({ series }) => ({ series: series.map(seriesData), ...changeRange(series) })),
  };
  return page(`tensim: ${summary.headline ?? matrix.labels.join(', ')}`, body, data);
}

/** What stands below the legend of a heatmap. */
export const LEGEND = 'similarity (cosine, no unit); colour by angle';

/** What stands at an axis of models. */
export const axisTitle = ({ noun }: ShortLabels): string => (noun === '' ? 'model' : noun);

/** Where the script of a page lists the cells that are pinned. */
export const PINS = '<div id="pins" hidden=""></div>';

/** What a page needs to name the command that explains two of its models. */
export function explained(info: ResultInfo, rows: readonly NamedSource[], columns?: readonly NamedSource[]): Paths {
  const command = explaining(info);
  if (command === undefined || rows.some(({ file }) => file === undefined)) return {};
  const paths = (sources: readonly NamedSource[]) => sources.map(({ file }) => file ?? '');
  return { explain: { command, rows: paths(rows), ...(columns && { columns: paths(columns) }) } };
}

type Paths = Pick<PageData, 'explain'>;

/** How far the values of a page can be from those of the result; nothing where they are the same. */
export function digitsNote(error: number): string {
  if (error === 0) return '';
  return `<p class="note">So that this page stays small, its similarities are rounded: right to ± ${error.toFixed(6)}, more closely near 1. Other formats have all digits.</p>`;
}

function heatmapTitle({ window }: SimilarityMatrix, phases: number): string {
  if (window !== null) return `Similarity of models up to ${window} apart`;
  return phases === 0 ? 'Similarity of every pair' : 'Similarity of every pair, and the phases';
}

/** A page about two models: the similarity, a bar per output, and all numbers in a table. */
export async function compareHtml(result: SimilarityResult, about: About = {}): Promise<string> {
  const { a, b, behaviour, perOutput } = result;
  const { innerProduct, normA, normB } = amountsText(result);
  const numbers = definitionTable([
    ...differenceRows(result),
    ['inner product', innerProduct],
    [`norm of ${a}`, normA],
    [`norm of ${b}`, normB],
    ...(behaviour ? behaviourRows(behaviour) : []),
  ]);
  const bars = perOutput ? await barsSection(result) : '';
  const body = `<main>
<header><p class="over">tensim: two models</p><h1>${escapeMarkup(`${a} and ${b}`)}</h1></header>
<div class="columns">
<div class="column"><section><h2>Similarity</h2>${headlineOf(result)}</section>
<section><h2>Behind it</h2>${numbers}</section>
${degreeSection(result)}
<section><h2>How this was obtained</h2>${obtained(result, [], about)}</section></div>
<div class="column">${bars}</div>
</div>
</main>`;
  return page(`tensim: ${a} and ${b}`, body);
}

/** The similarity, or that there is none yet; where it is less certain than was asked for, that too. */
function headlineOf(result: SimilarityResult): string {
  const doubts = toleranceSentences(result).map((sentence) => `<p>${escapeMarkup(sentence)}</p>`);
  const big = isUseless(result) ? '' : `<div class="big">${similarityText(result.similarity, 6)}</div>`;
  return `${big}${doubts.join('')}`;
}

/** Outputs in the table behind the bars. */
const MOST_IN_TABLE = 1000;

/** A bar and a line of a table for each output, the worst named. */
async function barsSection(result: SimilarityResult): Promise<string> {
  const noun = sliceNoun(result);
  const title = `Similarity per ${noun}`;
  const chart = await bothWidths({ kind: 'bars', name: title }, (width) => barsChart(result, width, PAGE));
  const rows = [...(result.perOutput ?? [])]
    .sort((one, other) => (one.similarity ?? 2) - (other.similarity ?? 2))
    .slice(0, MOST_IN_TABLE)
    .map(({ name, similarity }) => [name, similarityText(similarity, 6)]);
  const worst = rows.length > 1 && result.perOutput!.some(({ similarity }) => similarity !== null);
  const legend = worst ? ` <small>lowest: ${noun} ${escapeMarkup(rows[0][0])}, ${rows[0][1]}</small>` : '';
  const table = tableBehind(`${title}, the lowest first`, [noun, 'similarity (cosine)'], rows);
  return `<section><h2>${title}${legend}</h2>${chart}${table}</section>`;
}

/** The degrees of two models as a table; nothing where they are not known. */
function degreeSection({ degrees }: SimilarityResult): string {
  if (degrees === undefined) return '';
  const [head, ...rows] = degreeTable(degrees);
  const cells = (row: readonly string[], tag: string) =>
    row.map((cell, i) => `<${tag}${i === 0 ? '' : ' class="number"'}>${escapeMarkup(cell)}</${tag}>`).join('');
  const body = rows.map((row) => `<tr>${cells(row, 'td')}</tr>`).join('');
  const words = degreeSentences({ degrees }).map((sentence) => `<p>${escapeMarkup(sentence)}</p>`);
  return `<section><h2>By degree</h2>${words.join('')}<div class="scroll"><table class="outputs"><thead><tr>${cells(head, 'th')}</tr></thead><tbody>${body}</tbody></table></div></section>`;
}

function header(matrix: SimilarityMatrix, labels: ShortLabels, { headline, sentences }: Summary): string {
  const { length } = matrix.labels;
  const range = !hasOrder(matrix)
    ? 'a set'
    : length > 1
      ? `${labels.noun} ${labels.short[0]} … ${labels.short[length - 1]}`
      : (labels.short[0] ?? '');
  const over = `tensim: ${length} ${plural(length, 'model')}, ${range.trim()}`;
  const title = headline ?? 'Similarity';
  return `<header><p class="over">${escapeMarkup(over)}</p><h1>${escapeMarkup(title)}</h1><p>${sentences.map(escapeMarkup).join(' ')}</p></header>`;
}

function facts(matrix: SimilarityMatrix): [string, string][] {
  const rows: [string, string][] = [['models', `${matrix.labels.length}`]];
  if (matrix.perOutput) rows.push([`${sliceNoun(matrix)}s`, `${matrix.perOutput.names.length}`]);
  return rows;
}

/**
 * What the heatmap can show: all outputs together and, where that stays small, each on its own; or the three measures
 * of behaviour.
 */
function embeddedSlices(matrix: SimilarityMatrix): Slice[] {
  const { behaviour } = matrix;
  if (behaviour !== undefined) {
    return [
      { name: 'mean cosine of the outputs', cosine: matrix.cosine },
      { name: 'equal largest outputs', cosine: behaviour.agreement },
      { name: 'linear CKA', cosine: behaviour.cka },
    ];
  }
  const all = { name: `all ${sliceNoun(matrix)}s`, cosine: matrix.cosine };
  const { names, cosine } = matrix.perOutput ?? { names: [], cosine: [] };
  if (names.length * matrix.labels.length ** 2 > MOST_CELLS) return [all];
  return [all, ...cosine.map((slice, i) => ({ name: sliceName(matrix, names[i]), cosine: slice }))];
}

function chooser(slices: readonly Slice[]): string {
  if (slices.length === 1) return '';
  const options = slices.map(({ name }) => `<option>${escapeMarkup(name)}</option>`);
  return `<select id="slice" aria-label="What the heatmap shows" autocomplete="off">${options.join('')}</select>`;
}

interface Curves {
  readonly title: string;
  /** What its colours mean. */
  legend(summary: Summary): string;
  readonly series: readonly Series[];
}

function curvesOf(matrix: SimilarityMatrix): Curves[] {
  if (matrix.labels.length < 2 || !hasOrder(matrix)) return [];
  const all: Curves = {
    title: 'Change from one model to the next',
    legend: () => 'logarithmic',
    series: [{ name: 'all', similarities: consecutive(matrix.cosine) }],
  };
  const { names, cosine } = matrix.perOutput ?? { names: [], cosine: [] };
  if (names.length === 0) return [all];
  const least = cosine.map((slice) => smallest(consecutive(slice).filter((value) => !Number.isNaN(value))));
  const kept = [...names.keys()]
    .sort((a, b) => least[a] - least[b])
    .slice(0, MOST_CURVES)
    .sort((a, b) => a - b);
  const series = kept.map((i) => ({ name: sliceName(matrix, names[i]), similarities: consecutive(cosine[i]) }));
  const some = kept.length < names.length ? `, the ${kept.length} of ${names.length} that change most` : '';
  const title = `The same per ${sliceNoun(matrix)}${some}`;
  const legend = ({ output }: Summary) =>
    output === null || series.length === 1
      ? 'logarithmic'
      : `logarithmic; orange: ${escapeMarkup(sliceName(matrix, output))}, grey: the others`;
  return [all, { title, legend, series }];
}

function curveOptions(
  matrix: SimilarityMatrix,
  labels: ShortLabels,
  summary: Summary,
  series: readonly Series[],
  index: number,
  width: number,
): CurveOptions {
  const { step, output } = summary;
  const titles = { across: axisTitle(labels), up: '1 − similarity' };
  const options = { labels, series, width, height: width === WIDTHS.narrow ? 207 : 229, theme: PAGE, titles };
  const emphasis = index === 0 || output === null ? undefined : sliceName(matrix, output);
  if (step === null) return options;
  const caption = emphasis
    ? abbreviate(emphasis, 2 * LONGEST_CAPTION)
    : stepName(labels, step.from, step.to, LONGEST_CAPTION);
  return {
    ...options,
    marked: { from: step.from, to: step.to, caption },
    emphasis: index === 0 ? undefined : emphasis,
  };
}

/** Where each output stands out on its own. */
function outputsTable(matrix: SimilarityMatrix, labels: ShortLabels, summary: Summary): string {
  const onsets = hasOrder(matrix) ? outputOnsets(matrix) : [];
  if (matrix.perOutput === undefined || onsets.every((found) => found === null)) return '';
  const rows = onsets.map((found, i) => {
    const name = matrix.perOutput!.names[i];
    const cells =
      found === null
        ? '<td>none</td><td></td><td></td>'
        : `<td>${escapeMarkup(stepName({ ...labels, noun: '' }, found.from, found.to))}</td><td class="number">${similarityText(found.similarity)}</td><td class="number">${ratioText(found.rise)} ×</td>`;
    return {
      rise: found?.rise ?? 0,
      html: `<tr${name === summary.output ? ' class="most"' : ''}><td>${escapeMarkup(name)}</td>${cells}</tr>`,
    };
  });
  const shown = rows.sort((a, b) => b.rise - a.rise).slice(0, MOST_CURVES);
  return `<section><h2>Where each ${sliceNoun(matrix)} stands out <small>rise: change over the quietest stretch before it</small></h2><div class="scroll"><table class="outputs"><thead><tr><th>${sliceNoun(matrix)}</th><th>${escapeMarkup(labels.noun === '' ? 'step' : labels.noun)}</th><th class="number">similarity</th><th class="number">rise</th></tr></thead><tbody>${shown.map(({ html }) => html).join('')}</tbody></table></div></section>`;
}
