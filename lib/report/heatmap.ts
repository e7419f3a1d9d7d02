import type { Mark } from 'vega';
import type { Step } from '../similarity/types.js';
import { type Chart, imageMark, lineMark, type Rect, type TextItem, type Theme, textMark, textWidth } from './chart.js';
import { type ColourScale, scaleTicks } from './colour.js';
import { abbreviate, labelStride, type ShortLabels } from './labels.js';
import { amountText, similarityText } from './numbers.js';

/** Characters of a label that is not a number. */
const LONGEST_LABEL = 18;
const TOP = 10;
const RIGHT = 14;
const LEGEND_HEIGHT = 10;

export interface HeatmapOptions {
  readonly labels: ShortLabels;
  readonly scale: ColourScale;
  /** The matrix as an image, and the colours of the scale as one. */
  readonly image: Buffer;
  readonly ramp: Buffer;
  /** Of the whole chart, pixels; the height follows. */
  readonly width: number;
  readonly theme: Theme;
  /** A step to point at from the edges. */
  readonly marked?: Step | undefined;
}

/**
 * The matrix as one embedded image, so that two thousand models draw as easily as ten, with thinned labels, a legend below,
 * and small triangles on the edges at the marked step.
 */
export function heatmapChart(options: HeatmapOptions): Chart {
  const { labels, scale, image, ramp, width, theme, marked } = options;
  const count = labels.short.length;
  const names = labels.short.map((label) => abbreviate(label, LONGEST_LABEL));
  const longest = names.reduce((most, name) => Math.max(most, textWidth(name)), 0);
  const left = longest + 10;
  const side = width - left - RIGHT;
  const plot: Rect = { x: left, y: TOP, width: side, height: side };
  const bottom = TOP + side;
  // Numbers are written level and need room for their width; names stand upright and need that of a line.
  const stride = labelStride(count, Math.floor(side / (labels.numbered ? longest + 14 : 15)));
  const shown = [...names.keys()].filter((i) => i % stride === 0);
  const centre = (i: number) => ((i + 0.5) * side) / count;
  const rows = shown.map((i): TextItem => ({ x: left - 6, y: TOP + centre(i), text: names[i]! }));
  const columns = shown.map((i): TextItem => ({ x: left + centre(i), y: bottom + 6, text: names[i]! }));
  const upright = { angle: { value: -90 }, align: { value: 'right' }, baseline: { value: 'middle' } } as const;
  const level = { align: { value: 'center' }, baseline: { value: 'top' } } as const;
  const legendTop = bottom + 6 + (labels.numbered ? 16 : longest) + 12;
  const legend: Rect = { x: left, y: legendTop, width: side, height: LEGEND_HEIGHT };
  return {
    width,
    height: legendTop + LEGEND_HEIGHT + 22,
    plot,
    marks: [
      imageMark(image, plot, side >= count),
      textMark(rows, theme.muted, { align: { value: 'right' }, baseline: { value: 'middle' } }),
      textMark(columns, theme.muted, labels.numbered ? level : upright),
      ...(marked ? pointers(plot, marked, count, theme) : []),
      imageMark(ramp, legend, false),
      ...legendMarks(scale, legend, theme),
    ],
  };
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
