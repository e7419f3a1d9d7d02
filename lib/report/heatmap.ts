import type { Mark } from 'vega';
import type { Phase } from '../similarity/series/segmentation.js';
import type { Step } from '../similarity/terms/types.js';
import { amountText, similarityText } from '../words/numbers.js';
import { type Chart, imageMark, lineMark, type Rect, type TextItem, type Theme, textMark } from './chart.js';
import { textWidth } from './chart_text.js';
import { type ColourScale, scaleTicks } from './colour.js';
import { abbreviateAll, type ShortLabels, thinned } from './labels.js';

/** Characters of a label that is not a number. */
export const LONGEST_LABEL = 18;
/** Room for the title of an axis, in pixels. */
const TITLE = 17;
/** Pixels that a name which stands upright takes of its axis, and those around a number that lies. */
export const UPRIGHT = 15;
export const AROUND = 14;
const TOP = 10;
const RIGHT = 14;
const LEGEND_HEIGHT = 10;
/** Pixels that few rows over many columns take at least. */
const SHORTEST = 24;

/** Models next to each other: the first and the last. */
type Framed = Pick<Phase, 'first' | 'last'>;

export interface HeatmapOptions {
  readonly labels: ShortLabels;
  /** Where the columns are other models than the rows. */
  readonly columnLabels?: ShortLabels | undefined;
  readonly scale: ColourScale;
  /** The matrix as an image, and the colours of the scale as one. */
  readonly image: Buffer;
  readonly ramp: Buffer;
  /** Of the whole chart, pixels; the height follows. */
  readonly width: number;
  readonly theme: Theme;
  /** A step to point at from the edges. */
  readonly marked?: Step | undefined;
  /** Phases of a series or groups of a set, framed on the diagonal. */
  readonly phases?: readonly Framed[] | undefined;
  /** What stands at the axes and the legend of a page, whose script finds the parts of the chart by their names. */
  readonly titles?: { readonly rows: string; readonly columns: string; readonly legend: string } | undefined;
}

/**
 * The matrix as one embedded image, so that two thousand models draw as easily as ten, with thinned labels, a legend
 * below, and small triangles on the edges at the marked step.
 */
export function heatmapChart(options: HeatmapOptions): Chart {
  const { labels, columnLabels = labels, scale, image, ramp, width, theme, marked, phases = [], titles } = options;
  const [rows, columns] = [axisOf(labels), axisOf(columnLabels)];
  const title = titles === undefined ? 0 : TITLE;
  const left = rows.longest + 10 + title;
  const across = width - left - RIGHT;
  const cells = rows.names.length / columns.names.length;
  const down = Math.min(1.25 * across, Math.max(SHORTEST, across * cells));
  const plot: Rect = { x: left, y: TOP, width: across, height: down };
  const bottom = TOP + down;
  const rowCentre = (i: number) => ((i + 0.5) * down) / rows.names.length;
  const columnCentre = (i: number) => ((i + 0.5) * across) / columns.names.length;
  // Numbers are written level and need room for their width; names stand upright and need that of a line.
  const columnRoom = across / (columnLabels.numbered ? columns.longest + AROUND : UPRIGHT);
  const rowRoom = columnLabels === labels ? columnRoom : down / UPRIGHT;
  const rowItems = thinned(rows.names.length, rowRoom).map(
    (i): TextItem => ({ x: left - 6, y: TOP + rowCentre(i), text: rows.names[i] }),
  );
  const columnItems = thinned(columns.names.length, columnRoom).map(
    (i): TextItem => ({ x: left + columnCentre(i), y: bottom + 6, text: columns.names[i] }),
  );
  const upright = { angle: { value: -90 }, align: { value: 'right' }, baseline: { value: 'middle' } } as const;
  const level = { align: { value: 'center' }, baseline: { value: 'top' } } as const;
  const legendTop = bottom + 6 + (columnLabels.numbered ? 16 : columns.longest) + 12 + title;
  // Names of marks are told apart; as classes of elements their words are taken one by one.
  const part = (name: string, mark: Mark): Mark => (titles === undefined ? mark : { ...mark, name });
  const legend: Rect = { x: left, y: legendTop, width: across, height: LEGEND_HEIGHT };
  return {
    width,
    height: legendTop + LEGEND_HEIGHT + 22 + title,
    plot,
    marks: [
      part('cells', imageMark(image, plot, across >= columns.names.length && down >= rows.names.length)),
      part(
        'labels rows',
        textMark(rowItems, theme.muted, { align: { value: 'right' }, baseline: { value: 'middle' } }),
      ),
      part('labels columns', textMark(columnItems, theme.muted, columnLabels.numbered ? level : upright)),
      ...(marked ? pointers(plot, marked, rows.names.length, theme).map((mark, i) => part(`step ${i}`, mark)) : []),
      ...frames(plot, phases, rows.names.length, theme).map((mark, i) => part(`frame ${i}`, mark)),
      ...(titles === undefined ? [] : titleMarks(titles, plot, legend, theme)),
      imageMark(ramp, legend, false),
      ...legendMarks(scale, legend, theme),
    ],
  };
}

