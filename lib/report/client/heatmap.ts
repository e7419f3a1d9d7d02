import type { Place, Plot, Pointable, Pointed, Shape } from './pointed.js';
import { within } from './pointed.js';
import { type ShownCells, similarityLine } from './values.js';
import type { Pair, Region, Views } from './views.js';

/** The names of rows and columns. */
export interface Names {
  readonly rows: readonly string[];
  readonly columns: readonly string[];
}

/** Points at the cells of a heatmap, of those in sight. */
export function heatmapCells(names: Names, views: Views, shown: ShownCells, plot: Plot): Pointable {
  const { left, top, width, height } = plot;

  function cellAt({ x, y }: Place): Pair {
    const { rows, columns } = views.region;
    const [down, across] = [rows[1] - rows[0], columns[1] - columns[0]];
    return [
      rows[0] + within(((y - top) / height) * down, down),
      columns[0] + within(((x - left) / width) * across, across),
    ];
  }

  function at(place: Place): Pointed {
    const [row, column] = cellAt(place);
    const { x, y, width: across, height: down } = placeOf([row, column], views.region, plot);
    return {
      x: x + across / 2,
      y: y + down / 2,
      pair: [row, column],
      words: `${names.rows[row]}\n${names.columns[column]}\n${similarityLine(shown().at(row, column))}`,
      shapes: mark([row, column]),
      next: (dx, dy) => {
        // At the edge of what is enlarged the keys take it with them.
        const next: Pair = [within(row + dy, views.sizes.rows), within(column + dx, views.sizes.columns)];
        views.bringIntoSight(next);
        const cell = placeOf(next, views.region, plot);
        return { x: cell.x + cell.width / 2, y: cell.y + cell.height / 2 };
      },
    };
  }

  function mark(pair: Pair): Shape[] {
    if (!isInSight(pair, views.region)) return [];
    const { x, y, width: across, height: down } = placeOf(pair, views.region, plot);
    const lines = `M${left} ${y + down / 2}H${left + width}M${x + across / 2} ${top}V${top + height}`;
    return [
      { name: 'path', attributes: { d: lines, opacity: 0.45 } },
      { name: 'rect', attributes: { x, y, width: across, height: down } },
    ];
  }

  function enlarge(start: Place, end: Place): void {
    const [one, other] = [cellAt(start), cellAt(end)];
    const span = (axis: 0 | 1) => [Math.min(one[axis], other[axis]), Math.max(one[axis], other[axis]) + 1] as const;
    views.enlarge({ rows: span(0), columns: span(1) });
  }

  return { at, mark, enlarge };
}

/** The rectangle of a cell, in or out of sight. */
export function placeOf(
  [row, column]: Pair,
  { rows, columns }: Region,
  { left, top, width, height }: Plot,
): { x: number; y: number; width: number; height: number } {
  const [across, down] = [width / (columns[1] - columns[0]), height / (rows[1] - rows[0])];
  return { x: left + (column - columns[0]) * across, y: top + (row - rows[0]) * down, width: across, height: down };
}

export function isInSight([row, column]: Pair, { rows, columns }: Region): boolean {
  return row >= rows[0] && row < rows[1] && column >= columns[0] && column < columns[1];
}
