import type { Mark } from 'vega';
import type { SimilarityResult } from '../similarity/types.js';
import { type Chart, lineMark, type TextItem, type Theme, textMark, textWidth } from './chart.js';
import { abbreviate } from './labels.js';
import { similarityText } from './numbers.js';
import { sliceName } from './summary.js';

const ROW = 20;
const LONGEST_LABEL = 22;
const TOP = 4;
/** Room for the value behind a bar. */
const RIGHT = 68;
/** More slices than this are not drawn: the table of numbers has them all. */
const MOST_ROWS = 200;

/** The similarity of two models as a bar, and one for each output if there are such. Undefined ones have no bar, but say so. */
export function barsChart(result: SimilarityResult, width: number, theme: Theme): Chart {
  const slices = (result.perOutput ?? []).slice(0, MOST_ROWS);
  const rows = [
    { name: 'all', similarity: result.similarity as number | null, colour: theme.ink },
    ...slices.map(({ name, similarity }) => ({ name: sliceName(result, name), similarity, colour: theme.accent })),
  ].map((row) => ({ ...row, name: abbreviate(row.name, LONGEST_LABEL) }));
  const left = rows.reduce((most, { name }) => Math.max(most, textWidth(name)), 0) + 12;
  const least = rows.reduce((lowest, { similarity }) => Math.min(lowest, similarity ?? 0), 0);
  const plot = { x: left, y: TOP, width: width - left - RIGHT, height: rows.length * ROW };
  const x = (similarity: number) => left + (plot.width * (similarity - least)) / (1 - least);
  const middle = (i: number) => TOP + (i + 0.5) * ROW;
  const names = rows.map(({ name }, i): TextItem => ({ x: left - 8, y: middle(i), text: name }));
  const values = rows.map(({ similarity }, i): TextItem => {
    return { x: x(Math.max(0, similarity ?? 0)) + 6, y: middle(i), text: similarityText(similarity) };
  });
  const bars = rows.map(({ similarity, colour }, i): Mark => {
    const place = {
      x: { value: x(0) },
      x2: { value: x(similarity ?? 0) },
      y: { value: middle(i) - 6 },
      height: { value: 12 },
    };
    return { type: 'rect', encode: { update: { ...place, fill: { value: colour } } } };
  });
  return {
    width,
    height: TOP + plot.height + 4,
    plot,
    marks: [
      ...bars,
      lineMark(x(0), TOP, x(0), TOP + plot.height, theme.muted),
      textMark(names, theme.muted, { align: { value: 'right' }, baseline: { value: 'middle' } }),
      textMark(values, theme.ink, { baseline: { value: 'middle' } }),
    ],
  };
}
