import type { Mark } from 'vega';
import type { SimilarityResult } from '../similarity/terms/types.js';
import { similarityText } from '../words/numbers.js';
import { type Chart, lineMark, type TextItem, type Theme, textMark } from './chart.js';
import { textWidth } from './chart_text.js';
import { abbreviateAll } from './labels.js';
import { sliceName } from './provenance.js';

const ROW = 20;
const LONGEST_LABEL = 22;
const TOP = 4;
/** Room for the value behind a bar. */
const RIGHT = 68;
/** More slices than this are not drawn: the table of numbers has them all. */
const MOST_ROWS = 200;

/** A bar with its name before it and its value behind; no bar where there is no value. */
export interface Bar {
  readonly name: string;
  readonly value: number | null;
  readonly text: string;
  readonly colour: string;
}

/**
 * The similarity of two models as a bar, and one for each output if there are such. Undefined ones have no bar, but say
 * so.
 */
export function barsChart(result: SimilarityResult, width: number, theme: Theme): Chart {
  const slices = (result.perOutput ?? []).slice(0, MOST_ROWS);
  const bar = (name: string, value: number | null, colour: string): Bar => {
    return { name, value, text: similarityText(value), colour };
  };
  const bars = [
    bar('all', result.similarity, theme.ink),
    ...slices.map(({ name, similarity }) => bar(sliceName(result, name), similarity, theme.accent)),
  ];
  return barRows(bars, 1, width, theme);
}

/** Bars below each other, from zero (or the least value, where that is negative) to `most`. */
export function barRows(rows: readonly Bar[], most: number, width: number, theme: Theme): Chart {
  const labels = abbreviateAll(
    rows.map(({ name }) => name),
    LONGEST_LABEL,
  );
  const left = labels.reduce((widest, name) => Math.max(widest, textWidth(name)), 0) + 12;
  const least = rows.reduce((lowest, { value }) => Math.min(lowest, value ?? 0), 0);
  const plot = { x: left, y: TOP, width: width - left - RIGHT, height: rows.length * ROW };
  const x = (value: number) => left + (plot.width * (value - least)) / (most - least);
  const middle = (i: number) => TOP + (i + 0.5) * ROW;
  const names = labels.map((text, i): TextItem => ({ x: left - 8, y: middle(i), text }));
  const values = rows.map(({ value, text }, i): TextItem => {
    return { x: x(Math.max(0, value ?? 0)) + 6, y: middle(i), text };
  });
  const bars = rows.map(({ value, colour }, i): Mark => {
    const place = {
      x: { value: x(0) },
      x2: { value: x(value ?? 0) },
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
