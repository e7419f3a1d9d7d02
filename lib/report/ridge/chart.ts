import type { RidgeSweep } from '../../similarity/series/ridge_sweep.js';
import { similarityDecimals } from '../../words/numbers.js';
import { type Chart, lineMark, type TextItem, type Theme, textMark } from '../chart.js';
import { FONT_SIZE, textWidth } from '../chart_text.js';
import { type SweptResult, sweptRows } from './rows.js';

const HEIGHT = 200;
const TOP = 10;
const BOTTOM = 3 * FONT_SIZE;
const GAP = 8;
/** Lines at these parts of the range. */
const TICKS = [0, 0.5, 1];

/** Similarities by ridge, the ridges side by side at equal distances: a line for each row. */
export function ridgeChart(sweep: RidgeSweep<SweptResult>, width: number, theme: Theme): Chart {
  const rows = sweptRows(sweep);
  const known = rows.flatMap(({ values }) => values.filter((value) => value !== null));
  const [low, high] = [known.reduce((a, b) => Math.min(a, b), 1), known.reduce((a, b) => Math.max(a, b), -1)];
  const range = high > low ? high - low : 1;
  const decimals = similarityDecimals([low, high], 4);
  const ticks = TICKS.map((part) => (low + part * range).toFixed(decimals));
  const left = ticks.reduce((widest, text) => Math.max(widest, textWidth(text)), 0) + GAP;
  const right = rows.reduce((widest, { name }) => Math.max(widest, textWidth(name)), 0) + GAP;
  const plot = { x: left, y: TOP, width: width - left - right, height: HEIGHT - TOP - BOTTOM };
  const count = sweep.steps.length;
  const x = (i: number) => plot.x + (count === 1 ? 0 : (plot.width * i) / (count - 1));
  const y = (value: number) => plot.y + plot.height * (1 - (value - low) / range);
  const colours = [theme.accent, theme.muted, theme.highlight];
  const lines = rows.flatMap(({ values }, r) =>
    values.slice(1).flatMap((value, i) => {
      const before = values[i];
      if (value === null || before === null) return [];
      const colour = colours[r % colours.length];
      return [lineMark(x(i), y(before), x(i + 1), y(value), colour, { strokeWidth: { value: 1.8 } })];
    }),
  );
  const under = sweep.steps.map(
    ({ ridge }, i): TextItem => ({ x: x(i), y: plot.y + plot.height + 1.4 * FONT_SIZE, text: `${ridge}` }),
  );
  const beside = TICKS.map((part, i): TextItem => ({ x: left - GAP, y: y(low + part * range), text: ticks[i] }));
  const names = rows.flatMap(({ name, values }): TextItem[] => {
    const last = values.at(-1);
    return last == null ? [] : [{ x: x(count - 1) + GAP / 2, y: y(last), text: name }];
  });
  return {
    width,
    height: HEIGHT,
    plot,
    marks: [
      ...TICKS.map((part) =>
        lineMark(plot.x, y(low + part * range), plot.x + plot.width, y(low + part * range), theme.line),
      ),
      ...lines,
      textMark(under, theme.muted, { align: { value: 'center' } }),
      textMark(beside, theme.muted, { align: { value: 'right' }, baseline: { value: 'middle' } }),
      textMark(names, theme.ink, { baseline: { value: 'middle' } }),
    ],
  };
}
