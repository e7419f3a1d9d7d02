import type { Mark } from 'vega';
import { largest } from '../../extremes.js';
import type { Direction, FormExplanation } from '../../similarity/explain/types.js';
import { percent, signedText } from '../../words/numbers.js';
import { type Chart, imageMark, lineMark, type Rect, type TextItem, type Theme, textMark } from '../chart.js';
import { FONT_SIZE, textWidth } from '../chart_text.js';
import { thinned } from '../labels.js';
import { encodePng, type Rgb } from '../png.js';
import { picturePng } from './image.js';
import { type ImageShape, inputName, pictureSize, strongest } from './inputs.js';

const LABEL_WIDTH = 84;
const GAP = 12;
const CAPTION = 20;
const LINE = 1.5 * FONT_SIZE;
const ROW_GAP = 10;
/** Pictures are not enlarged beyond this, in pixels. */
const LARGEST = 220;
/** Bars per direction where inputs are no picture. */
export const BARS = 6;
const BAR_HEIGHT = 15;

export interface DirectionsOptions {
  readonly image: ImageShape | null;
  /** Colours from the most negative entry over zero to the most positive. */
  readonly palette: readonly Rgb[];
  readonly width: number;
  readonly theme: Theme;
  /** Rows and columns are numbered at the pictures, where there is room. */
  readonly coordinates?: boolean;
}

/** What a picture of a chart shows. */
export interface Picture {
  readonly title: string;
  readonly vector: Float64Array;
}

/** Room for the coordinates of a picture, beside and above it. */
const BESIDE = 18;
const ABOVE = 14;
/** Pixels that a coordinate takes at least. */
const APART = 22;

interface Row {
  readonly title: string;
  readonly note: string;
  readonly cells: readonly Cell[];
}

interface Cell {
  readonly vector: Float64Array;
  /** One line, or a line each where they do not fit beside each other. */
  readonly caption: readonly string[];
}

/**
 * What stands out, large: the first direction of the output that differs most, that of all outputs together, and how
 * much the difference depends on each input.
 */
export async function highlightsChart(found: FormExplanation, options: DirectionsOptions): Promise<Chart> {
  return grid([{ title: '', note: '', cells: highlightsOf(found) }], 0, options);
}

function highlightsOf({ outputs, joint }: FormExplanation): Cell[] {
  const [first] = outputs;
  return [
    ...(first?.directions.slice(0, 1).map(({ vector }) => ({ vector, caption: [`output ${first.output}`] })) ?? []),
    ...joint.directions.slice(0, 1).map(({ vector }) => ({ vector, caption: ['all outputs'] })),
    { vector: joint.energy, caption: ['each input'] },
  ];
}

/** The pictures of both charts in their order, with what they are called one by one. */
export function picturesOf(found: FormExplanation): { highlights: Picture[]; directions: Picture[] } {
  const highlights = highlightsOf(found).map(({ vector, caption }) => ({ title: caption.join(', '), vector }));
  const directions = rowsOf(found).flatMap(({ title, cells }) =>
    cells.map(({ vector, caption }, k) => ({ title: `${title}, ${k + 1}: ${caption.join(', ')}`, vector })),
  );
  return { highlights, directions };
}

/** Below this width the words under the colours are few. */
const NARROW = 400;

/** What the colours of pictures mean, below each other or beside. */
export async function scaleChart({ palette, width, theme }: DirectionsOptions): Promise<Chart> {
  const plot = { x: 1, y: 1, width: Math.min(width - 2, 2 * LARGEST), height: 10 };
  const ramp = await encodePng(Uint8Array.from(palette.keys()), palette.length, 1, palette);
  const below = (x: number, text: string): TextItem => ({ x: plot.x + x * plot.width, y: plot.y + 15, text });
  const top = { baseline: { value: 'top' } } as const;
  return {
    width,
    height: 32,
    plot,
    marks: [
      imageMark(ramp, plot, false),
      textMark([below(0, '− largest')], theme.muted, top),
      textMark([below(0.5, '0')], theme.muted, { ...top, align: { value: 'center' } }),
      textMark([below(1, plot.width < NARROW ? 'largest of each' : 'largest entry of each picture')], theme.muted, {
        ...top,
        align: { value: 'right' },
      }),
    ],
  };
}

/**
 * The directions of all outputs together, then those of each output shown: a row each, a picture per direction, or bars
 * of its largest entries where inputs are no picture.
 */
export function directionsChart(found: FormExplanation, options: DirectionsOptions): Promise<Chart> {
  return grid(rowsOf(found), LABEL_WIDTH, options);
}

