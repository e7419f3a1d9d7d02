import { setImmediate } from 'node:timers/promises';
import { smallest } from '../extremes.js';
import { consecutive, outputOnsets } from '../similarity/series/onset.js';
import type { Matrix, SimilarityMatrix, SimilarityResult } from '../similarity/terms/types.js';
import { version } from '../version.js';
import { plural } from '../words/counts.js';
import { escapeMarkup } from '../words/markup.js';
import { ratioText, similarityText } from '../words/numbers.js';
import { barsChart } from './bars.js';
import { changeRange, type Series } from './change_axis.js';
import { type Chart, colourScheme, drawSvg, PAGE } from './chart.js';
import { angle, type ColourScale, colourScale, heatmapPng, rampPng } from './colour.js';
import { type CurveOptions, curveChart, LONGEST_CAPTION } from './curve.js';
import { degreeSentences, degreeTable, matrixDegreeSentences } from './degrees.js';
import { amountsText, differenceRows } from './difference.js';
import { heatmapChart } from './heatmap.js';
import { abbreviate, type ShortLabels, shortenLabels, stepName } from './labels.js';
import { definitionTable, page } from './page.js';
import { type EmbeddedMatrix, type EmbeddedSeries, LARGEST_CELL, UNDEFINED_CELL } from './page_data.js';
import {
  behaviourRows,
  hasOrder,
  phasesOf,
  provenance,
  type Summary,
  sliceName,
  sliceNoun,
  summarize,
} from './summary.js';

/** Widths of the charts in pixels, on a desk and on a phone; the page shows one or the other. */
const WIDTHS: { readonly wide: number; readonly narrow: number } = { wide: 572, narrow: 340 };
/** Pixels a side of a heatmap image; larger matrices are averaged down to it. */
export const IMAGE_LIMIT = 1024;
/** Heatmaps per output come along up to this many cells in all. */
const MOST_CELLS = 2_000_000;
/** Curves drawn per output: beyond this the ones that change most at some step. */
const MOST_CURVES = 64;

/** A page about a series of models. One file, loads nothing; every label in it is escaped. */
export async function matrixHtml(matrix: SimilarityMatrix): Promise<string> {
  const labels = shortenLabels(matrix.labels);
  const words = summarize(matrix);
  const { phases, sentences } = await phasesOf(matrix);
  const summary = { ...words, sentences: [...words.sentences, ...sentences, ...matrixDegreeSentences(matrix)] };
  const slices = embeddedSlices(matrix);
  const matrices = slices.map(({ cosine }) => cosine);
  const scale = colourScale(matrices, await colourScheme('viridis'), await colourScheme('blueorange'));
  const image = await heatmapPng(matrix.cosine, scale, IMAGE_LIMIT);
  const ramp = await rampPng(scale);
  const marked = summary.step ?? undefined;
  const heatmap = await bothWidths('heatmap', (width) =>
    heatmapChart({ labels, scale, image, ramp, width, theme: PAGE, marked, phases }),
  );
  const curves = curvesOf(matrix);
  const figures = await Promise.all(
    curves.map(({ series }, index) =>
      bothWidths(`curve" data-curve="${index}`, (width) =>
        curveChart(curveOptions(matrix, labels, summary, series, index, width)),
      ),
    ),
  );
  const right = figures.map((figure, i) => `<section><h2>${curves[i].title}</h2>${figure}</section>`);
  const body = `<main>
${header(matrix, labels, summary)}
<div class="columns">
<div class="column"><section><div class="bar"><h2>${heatmapTitle(matrix, phases.length)} <small>colour by angle</small></h2>${chooser(slices)}</div>${heatmap}</section>
<section class="last"><h2>How this was obtained</h2>${definitionTable(facts(matrix))}</section></div>
<div class="column">${right.join('\n')}${outputsTable(matrix, labels, summary)}</div>
</div>
</main>`;
  const data = {
    labels: matrix.labels,
    matrices: await Promise.all(slices.map(({ cosine }) => embedded(cosine, scale))),
    curves: curves.map(({ series }) => ({ series: series.map(seriesData), ...changeRange(series) })),
  };
  return page(`tensim: ${summary.headline ?? matrix.labels.join(', ')}`, body, data);
}

function heatmapTitle({ window }: SimilarityMatrix, phases: number): string {
  if (window !== null) return `Similarity of models up to ${window} apart`;
  return phases === 0 ? 'Similarity of every pair' : 'Similarity of every pair, and the phases';
}

