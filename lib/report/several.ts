import type { Group } from '../similarity/series/clustering.js';
import type { MeasureComparison } from '../similarity/series/measure_comparison.js';
import { consecutive } from '../similarity/series/onset.js';
import type { CrossSimilarity, Matrix, SimilarityMatrix } from '../similarity/terms/types.js';
import { escapeMarkup } from '../words/markup.js';
import { similarityText } from '../words/numbers.js';
import { type About, obtained, sourcesOf } from './about.js';
import { changeRange } from './change_axis.js';
import { colourScheme, PAGE } from './chart.js';
import { type ColourScale, colourScale, rampPng } from './colour.js';
import { curveChart, LONGEST_CAPTION } from './curve.js';
import { embeddedMatrices, embeddedPalette, packingError, previewPng, seriesData } from './embed.js';
import { bothWidths } from './figure.js';
import { heatmapChart } from './heatmap.js';
import { axisTitle, digitsNote, explained, LEGEND, PINS } from './html.js';
import { type ShortLabels, shortenLabels, stepName } from './labels.js';
import { hasOrder, orderSentence } from './order.js';
import { page } from './page.js';
import { inOrder, placedSentence, setOf } from './set.js';
import { measureSentences } from './summary.js';

/** Widths of heatmaps that stand side by side. */
const BESIDE = { wide: 430, narrow: 340 };

/** A page about models against others. */
export async function crossHtml(cross: CrossSimilarity, about: About = {}): Promise<string> {
  const { rows, columns, cosine } = cross;
  const scale = await scaleOf([cosine]);
  const name = 'Similarity of rows and columns';
  const figure = await heatmapOf({ name, cosine, columnLabels: shortenLabels(columns), scale }, shortenLabels(rows), 0);
  const slices = [{ name: 'similarity', cosine }];
  const counts = [
    ['rows', `${rows.length}`],
    ['columns', `${columns.length}`],
  ] as const;
  const title = `${rows.length} models against ${columns.length}`;
  const body = `<main>
<header><p class="over">tensim: rows against columns</p><h1>${title}</h1></header>
<div class="columns">
<div class="column"><section><h2>${name}</h2>${figure}${digitsNote(packingError(slices, scale, false))}</section>
${PINS}</div>
<div class="column"><section><h2>How this was obtained</h2>${obtained(cross, counts, about)}</section></div>
</div>
</main>`;
  return page(`tensim: ${title}`, body, {
    labels: rows,
    columnLabels: columns,
    ...explained(cross, sourcesOf(cross).slice(0, rows.length), sourcesOf(cross).slice(rows.length)),
    matrices: await embeddedMatrices(slices, scale, false),
    palette: embeddedPalette(scale),
    curves: [],
  });
}