/** Rows of cells, each with its caption below, behind titles that take so much width. */
async function grid(rows: readonly Row[], labelWidth: number, options: DirectionsOptions): Promise<Chart> {
  const { width, theme, image, coordinates = false } = options;
  const axes = image !== null && coordinates ? { beside: BESIDE, above: ABOVE } : { beside: 0, above: 0 };
  const most = largest(
    rows.map(({ cells }) => cells.length),
    1,
  );
  const cell = cellSize(image, (width - labelWidth - GAP * (most - 1)) / most - axes.beside);
  const stacked = rows.some(({ cells }) => cells.some(({ caption }) => textWidth(caption.join(', ')) > cell.width));
  const marks: Mark[] = [];
  const titles: TextItem[] = [];
  const notes: TextItem[] = [];
  const captions: TextItem[] = [];
  const places: Rect[] = [];
  let y = 1 + axes.above;
  for (const { title, note, cells } of rows) {
    titles.push({ x: 0, y: y + 2, text: title });
    notes.push({ x: 0, y: y + 2 + LINE, text: note });
    for (const [k, { vector, caption }] of cells.entries()) {
      const place = { x: labelWidth + k * (cell.width + axes.beside + GAP) + axes.beside, y, ...cell };
      places.push(place);
      if (image !== null && coordinates) for (const mark of coordinateMarks(place, image, theme)) marks.push(mark);
      const drawn = image === null ? bars(vector, place, theme) : await picture(vector, place, image, options);
      for (const mark of drawn) marks.push(mark);
      const lines = stacked ? caption : [caption.join(', ')];
      for (const [line, text] of lines.entries())
        captions.push({ x: place.x, y: y + cell.height + 5 + line * LINE, text });
    }
    y += axes.above + cell.height + CAPTION + (stacked ? LINE : 0) + ROW_GAP;
  }
  const top = { baseline: { value: 'top' } } as const;
  const height = Math.max(0, y - ROW_GAP);
  return {
    width,
    height,
    plot: { x: 0, y: 0, width, height },
    cells: places,
    marks: [
      ...marks,
      textMark(titles, theme.ink, { ...top, fontWeight: { value: 600 } }),
      textMark(notes, theme.muted, top),
      textMark(captions, theme.muted, top),
    ],
  };
}

function rowsOf({ joint, outputs, parts: { linear: linearShare } }: FormExplanation): Row[] {
  const cellOf = ({ value, share, vector }: Direction): Cell => ({
    vector,
    caption: [signedText(value), percent(share)],
  });
  const together = joint.directions.map(({ share, vector }) => ({ vector, caption: [percent(share)] }));
  return [
    ...(outputs.length > 1 ? [{ title: 'all outputs', note: 'together', cells: together }] : []),
    ...(joint.linear?.length ? [{ title: 'linear', note: percent(linearShare), cells: joint.linear.map(cellOf) }] : []),
    ...outputs.map(({ output, share, directions, linear, parts }) => ({
      title: `output ${output}`,
      note: percent(share),
      cells: [
        ...directions.map(cellOf),
        ...(linear === null ? [] : [{ vector: linear, caption: ['linear', percent(parts.linear)] }]),
      ],
    })),
  ];
}

/** Numbers of rows and of columns at a picture, those of each channel from 0. */
function coordinateMarks({ x, y, width, height }: Rect, image: ImageShape, theme: Theme): Mark[] {
  const size = pictureSize(image);
  const [across, down] = [width / size.width, height / size.height];
  const columns = Array.from({ length: image.channels }, (_, channel) =>
    thinned(image.width, (image.width * across) / APART).map((column): TextItem => {
      const place = channel * (image.width + 1) + column;
      return { x: x + (place + 0.5) * across, y: y - 3, text: `${column}` };
    }),
  ).flat();
  const rows = thinned(image.height, (image.height * down) / APART).map(
    (row): TextItem => ({ x: x - 4, y: y + (row + 0.5) * down, text: `${row}` }),
  );
  return [
    textMark(columns, theme.muted, { align: { value: 'center' }, baseline: { value: 'bottom' } }),
    textMark(rows, theme.muted, { align: { value: 'right' }, baseline: { value: 'middle' } }),
  ];
}

function cellSize(image: ImageShape | null, room: number): { width: number; height: number } {
  if (image === null) return { width: Math.min(room, LARGEST), height: BARS * BAR_HEIGHT };
  const { width, height } = pictureSize(image);
  const side = Math.min(room, LARGEST, (LARGEST / height) * width);
  return { width: side, height: (side / width) * height };
}

async function picture(
  vector: Float64Array,
  place: Rect,
  image: ImageShape,
  { palette, theme }: DirectionsOptions,
): Promise<Mark[]> {
  const largest = vector.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const png = await picturePng(vector, image, palette, (entry) => (largest === 0 ? 0.5 : (1 + entry / largest) / 2));
  const { x, y, width, height } = place;
  const frame: Mark = {
    type: 'rect',
    encode: {
      update: {
        x: { value: x - 0.5 },
        y: { value: y - 0.5 },
        width: { value: width + 1 },
        height: { value: height + 1 },
        stroke: { value: theme.line },
        fill: { value: 'transparent' },
      },
    },
  };
  return [imageMark(png, place, width >= pictureSize(image).width), frame];
}

/** The largest entries, named, as bars to either side of zero, or to one where none is negative. */
function bars(vector: Float64Array, { x, y, width }: Rect, theme: Theme): Mark[] {
  const shown = strongest(vector, BARS);
  const largest = Math.abs(vector[shown[0] ?? 0]);
  const names = shown.map((index) => inputName(index, null));
  const left = x + names.reduce((most, name) => Math.max(most, textWidth(name)), 0) + 6;
  const middle = shown.some((index) => vector[index] < 0) ? (left + x + width) / 2 : left;
  const texts = names.map((text, i): TextItem => ({ x: left - 6, y: y + (i + 0.5) * BAR_HEIGHT, text }));
  const rects = shown.map((index, i): Mark => {
    const end = middle + (vector[index] / largest) * (x + width - middle);
    return {
      type: 'rect',
      encode: {
        update: {
          x: { value: Math.min(middle, end) },
          x2: { value: Math.max(middle, end) },
          y: { value: y + i * BAR_HEIGHT + 3 },
          height: { value: BAR_HEIGHT - 6 },
          fill: { value: vector[index] < 0 ? theme.accent : theme.highlight },
        },
      },
    };
  });
  return [
    ...rects,
    lineMark(middle, y, middle, y + BARS * BAR_HEIGHT, theme.line),
    textMark(texts, theme.muted, { align: { value: 'right' }, baseline: { value: 'middle' } }),
  ];
}
