import type { MeasureComparison } from '../similarity/series/measure_comparison.js';
import { consecutive } from '../similarity/series/onset.js';
import type { CrossSimilarity, Matrix, SimilarityMatrix } from '../similarity/terms/types.js';
import { version } from '../version.js';
import { escapeMarkup } from '../words/markup.js';
import { similarityText } from '../words/numbers.js';
import { changeRange } from './change_axis.js';
import { colourScheme, PAGE } from './chart.js';
import { colourScale, heatmapPng, rampPng } from './colour.js';
import { curveChart, LONGEST_CAPTION } from './curve.js';
import { heatmapChart } from './heatmap.js';
import { bothWidths, embedded, IMAGE_LIMIT, seriesData } from './html.js';
import { type ShortLabels, shortenLabels, stepName } from './labels.js';
import { definitionTable, page } from './page.js';
import type { EmbeddedMatrix } from './page_data.js';
import { hasOrder, measureSentences, orderSentence, provenance } from './summary.js';

/** Widths of heatmaps that stand side by side. */
const BESIDE = { wide: 430, narrow: 340 };

/** A page about models against others. */
export async function crossHtml(cross: CrossSimilarity): Promise<string> {
  const { rows, columns, cosine } = cross;
  const { figure, data } = await heatmapOf(cosine, shortenLabels(rows), shortenLabels(columns), 0);
  const facts = definitionTable([
    ...provenance(cross),
    ['rows', `${rows.length}`],
    ['columns', `${columns.length}`],
    ['tensim', version],
  ]);
  const title = `${rows.length} models against ${columns.length}`;
  const body = `<main>
<header><p class="over">tensim: rows against columns</p><h1>${title}</h1></header>
<div class="columns">
<div class="column"><section><h2>Similarity <small>colour by angle</small></h2>${figure}</section></div>
<div class="column"><section><h2>How this was obtained</h2>${facts}</section></div>
</div>
</main>`;
  return page(`tensim: ${title}`, body, { labels: rows, columnLabels: columns, matrices: [data], curves: [] });
}

/** A page about several measures of the same models: their heatmaps side by side, and what they make of each other. */
export async function measuresHtml(comparison: MeasureComparison): Promise<string> {
  const { matrices } = comparison;
  const { labels } = matrices[0];
  const short = shortenLabels(labels);
  const start = comparison.block?.start;
  const heatmaps = await Promise.all(matrices.map(({ cosine }, i) => heatmapOf(cosine, short, undefined, i, start)));
  const sections = matrices.map(
    (matrix, i) => `<section><h2>${escapeMarkup(titleOf(matrix))}</h2>${heatmaps[i].figure}</section>`,
  );
  const series = matrices.map(({ measure, cosine }) => ({ name: measure, similarities: consecutive(cosine) }));
  const marked =
    start === undefined
      ? undefined
      : { from: start - 1, to: start, caption: stepName(short, start - 1, start, LONGEST_CAPTION) };
  const curve = await bothWidths('curve" data-curve="0', (width) =>
    curveChart({ labels: short, series, emphasis: series[0].name, width, height: 230, theme: PAGE, marked }),
  );
  const changes = `<div class="column"><section><h2>Change from one model to the next <small>1 − similarity, logarithmic</small></h2>${curve}</section></div>`;
  const words = [...measureSentences(comparison), ...orderSentence(matrices[0])];
  const names = matrices.map(({ measure }) => measure);
  const body = `<main>
<header><p class="over">tensim: ${labels.length} models, ${names.length} measures</p><h1>${escapeMarkup(names.join(', '))}</h1><p>${words.map(escapeMarkup).join(' ')}</p></header>
<div class="measures">${sections.join('\n')}</div>
<div class="columns">
${hasOrder(matrices[0]) ? changes : ''}
<div class="column"><section><h2>Between the measures</h2>${betweenTable(comparison)}</section>
${matrices.map((matrix) => `<section><h2>How ${matrix.measure} was obtained</h2>${definitionTable(provenance(matrix))}</section>`).join('\n')}</div>
</div>
</main>`;
  return page(`tensim: ${names.join(', ')}`, body, {
    labels,
    matrices: heatmaps.map(({ data }) => data),
    curves: hasOrder(matrices[0]) ? [{ series: series.map(seriesData), ...changeRange(series) }] : [],
  });
}

function titleOf({ measure, input }: SimilarityMatrix): string {
  return input === null ? measure : `${measure}, ${input}`;
}

async function heatmapOf(
  cosine: Matrix,
  labels: ShortLabels,
  columnLabels: ShortLabels | undefined,
  index: number,
  start?: number,
): Promise<{ figure: string; data: EmbeddedMatrix }> {
  const scale = colourScale([cosine], await colourScheme('viridis'), await colourScheme('blueorange'));
  const image = await heatmapPng(cosine, scale, IMAGE_LIMIT);
  const ramp = await rampPng(scale);
  const marked = start === undefined ? undefined : { from: start - 1, to: start };
  const figure = await bothWidths(
    `heatmap" data-matrix="${index}`,
    (width) => heatmapChart({ labels, columnLabels, scale, image, ramp, width, theme: PAGE, marked }),
    columnLabels === undefined ? BESIDE : undefined,
  );
  return { figure, data: await embedded(cosine, scale, columnLabels === undefined) };
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
