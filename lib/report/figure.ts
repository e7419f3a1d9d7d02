import { escapeMarkup } from '../words/markup.js';
import { type Chart, drawSvg } from './chart.js';

/** Widths of the charts in pixels, on a desk and on a phone; the page shows one or the other. */
export const WIDTHS: Widths = { wide: 572, narrow: 340 };

export interface Widths {
  readonly wide: number;
  readonly narrow: number;
}

/** What a chart is to the page: which kind, what it is called, and which data are its own. */
export interface Figure {
  readonly kind: 'heatmap' | 'curve' | 'bars' | 'pictures' | 'tree';
  /** For those who do not see it. */
  readonly name: string;
  /** The place of its matrix, curve or pictures in the data of the page; a heatmap without one shows what is chosen. */
  readonly data?: number;
}

/** What the data of a chart are called; a chart without any cannot be pointed at. */
const DATA: Partial<Record<Figure['kind'], string>> = { heatmap: 'matrix', curve: 'curve', pictures: 'pictures' };

/** The same chart at both widths, each in an element that the page's script can find its way in. */
export async function bothWidths(
  { kind, name, data }: Figure,
  make: (width: number) => Chart | Promise<Chart>,
  widths: Widths = WIDTHS,
): Promise<string> {
  const parts = Object.entries(widths).map(async ([size, width]) => {
    const chart = await make(width);
    const svg = await drawSvg([{ chart, x: 0, y: 0 }], chart.width, chart.height);
    const { plot } = chart;
    const place = [plot.x, plot.y, plot.width, plot.height].join(' ');
    const own = data === undefined ? '' : ` data-${DATA[kind]}="${data}"`;
    const rectangles = chart.cells?.map(({ x, y, width, height }) => [x, y, width, height].join(' ')).join(',');
    const cells = rectangles === undefined ? '' : ` data-cells="${rectangles}"`;
    const focus = DATA[kind] === undefined ? '' : ' tabindex="0"';
    return `<div class="chart ${size} ${kind}" role="group" aria-label="${escapeMarkup(name)}"${focus}${own}${cells} data-plot="${place}">${inPage(svg)}</div>`;
  });
  return (await Promise.all(parts)).join('');
}

/** The text of an SVG file for a page: without what its policy forbids, and read out by the name of the chart alone. */
function inPage(svg: string): string {
  return svg
    .replaceAll('style="image-rendering: optimizeSpeed; image-rendering: pixelated;"', 'image-rendering="pixelated"')
    .replace('<svg ', '<svg aria-hidden="true" ');
}