/** The names along an axis, and the width of the longest in pixels. */
function axisOf({ short }: ShortLabels): { names: string[]; longest: number } {
  const names = abbreviateAll(short, LONGEST_LABEL);
  return { names, longest: names.reduce((most, name) => Math.max(most, textWidth(name)), 0) };
}

/** What stands at the axes, and below the legend. */
function titleMarks(
  { rows, columns, legend: scale }: NonNullable<HeatmapOptions['titles']>,
  plot: Rect,
  legend: Rect,
  theme: Theme,
): Mark[] {
  const middle = plot.x + plot.width / 2;
  const below = [
    { x: middle, y: legend.y - 24, text: columns },
    { x: middle, y: legend.y + legend.height + 22, text: scale },
  ];
  const centred = { align: { value: 'center' }, baseline: { value: 'top' } } as const;
  const beside = [{ x: 1, y: plot.y + plot.height / 2, text: rows }];
  return [textMark(below, theme.muted, centred), textMark(beside, theme.muted, { ...centred, angle: { value: -90 } })];
}

/** A frame around the pairs of each phase. */
function frames({ x, y, width }: Rect, phases: readonly Framed[], count: number, theme: Theme): Mark[] {
  const cell = width / count;
  return phases.map(({ first, last }) => ({
    type: 'rect',
    encode: {
      update: {
        x: { value: x + first * cell },
        y: { value: y + first * cell },
        width: { value: (last - first + 1) * cell },
        height: { value: (last - first + 1) * cell },
        fill: { value: 'transparent' },
        stroke: { value: theme.highlight },
        strokeWidth: { value: 1.2 },
      },
    },
  }));
}

/** Triangles on the upper and the right edge where the marked step lies. */
function pointers({ x, y, width }: Rect, { to }: Step, count: number, theme: Theme): Mark[] {
  const offset = (to * width) / count;
  const triangle = (centreX: number, centreY: number, shape: string): Mark => ({
    type: 'symbol',
    encode: {
      update: {
        x: { value: centreX },
        y: { value: centreY },
        shape: { value: shape },
        size: { value: 55 },
        fill: { value: theme.highlight },
      },
    },
  });
  return [triangle(x + offset, y - 5, 'triangle-down'), triangle(x + width + 5, y + offset, 'triangle-left')];
}

function legendMarks(scale: ColourScale, { x, y, width, height }: Rect, theme: Theme): Mark[] {
  const ticks = scaleTicks(scale, 48 / width).map((similarity) => ({
    x: x + width * scale.position(similarity),
    // The lower end may be any number; the others are round.
    text:
      similarity === scale.least ? similarityText(similarity, 2).replace('-0.00', '0.00') : amountText(similarity, 12),
  }));
  const below = y + height;
  return [
    ...ticks.map((tick) => lineMark(tick.x, below, tick.x, below + 4, theme.muted)),
    textMark(
      ticks.map((tick) => ({ ...tick, y: below + 7 })),
      theme.muted,
      { align: { value: 'center' }, baseline: { value: 'top' } },
    ),
  ];
}