/** A page about several measures of the same models: their heatmaps side by side, and what they make of each other. */
export async function measuresHtml(comparison: MeasureComparison, about: About = {}): Promise<string> {
  const [given] = comparison.matrices;
  const set = await setOf(comparison);
  const matrices = set === null ? comparison.matrices : comparison.matrices.map((one) => inOrder(one, set.order));
  const { labels } = matrices[0];
  const short = shortenLabels(labels);
  const start = comparison.block?.start;
  const slices = matrices.map((matrix) => ({ name: titleOf(matrix), cosine: matrix.cosine }));
  const scale = await scaleOf(slices.map(({ cosine }) => cosine));
  const heatmaps = await Promise.all(
    slices.map((slice, i) => heatmapOf({ ...slice, scale, start, groups: set?.groups }, short, i)),
  );
  const note = digitsNote(packingError(slices, scale));
  const sections = slices.map(
    ({ name }, i) => `<section><h2>${escapeMarkup(name)}</h2>${heatmaps[i]}${note}</section>`,
  );
  const series = matrices.map(({ measure, cosine }) => ({ name: measure, similarities: consecutive(cosine) }));
  const marked =
    start === undefined
      ? undefined
      : { from: start - 1, to: start, caption: stepName(short, start - 1, start, LONGEST_CAPTION) };
  const titles = { across: axisTitle(short), up: '1 − similarity' };
  const changed = 'Change from one model to the next';
  const curve = await bothWidths({ kind: 'curve', name: `Curve: ${changed}`, data: 0 }, (width) =>
    curveChart({ labels: short, series, emphasis: series[0].name, width, height: 247, theme: PAGE, marked, titles }),
  );
  const others = series.slice(1).map(({ name }) => name);
  const legend = others.length === 0 ? '' : `; orange: ${series[0].name}, grey: ${others.join(', ')}`;
  const changes = `<div class="column"><section><h2>${changed} <small>logarithmic${legend}</small></h2>${curve}</section></div>`;
  const placed = set === null ? orderSentence(given) : [placedSentence(set)];
  const words = [...measureSentences(comparison), ...placed];
  const names = matrices.map(({ measure }) => measure);
  const body = `<main>
<header><p class="over">tensim: ${labels.length} models, ${names.length} measures</p><h1>${escapeMarkup(names.join(', '))}</h1><p>${words.map(escapeMarkup).join(' ')}</p></header>
<p class="note">All heatmaps have one scale of colours, so that the same colour is the same similarity.</p>
<div class="measures">${sections.join('\n')}</div>
${PINS}
<div class="columns">
${hasOrder(matrices[0]) ? changes : ''}
<div class="column"><section><h2>Between the measures</h2>${betweenTable(comparison)}</section>
${matrices.map((matrix) => `<section><h2>How ${matrix.measure} was obtained</h2>${obtained(matrix, [], about)}</section>`).join('\n')}</div>
</div>
</main>`;
  return page(`tensim: ${names.join(', ')}`, body, {
    labels,
    ...explained(matrices[0], sourcesOf(matrices[0])),
    matrices: await embeddedMatrices(slices, scale),
    palette: embeddedPalette(scale),
    curves: hasOrder(matrices[0]) ? [{ series: series.map(seriesData), ...changeRange(series) }] : [],
  });
}

function titleOf({ measure, input }: SimilarityMatrix): string {
  return input === null ? measure : `${measure}, ${input}`;
}

/** One scale for all matrices that are shown beside each other. */
const scaleOf = async (matrices: readonly Matrix[]): Promise<ColourScale> =>
  colourScale(matrices, await colourScheme('viridis'), await colourScheme('blueorange'));

interface ShownMatrix {
  readonly name: string;
  readonly cosine: Matrix;
  readonly scale: ColourScale;
  readonly columnLabels?: ShortLabels;
  /** Where the later block begins. */
  readonly start?: number | undefined;
  readonly groups?: readonly Group[] | undefined;
}

async function heatmapOf(
  { name, cosine, scale, columnLabels, start, groups }: ShownMatrix,
  labels: ShortLabels,
  index: number,
): Promise<string> {
  const image = await previewPng(cosine, scale);
  const ramp = await rampPng(scale);
  const marked = start === undefined ? undefined : { from: start - 1, to: start };
  const titles = { rows: axisTitle(labels), columns: axisTitle(columnLabels ?? labels), legend: LEGEND };
  return bothWidths(
    { kind: 'heatmap', name: `Heatmap: ${name}`, data: index },
    (width) =>
      heatmapChart({ labels, columnLabels, scale, image, ramp, width, theme: PAGE, marked, titles, phases: groups }),
    columnLabels === undefined ? BESIDE : undefined,
  );
}

/** Correlations of every two measures, and their block scores. */
function betweenTable({ matrices, correlation, block }: MeasureComparison): string {
  const heads = matrices.map(({ measure }) => `<th class="number">${measure}</th>`);
  const scoreHead = block === null ? '' : '<th class="number">block score</th>';
  const rows = matrices.map(({ measure }, i) => {
    const cells = [...correlation[i]].map((value) => `<td class="number">${similarityText(value)}</td>`);
    const score = block === null ? '' : `<td class="number">${similarityText(block.scores[i])}</td>`;
    return `<tr><th>${measure}</th>${cells.join('')}${score}</tr>`;
  });
  return `<table class="outputs"><thead><tr><th>correlation</th>${heads.join('')}${scoreHead}</tr></thead><tbody>${rows.join('')}</tbody></table>`;
}
