import type { EncodeEntry, GroupMark, Mark } from 'vega';
import { oneLine } from '../words/quoting.js';
import { FONT_SIZE } from './chart_text.js';

/** Colours of a chart; CSS variables in a page, plain colours in a file of its own. */
export interface Theme {
  readonly ink: string;
  readonly muted: string;
  readonly line: string;
  readonly accent: string;
  readonly highlight: string;
}

/** For a chart on white paper. */
export const PAPER: Theme = {
  ink: '#1c2330',
  muted: '#667085',
  line: '#d9dee7',
  accent: '#2b6cb0',
  highlight: '#d6410f',
};

/** Colours that the page defines for light and dark. */
export const PAGE: Theme = {
  ink: 'var(--ink)',
  muted: 'var(--muted)',
  line: 'var(--line)',
  accent: 'var(--accent)',
  highlight: 'var(--highlight)',
};

export interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A chart as a Vega group of a known size, with the place of its plotting area inside it, in pixels. */
export interface Chart {
  readonly width: number;
  readonly height: number;
  readonly plot: Rect;
  readonly marks: readonly Mark[];
  /** The places of what is pointed at one by one, where a chart consists of such. */
  readonly cells?: readonly Rect[];
}

const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';

export interface TextItem {
  readonly x: number;
  readonly y: number;
  readonly text: string;
}

/** Texts at places. `style` sets Vega's text channels for all of them. */
export function textMark(items: readonly TextItem[], colour: string, style: EncodeEntry = {}): Mark {
  return {
    type: 'group',
    data: [{ name: 'texts', values: items.map((item) => ({ ...item, text: oneLine(item.text) })) }],
    marks: [
      {
        type: 'text',
        from: { data: 'texts' },
        encode: {
          update: {
            x: { field: 'x' },
            y: { field: 'y' },
            text: { field: 'text' },
            fill: { value: colour },
            font: { value: FONT },
            fontSize: { value: FONT_SIZE },
            ...style,
          },
        },
      },
    ],
  };
}

export function lineMark(x: number, y: number, x2: number, y2: number, colour: string, style: EncodeEntry = {}): Mark {
  const place = { x: { value: x }, y: { value: y }, x2: { value: x2 }, y2: { value: y2 } };
  return { type: 'rule', encode: { update: { ...place, stroke: { value: colour }, ...style } } };
}

/** An image stretched over a rectangle, its pixels kept crisp unless they are smaller than the screen's. */
export function imageMark(png: Buffer, { x, y, width, height }: Rect, crisp = true): Mark {
  const place = { x: { value: x }, y: { value: y }, width: { value: width }, height: { value: height } };
  const url = `data:image/png;base64,${png.toString('base64')}`;
  return {
    type: 'image',
    encode: { update: { ...place, url: { value: url }, aspect: { value: false }, smooth: { value: !crisp } } },
  };
}

/** Vega's colour scheme of a name, as a function of t from 0 to 1. */
export async function colourScheme(name: string): Promise<(t: number) => string> {
  const { scheme } = await import('vega');
  return scheme(name) as (t: number) => string;
}

/**
 * Draws charts at their places into one SVG text. Vega is loaded on first use: it takes longer than most comparisons.
 */
export async function drawSvg(
  charts: readonly { chart: Chart; x: number; y: number }[],
  width: number,
  height: number,
  background: string | null = null,
): Promise<string> {
  const { parse, View } = await import('vega');
  const groups = charts.map(
    ({ chart, x, y }): GroupMark => ({
      type: 'group',
      encode: { update: { x: { value: x }, y: { value: y } } },
      marks: [...chart.marks],
    }),
  );
  const view = new View(
    parse({ width, height, padding: 0, autosize: 'none', background: background as string, marks: groups }),
    { renderer: 'none' },
  );
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}
