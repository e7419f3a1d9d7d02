import type { Mark } from 'vega';
import type { Step } from '../similarity/terms/types.js';
import { amountText } from '../words/numbers.js';
import { changePosition, changeRange, changeTicks, type Series } from './change_axis.js';
import { type Chart, lineMark, type Rect, type TextItem, type Theme, textMark } from './chart.js';
import { textWidth } from './chart_text.js';
import { abbreviateAll, type ShortLabels, thinned } from './labels.js';

const TOP = 20;
const RIGHT = 14;
const BOTTOM = 24;
const LEFT = 46;
const LONGEST_LABEL = 12;
/** Room for the title of an axis, in pixels. */
const TITLE = 17;
/** Characters of each label, or of the name of a series, in the caption of the marked step. */
export const LONGEST_CAPTION = 16;
/** Points are drawn on a curve of up to this many steps. */
const MOST_POINTS = 100;

export interface CurveOptions {
  readonly labels: ShortLabels;
  readonly series: readonly Series[];
  /** Drawn last, in the accent colour if it is the only one, else highlighted and named. */
  readonly emphasis?: string | undefined;
  readonly width: number;
  readonly height: number;
  readonly theme: Theme;
  /** A step to mark with a dashed line. */
  readonly marked?: (Step & { readonly caption: string }) | undefined;
  /** What stands below and beside the chart of a page, whose script finds the parts of the chart by their names. */
  readonly titles?: { readonly across: string; readonly up: string } | undefined;
}

/** The change across every step, on a logarithmic axis: a change ten times the usual is as clear at 0.04 as at 0.4. */
export function curveChart(options: CurveOptions): Chart {
  const { labels, series, emphasis, width, height, theme, marked, titles } = options;
  const range = changeRange(series);
  const title = titles === undefined ? 0 : TITLE;
  const left = LEFT + title;
  const plot: Rect = { x: left, y: TOP, width: width - left - RIGHT, height: height - TOP - BOTTOM - title };
  const part = (name: string, mark: Mark): Mark => (titles === undefined ? mark : { ...mark, name });
  const count = labels.short.length;
  const x = (i: number) => plot.x + ((i + 0.5) * plot.width) / count;
  const y = (similarity: number) => plot.y + plot.height * (1 - changePosition(similarity, range));
  const drawn = [...series.filter(({ name }) => name !== emphasis), ...series.filter(({ name }) => name === emphasis)];
  const alone = series.length === 1;
  return {
    width,
    height,
    plot,
    marks: [
      ...changeTicks(range).flatMap((change) => {
        const at = y(1 - change);
        const label = [{ x: left - 8, y: at, text: amountText(change) }];
        return [
          lineMark(plot.x, at, plot.x + plot.width, at, theme.line),
          textMark(label, theme.muted, { align: { value: 'right' }, baseline: { value: 'middle' } }),
        ];
      }),
      part('labels', bottomLabels(labels, plot, x, theme)),
      ...(titles === undefined ? [] : titleMarks(titles, plot, theme)),
      ...(marked ? stepMarks(marked, plot, x, theme).map((mark, i) => part(`step ${i}`, mark)) : []),
      ...drawn.map(({ name, similarities }, index) => {
        const strong = alone || name === emphasis;
        const colour = alone ? theme.accent : strong ? theme.highlight : theme.muted;
        const points = Array.from(similarities, (similarity, i) => ({
          x: x(i + 0.5),
          y: Number.isNaN(similarity) ? 0 : y(similarity),
          defined: !Number.isNaN(similarity),
        }));
        return part(`series ${index}`, seriesMark(points, colour, strong));
      }),
    ],
  };
}

function bottomLabels(labels: ShortLabels, plot: Rect, x: (i: number) => number, theme: Theme): Mark {
  const names = abbreviateAll(labels.short, LONGEST_LABEL);
  const longest = names.reduce((most, name) => Math.max(most, textWidth(name)), 0);
  const items = thinned(names.length, plot.width / (longest + 14)).map(
    (i): TextItem => ({ x: x(i), y: plot.y + plot.height + 8, text: names[i] }),
  );
  return textMark(items, theme.muted, { align: { value: 'center' }, baseline: { value: 'top' } });
}

function titleMarks({ across, up }: NonNullable<CurveOptions['titles']>, plot: Rect, theme: Theme): Mark[] {
  const below = [{ x: plot.x + plot.width / 2, y: plot.y + plot.height + 24, text: across }];
  const beside = [{ x: 1, y: plot.y + plot.height / 2, text: up }];
  const centred = { align: { value: 'center' }, baseline: { value: 'top' } } as const;
  return [textMark(below, theme.muted, centred), textMark(beside, theme.muted, { ...centred, angle: { value: -90 } })];
}

function stepMarks(
  { from, to, caption }: Step & { caption: string },
  plot: Rect,
  x: (i: number) => number,
  theme: Theme,
): Mark[] {
  const at = (x(from) + x(to)) / 2;
  // The caption keeps to the side with more room.
  const leftward = at > plot.x + plot.width / 2;
  const text = [{ x: at, y: plot.y - 6, text: caption }];
  return [
    lineMark(at, plot.y - 2, at, plot.y + plot.height, theme.highlight, { strokeDash: { value: [3, 3] } }),
    textMark(text, theme.highlight, {
      align: { value: leftward ? 'right' : 'left' },
      dx: { value: leftward ? 4 : -4 },
      baseline: { value: 'bottom' },
      fontWeight: { value: 600 },
    }),
  ];
}

interface Point {
  readonly x: number;
  readonly y: number;
  readonly defined: boolean;
}

function seriesMark(points: Point[], colour: string, strong: boolean): Mark {
  const place = { x: { field: 'x' }, y: { field: 'y' } };
  const line: Mark = {
    type: 'line',
    from: { data: 'points' },
    encode: {
      update: {
        ...place,
        defined: { field: 'defined' },
        stroke: { value: colour },
        strokeWidth: { value: strong ? 1.8 : 1 },
        strokeOpacity: { value: strong ? 1 : 0.45 },
        strokeJoin: { value: 'round' },
      },
    },
  };
  const dots: Mark = {
    type: 'symbol',
    from: { data: 'dots' },
    encode: { update: { ...place, size: { value: 14 }, fill: { value: colour } } },
  };
  // A line needs two points: a single defined step between undefined ones shows only as a dot.
  const dotted = points.filter((point) => point.defined && strong);
  return {
    type: 'group',
    data: [
      { name: 'points', values: points },
      { name: 'dots', values: dotted.length <= MOST_POINTS ? dotted : [] },
    ],
    marks: [line, dots],
  };
}
