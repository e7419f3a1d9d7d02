import type { Mark } from 'vega';
import type { Phase } from '../similarity/series/segmentation.js';
import type { Step } from '../similarity/terms/types.js';
import { amountText, similarityText } from '../words/numbers.js';
import { type Chart, imageMark, lineMark, type Rect, type TextItem, type Theme, textMark, textWidth } from './chart.js';
import { type ColourScale, scaleTicks } from './colour.js';
import { abbreviateAll, labelStride, type ShortLabels } from './labels.js';

/** Characters of a label that is not a number. */
const LONGEST_LABEL = 18;
const TOP = 10;
const RIGHT = 14;
const LEGEND_HEIGHT = 10;
/** Pixels that few rows over many columns take at least. */
const SHORTEST = 24;

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
  /** Phases of the series, framed on the diagonal. */
  readonly phases?: readonly Phase[] | undefined;
}

/**
 * The matrix as one embedded image, so that two thousand models draw as easily as ten, with thinned labels, a legend
 * below, and small triangles on the edges at the marked step.
 */
export function heatmapChart(options: HeatmapOptions): Chart {
  const { labels, columnLabels = labels, scale, image, ramp, width, theme, marked, phases = [] } = options;
  const [rows, columns] = [axisOf(labels), axisOf(columnLabels)];
  const left = rows.longest + 10;
  const across = width - left - RIGHT;
  const cells = rows.names.length / columns.names.length;
  const down = Math.min(1.25 * across, Math.max(SHORTEST, across * cells));
  const plot: Rect = { x: left, y: TOP, width: across, height: down };
  const bottom = TOP + down;
  const rowCentre = (i: number) => ((i + 0.5) * down) / rows.names.length;
  const columnCentre = (i: number) => ((i + 0.5) * across) / columns.names.length;
  // Numbers are written level and need room for their width; names stand upright and need that of a line.
  const columnRoom = across / (columnLabels.numbered ? columns.longest + 14 : 15);
  const rowRoom = columnLabels === labels ? columnRoom : down / 15;
  const rowItems = shown(rows.names, rowRoom).map(
    (i): TextItem => ({ x: left - 6, y: TOP + rowCentre(i), text: rows.names[i] }),
  );
  const columnItems = shown(columns.names, columnRoom).map(
    (i): TextItem => ({ x: left + columnCentre(i), y: bottom + 6, text: columns.names[i] }),
  );
  const upright = { angle: { value: -90 }, align: { value: 'right' }, baseline: { value: 'middle' } } as const;
  const level = { align: { value: 'center' }, baseline: { value: 'top' } } as const;
  const legendTop = bottom + 6 + (columnLabels.numbered ? 16 : columns.longest) + 12;
  const legend: Rect = { x: left, y: legendTop, width: across, height: LEGEND_HEIGHT };
  return {
    width,
    height: legendTop + LEGEND_HEIGHT + 22,
    plot,
    marks: [
      imageMark(image, plot, across >= columns.names.length && down >= rows.names.length),
      textMark(rowItems, theme.muted, { align: { value: 'right' }, baseline: { value: 'middle' } }),
      textMark(columnItems, theme.muted, columnLabels.numbered ? level : upright),
      ...(marked ? pointers(plot, marked, rows.names.length, theme) : []),
      ...frames(plot, phases, rows.names.length, theme),
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

/** Those of the names that there is room for. */
function shown(names: readonly string[], room: number): number[] {
  const stride = labelStride(names.length, Math.floor(room));
  return [...names.keys()].filter((i) => i % stride === 0);
}

/** A frame around the pairs of each phase. */
function frames({ x, y, width }: Rect, phases: readonly Phase[], count: number, theme: Theme): Mark[] {
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
