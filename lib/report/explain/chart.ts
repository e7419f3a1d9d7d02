import type { Mark } from 'vega';
import { largest } from '../../extremes.js';
import type { Direction, FormExplanation } from '../../similarity/explain/types.js';
import { percent, signedText } from '../../words/numbers.js';
import {
  type Chart,
  FONT_SIZE,
  imageMark,
  lineMark,
  type Rect,
  type TextItem,
  type Theme,
  textMark,
  textWidth,
} from '../chart.js';
import type { Rgb } from '../png.js';
import { type ImageShape, inputName, picturePng, pictureSize, strongest } from './image.js';

const LABEL_WIDTH = 84;
const GAP = 12;
const CAPTION = 20;
const LINE = 1.5 * FONT_SIZE;
const ROW_GAP = 10;
/** Pictures are not enlarged beyond this, in pixels. */
const LARGEST = 220;
/** Bars per direction where inputs are no picture. */
const BARS = 6;
const BAR_HEIGHT = 15;

export interface DirectionsOptions {
  readonly image: ImageShape | null;
  /** Colours from the most negative entry over zero to the most positive. */
  readonly palette: readonly Rgb[];
  readonly width: number;
  readonly theme: Theme;
}

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
  const { outputs, joint } = found;
  const [first] = outputs;
  const cells = [
    ...(first?.directions.slice(0, 1).map(({ vector }) => ({ vector, caption: [`output ${first.output}`] })) ?? []),
    ...joint.directions.slice(0, 1).map(({ vector }) => ({ vector, caption: ['all outputs'] })),
    { vector: joint.energy, caption: ['each input'] },
  ];
  return grid([{ title: '', note: '', cells }], 0, options);
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
  const { width, theme, image } = options;
  const most = largest(
    rows.map(({ cells }) => cells.length),
    1,
  );
  const cell = cellSize(image, (width - labelWidth - GAP * (most - 1)) / most);
  const stacked = rows.some(({ cells }) => cells.some(({ caption }) => textWidth(caption.join(', ')) > cell.width));
  const marks: Mark[] = [];
  const titles: TextItem[] = [];
  const notes: TextItem[] = [];
  const captions: TextItem[] = [];
  let y = 1;
  for (const { title, note, cells } of rows) {
    titles.push({ x: 0, y: y + 2, text: title });
    notes.push({ x: 0, y: y + 2 + LINE, text: note });
    for (const [k, { vector, caption }] of cells.entries()) {
      const place = { x: labelWidth + k * (cell.width + GAP), y, ...cell };
      const drawn = image === null ? bars(vector, place, theme) : await picture(vector, place, image, options);
      for (const mark of drawn) marks.push(mark);
      const lines = stacked ? caption : [caption.join(', ')];
      for (const [line, text] of lines.entries())
        captions.push({ x: place.x, y: y + cell.height + 5 + line * LINE, text });
    }
    y += cell.height + CAPTION + (stacked ? LINE : 0) + ROW_GAP;
  }
  const top = { baseline: { value: 'top' } } as const;
  const height = Math.max(0, y - ROW_GAP);
  return {
    width,
    height,
    plot: { x: 0, y: 0, width, height },
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
