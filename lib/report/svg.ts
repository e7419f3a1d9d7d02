import type { Group } from '../similarity/series/clustering.js';
import type { MeasureComparison } from '../similarity/series/measure_comparison.js';
import { consecutive } from '../similarity/series/onset.js';
import type { CrossSimilarity, Matrix, SimilarityMatrix, SimilarityResult } from '../similarity/terms/types.js';
import { barsChart } from './bars.js';
import { type Chart, colourScheme, drawSvg, PAPER, type TextItem, textMark } from './chart.js';
import { FONT_SIZE, textWidth } from './chart_text.js';
import { colourScale, heatmapPng, rampPng } from './colour.js';
import { curveChart, LONGEST_CAPTION } from './curve.js';
import { heatmapChart } from './heatmap.js';
import { type ShortLabels, shortenLabels, stepName } from './labels.js';
import { clusteredSet, inOrder, placedSentence, setOf, setSummary, treeChart } from './set.js';
import { measureSentences, summarize } from './summary.js';

const WIDTH = 640;
const MARGIN = 16;
/** Width of the charts of a picture. */
export const INNER_WIDTH = WIDTH - 2 * MARGIN;
/** Between a chart and the text below it. */
const GAP = 14;
const CURVE_HEIGHT = 200;
const IMAGE_LIMIT = 1024;

/** The heatmap with its legend, the curve below it, and the sentences of the report above, on white. */
export async function matrixSvg(given: SimilarityMatrix): Promise<string> {
  const set = await clusteredSet(given);
  const matrix = set?.matrix ?? given;
  const labels = shortenLabels(matrix.labels);
  const { sentences, step } = set === null ? summarize(matrix) : setSummary(set, summarize(matrix));
  const scale = colourScale([matrix.cosine], await colourScheme('viridis'), await colourScheme('blueorange'));
  const image = await heatmapPng(matrix.cosine, scale, IMAGE_LIMIT);
  const heatmap = heatmapChart({
    ...{ labels, scale, image, ramp: await rampPng(scale), width: INNER_WIDTH, theme: PAPER },
    marked: step ?? undefined,
    phases: set?.groups,
  });
  const tree = set === null ? [] : [treeChart(set, heatmap.plot, INNER_WIDTH, PAPER)];
  const charts = [textChart(sentences, INNER_WIDTH), ...tree, heatmap];
  if (step !== null) {
    charts.push(
      textChart(['Change from one model to the next (1 − similarity, logarithmic)'], INNER_WIDTH),
      curveChart({
        labels,
        series: [{ name: 'all', similarities: consecutive(matrix.cosine) }],
        width: INNER_WIDTH,
        height: CURVE_HEIGHT,
        theme: PAPER,
        marked: { from: step.from, to: step.to, caption: stepName(labels, step.from, step.to, LONGEST_CAPTION) },
      }),
    );
  }
  return stack(charts);
}

/** The heatmap of rows against columns, on white. */
export async function crossSvg(cross: CrossSimilarity): Promise<string> {
  const inner = WIDTH - 2 * MARGIN;
  const title = `Similarity of ${cross.rows.length} models (rows) and ${cross.columns.length} (columns)`;
  const [labels, columnLabels] = [shortenLabels(cross.rows), shortenLabels(cross.columns)];
  return stack([textChart([title], inner), await plainHeatmap(cross.cosine, labels, columnLabels, inner)]);
}

/** The heatmaps of several measures, one below the other, each with what it says of the others. */
export async function measuresSvg(comparison: MeasureComparison): Promise<string> {
  const inner = WIDTH - 2 * MARGIN;
  const set = await setOf(comparison);
  const placed = set === null ? [] : [placedSentence(set)];
  const charts: Chart[] = [textChart([...measureSentences(comparison), ...placed], inner)];
  for (const given of comparison.matrices) {
    const { measure, labels, cosine } = set === null ? given : inOrder(given, set.order);
    const heatmap = await plainHeatmap(cosine, shortenLabels(labels), undefined, inner, set?.groups);
    charts.push(textChart([measure], inner), heatmap);
  }
  return stack(charts);
}

async function plainHeatmap(
  cosine: Matrix,
  labels: ShortLabels,
  columnLabels: ShortLabels | undefined,
  width: number,
  phases?: readonly Group[],
): Promise<Chart> {
  const scale = colourScale([cosine], await colourScheme('viridis'), await colourScheme('blueorange'));
  const image = await heatmapPng(cosine, scale, IMAGE_LIMIT);
  const ramp = await rampPng(scale);
  return heatmapChart({ labels, columnLabels, scale, image, ramp, width, theme: PAPER, phases });
}

/** The similarity of two models as a bar, and one for each output if there are such, on white. */
export function compareSvg(result: SimilarityResult): Promise<string> {
  const title = `Similarity of ${result.a} and ${result.b}`;
  return stack([textChart([title], INNER_WIDTH), barsChart(result, INNER_WIDTH, PAPER)]);
}

/** Charts below each other on white, in a picture that is wider where one of them is. */
export function stack(charts: readonly Chart[]): Promise<string> {
  let y = MARGIN;
  const placed = charts.map((chart) => {
    const place = { chart, x: MARGIN, y };
    y += chart.height + GAP;
    return place;
  });
  const width = charts.reduce((most, chart) => Math.max(most, chart.width + 2 * MARGIN), WIDTH);
  return drawSvg(placed, width, y + MARGIN, '#ffffff');
}

/** Paragraphs as wrapped lines: SVG does not wrap text. */
export function textChart(paragraphs: readonly string[], width: number): Chart {
  const lineHeight = FONT_SIZE * 1.4;
  const lines = paragraphs.flatMap((paragraph) => wrap(paragraph, width));
  const items = lines.map((text, i): TextItem => ({ x: 0, y: i * lineHeight, text }));
  const height = lines.length * lineHeight;
  return {
    width,
    height,
    plot: { x: 0, y: 0, width, height },
    marks: [textMark(items, PAPER.ink, { baseline: { value: 'top' } })],
  };
}

function wrap(paragraph: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of paragraph.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && textWidth(`${last} ${word}`) <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
