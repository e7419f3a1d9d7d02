import type { Mark } from 'vega';
import { type Chart, drawSvg, lineMark, PAPER, type Rect, type TextItem, textMark } from '../../lib/report/chart.js';
import { textWidth } from '../../lib/report/chart_text.js';
import type { Outcome, Result } from './results.js';

const WIDTH = 900;
const MARGIN = 16;
const ROW = 18;
const HEAD = 44;
const FOOT = 24;
const RIGHT = 24;

interface Series {
  readonly name: string;
  readonly shape: 'circle' | 'square' | 'diamond' | 'triangle-up' | 'cross';
  readonly colour: string;
  readonly of: (results: readonly Result[]) => Result | undefined;
}

const by = (engine: Result['engine'], method: string) => (results: readonly Result[]) =>
  results.find((result) => result.engine === engine && result.method === method);

/** Drawn in this order, so that the fast ones lie on top. */
const SERIES: readonly Series[] = [
  { name: 'native loops', shape: 'triangle-up', colour: PAPER.muted, of: by('native', 'loops') },
  { name: 'native ttgt', shape: 'diamond', colour: PAPER.muted, of: by('native', 'ttgt') },
  { name: 'fallback', shape: 'cross', colour: PAPER.ink, of: by('fallback', 'blocked') },
  { name: 'best of numpy', shape: 'square', colour: PAPER.highlight, of: bestOfNumpy },
  { name: 'native', shape: 'circle', colour: PAPER.accent, of: by('native', 'blocked') },
];

function bestOfNumpy(results: readonly Result[]): Result | undefined {
  const numpy = results.filter(({ engine }) => engine === 'numpy');
  return numpy.length === 0 ? undefined : numpy.reduce((best, next) => (next.gflops > best.gflops ? next : best));
}

/** GFLOP/s of every instance on a logarithmic axis, a chart per dtype, as an SVG text. */
export function outcomesSvg(outcomes: readonly Outcome[], title: string): Promise<string> {
  const charts: { chart: Chart; x: number; y: number }[] = [];
  let y = MARGIN;
  for (const dtype of new Set(outcomes.map((outcome) => outcome.dtype))) {
    const chart = speedChart(
      outcomes.filter((outcome) => outcome.dtype === dtype),
      `${title}: GFLOP/s, ${dtype}`,
      WIDTH - 2 * MARGIN,
    );
    charts.push({ chart, x: MARGIN, y });
    y += chart.height + MARGIN;
  }
  return drawSvg(charts, WIDTH, y, '#ffffff');
}

function speedChart(outcomes: readonly Outcome[], title: string, width: number): Chart {
  const left = Math.max(...outcomes.map(({ instance }) => textWidth(instance))) + 12;
  const plot: Rect = { x: left, y: HEAD, width: width - left - RIGHT, height: outcomes.length * ROW };
  const rates = outcomes.flatMap(({ results }) => SERIES.flatMap(({ of }) => of(results)?.gflops ?? []));
  const powers = [Math.floor(Math.log10(Math.min(...rates))), Math.ceil(Math.log10(Math.max(...rates)))] as const;
  const [low, high] = [powers[0], Math.max(powers[1], powers[0] + 1)];
  const x = (gflops: number) => plot.x + (plot.width * (Math.log10(gflops) - low)) / (high - low);
  const y = (row: number) => plot.y + (row + 0.5) * ROW;
  const bottom = plot.y + plot.height;
  const ticks = Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i));
  const names = outcomes.map(({ instance }, row): TextItem => ({ x: left - 8, y: y(row), text: instance }));
  const drawn = SERIES.map((series) => ({
    ...series,
    points: outcomes.flatMap(({ results }, row) => {
      const result = series.of(results);
      return result === undefined ? [] : [{ x: x(result.gflops), y: y(row) }];
    }),
  })).filter(({ points }) => points.length > 0);
  return {
    width,
    height: bottom + FOOT,
    plot,
    marks: [
      textMark([{ x: 0, y: 0, text: title }], PAPER.ink, { baseline: { value: 'top' } }),
      ...outcomes.map((_, row) => lineMark(plot.x, y(row), plot.x + plot.width, y(row), PAPER.line)),
      ...ticks.map((tick) => lineMark(x(tick), plot.y, x(tick), bottom, PAPER.line)),
      textMark(
        ticks.map((tick) => ({ x: x(tick), y: bottom + 6, text: String(Number(tick.toPrecision(1))) })),
        PAPER.muted,
        { align: { value: 'center' }, baseline: { value: 'top' } },
      ),
      textMark(names, PAPER.muted, { align: { value: 'right' }, baseline: { value: 'middle' } }),
      ...drawn.map(({ points, shape, colour }) => symbolMark(points, shape, colour)),
      ...legendMarks([...drawn].reverse(), plot.x),
    ],
  };
}

function legendMarks(series: readonly Series[], start: number): Mark[] {
  let x = start;
  return series.flatMap(({ name, shape, colour }) => {
    const at = x;
    x += textWidth(name) + 30;
    return [
      symbolMark([{ x: at + 6, y: 28 }], shape, colour),
      textMark([{ x: at + 16, y: 28, text: name }], PAPER.muted, { baseline: { value: 'middle' } }),
    ];
  });
}

function symbolMark(points: readonly { x: number; y: number }[], shape: Series['shape'], colour: string): Mark {
  return {
    type: 'group',
    data: [{ name: 'points', values: [...points] }],
    marks: [
      {
        type: 'symbol',
        from: { data: 'points' },
        encode: {
          update: {
            x: { field: 'x' },
            y: { field: 'y' },
            shape: { value: shape },
            size: { value: 55 },
            fill: { value: colour },
          },
        },
      },
    ],
  };
}