/** A page about two models: the similarity, a bar per output, and all numbers in a table. */
export async function compareHtml(result: SimilarityResult): Promise<string> {
  const { a, b, similarity, behaviour, perOutput } = result;
  const { innerProduct, normA, normB } = amountsText(result);
  const numbers = definitionTable([
    ...differenceRows(result),
    ['inner product', innerProduct],
    [`norm of ${a}`, normA],
    [`norm of ${b}`, normB],
    ...(behaviour ? behaviourRows(behaviour) : []),
  ]);
  const bars = perOutput
    ? `<section><h2>Similarity per ${sliceNoun(result)}</h2>${await bothWidths('bars', (width) => barsChart(result, width, PAGE))}</section>`
    : '';
  const rows: [string, string][] = [...provenance(result), ['tensim', version]];
  const body = `<main>
<header><p class="over">tensim: two models</p><h1>${escapeMarkup(`${a} and ${b}`)}</h1></header>
<div class="columns">
<div class="column"><section><h2>Similarity</h2><div class="big">${similarityText(similarity, 6)}</div></section>
<section><h2>Behind it</h2>${numbers}</section>
${degreeSection(result)}
<section><h2>How this was obtained</h2>${definitionTable(rows)}</section></div>
<div class="column">${bars}</div>
</div>
</main>`;
  return page(`tensim: ${a} and ${b}`, body);
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
  const range =
    length > 1 ? `${labels.noun} ${labels.short[0]} … ${labels.short[length - 1]}` : (labels.short[0] ?? '');
  const over = `tensim: ${length} ${plural(length, 'model')}, ${range.trim()}`;
  const title = headline ?? 'Similarity';
  return `<header><p class="over">${escapeMarkup(over)}</p><h1>${escapeMarkup(title)}</h1><p>${sentences.map(escapeMarkup).join(' ')}</p></header>`;
}

function facts(matrix: SimilarityMatrix): [string, string][] {
  const rows: [string, string][] = [...provenance(matrix), ['models', `${matrix.labels.length}`]];
  if (matrix.perOutput) rows.push([`${sliceNoun(matrix)}s`, `${matrix.perOutput.names.length}`]);
  return [...rows, ['tensim', version]];
}

/** The same chart at both widths, each in an element that the page's script can find its way in. */
export async function bothWidths(
  kind: string,
  make: (width: number) => Chart | Promise<Chart>,
  widths = WIDTHS,
): Promise<string> {
  const parts = Object.entries(widths).map(async ([name, width]) => {
    const chart = await make(width);
    const svg = await drawSvg([{ chart, x: 0, y: 0 }], chart.width, chart.height);
    const { plot } = chart;
    const place = [plot.x, plot.y, plot.width, plot.height].join(' ');
    return `<div class="chart ${name} ${kind}" tabindex="0" data-plot="${place}">${svg}</div>`;
  });
  return (await Promise.all(parts)).join('');
}

interface Slice {
  readonly name: string;
  readonly cosine: Matrix;
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

/** A matrix as the page's script reads it, with its image. */
export async function embedded(cosine: Matrix, scale: ColourScale, symmetric = true): Promise<EmbeddedMatrix> {
  const span = Math.max(angle(scale.least), 1e-6);
  const count = cosine.length;
  const cells = Buffer.alloc(symmetric ? count * (count + 1) : 2 * count * (cosine[0]?.length ?? 0));
  let offset = 0;
  for (const [i, row] of cosine.entries()) {
    for (const similarity of symmetric ? row.subarray(i) : row) {
      const cell = Number.isNaN(similarity) ? UNDEFINED_CELL : Math.round((angle(similarity) / span) * LARGEST_CELL);
      offset = cells.writeUInt16LE(cell, offset);
    }
    if (i % 64 === 63) await setImmediate();
  }
  const png = await heatmapPng(cosine, scale, IMAGE_LIMIT);
  return { span, cells: cells.toString('base64'), image: `data:image/png;base64,${png.toString('base64')}` };
}

interface Curves {
  readonly title: string;
  readonly series: readonly Series[];
}

function curvesOf(matrix: SimilarityMatrix): Curves[] {
  if (matrix.labels.length < 2 || !hasOrder(matrix)) return [];
  const note = '<small>1 − similarity, logarithmic</small>';
  const curves = [
    {
      title: `Change from one model to the next ${note}`,
      series: [{ name: 'all', similarities: consecutive(matrix.cosine) }],
    },
  ];
  const { names, cosine } = matrix.perOutput ?? { names: [], cosine: [] };
  if (names.length === 0) return curves;
  const least = cosine.map((slice) => smallest(consecutive(slice).filter((value) => !Number.isNaN(value))));
  const kept = [...names.keys()]
    .sort((a, b) => least[a] - least[b])
    .slice(0, MOST_CURVES)
    .sort((a, b) => a - b);
  const series = kept.map((i) => ({ name: sliceName(matrix, names[i]), similarities: consecutive(cosine[i]) }));
  const some = kept.length < names.length ? `, the ${kept.length} of ${names.length} that change most` : '';
  return [...curves, { title: `The same per ${sliceNoun(matrix)}${some} ${note}`, series }];
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
  const options = { labels, series, width, height: width === WIDTHS.narrow ? 190 : 212, theme: PAGE };
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

export function seriesData({ name, similarities }: Series): EmbeddedSeries {
  const values = Array.from(similarities, (value) => (Number.isNaN(value) ? null : Number(value.toPrecision(12))));
  return { name, similarities: values };
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
