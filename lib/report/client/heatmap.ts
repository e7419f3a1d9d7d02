import type { PageData } from '../page_data.js';
import { type Plot, type PointAt, within } from './pointed.js';
import { Cells, similarityLine } from './values.js';

/** The matrix that a heatmap shows, by its index in the page's data; it may change while the page is open. */
export type ShownMatrix = () => number;

/** Points at the cells of a heatmap. */
export function heatmapCells(data: PageData, shown: ShownMatrix, { left, top, width, height }: Plot): PointAt {
  const { labels, columnLabels = labels } = data;
  const cells = data.matrices.map((matrix) => new Cells(matrix, columnLabels.length, columnLabels === labels));
  const across = width / columnLabels.length;
  const down = height / labels.length;
  return (place) => {
    const row = within((place.y - top) / down, labels.length);
    const column = within((place.x - left) / across, columnLabels.length);
    const x = left + (column + 0.5) * across;
    const y = top + (row + 0.5) * down;
    const lines = `M${left} ${y}H${left + width}M${x} ${top}V${top + height}`;
    return {
      x,
      y,
      words: `${labels[row]}\n${columnLabels[column]}\n${similarityLine(cells[shown()].at(row, column))}`,
      shapes: [
        { name: 'path', attributes: { d: lines, opacity: 0.45 } },
        { name: 'rect', attributes: { x: x - across / 2, y: y - down / 2, width: across, height: down } },
      ],
      next: (dx, dy) => ({ x: x + dx * across, y: y + dy * down }),
    };
  };
}
