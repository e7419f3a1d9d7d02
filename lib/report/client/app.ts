import { oneLine } from '../../words/quoting.js';
import { shellWord } from '../../words/shell.js';
import { csvLine } from '../csv_line.js';
import { shortenLabels } from '../labels.js';
import { LARGEST_CELL, MANY, type PageData } from '../page_data.js';
import { curveSteps } from './curve.js';
import { drawEnlarged } from './enlarged.js';
import { heatmapCells, isInSight, type Names, placeOf } from './heatmap.js';
import { listPins } from './pins.js';
import { followPointer } from './pointer.js';
import type { Seen } from './seen.js';
import { Overlay, plotOf, svgOf } from './shapes.js';
import { TiledHeatmap } from './tiles.js';
import { Tip } from './tip.js';
import { addTools } from './tools.js';
import { Cells } from './values.js';
import { type Pair, Views } from './views.js';

/** What can be done with a page that has been set in motion. */
export interface App {
  readonly views: Views;
  /** Of all rows, and of all columns. */
  readonly rows: readonly string[];
  readonly columns: readonly string[];
}

/**
 * Sets a page in motion: finds the charts, which name what they show, and shows the values in the page's data.
 * @param signal ends it, where another page takes the place of this one
 */
export function startApp(data: PageData, signal?: AbortSignal): App {
  const given: Names = { rows: data.labels, columns: data.columnLabels ?? data.labels };
  // Labels are shown in lines of their own, so that they are on one; files have them as they are.
  const names: Names = { rows: given.rows.map(oneLine), columns: given.columns.map(oneLine) };
  const isSquare = data.columnLabels === undefined;
  const [rows, columns] = [names.rows.length, names.columns.length];
  const matrices = data.matrices.map((matrix) => new Cells(matrix, rows, columns, isSquare));
  const views = new Views({ rows, columns, matrices: matrices.length }, signal);
  const chooser = document.querySelector<HTMLSelectElement>('#slice');
  const tip = new Tip();
  const labels = { rows: shortenLabels(names.rows), columns: shortenLabels(names.columns) };
  const rowAxis = { labels: labels.rows, side: 'rows' } as const;
  const columnAxis = { labels: labels.columns, side: 'columns' } as const;

  for (const chart of document.querySelectorAll<HTMLElement>('.chart')) {
    const { curve, matrix } = chart.dataset;
    const isHeatmap = chart.classList.contains('heatmap');
    if (curve === undefined && !isHeatmap) continue;
    const plot = plotOf(chart);
    const overlay = new Overlay(chart);
    if (isHeatmap) {
      // A heatmap that names no matrix shows the chosen one.
      const shown = matrix === undefined ? () => matrices[views.state.chosen] : () => matrices[Number(matrix)];
      if (Math.max(rows, columns) > MANY) new TiledHeatmap(chart, plot, views, shown, data.palette);
      // The first image of a heatmap is the matrix; the second, its legend.
      const image = svgOf(chart).querySelector('image');
      const showImage = () => {
        const url = shown().matrix.image;
        if (matrix === undefined && url !== undefined) image?.setAttribute('href', url);
      };
      const showPins = () => {
        const inSight = views.state.pins.filter((pin) => isInSight(pin, views.region));
        overlay.draw(
          'pin',
          inSight.map((pin) => ({ name: 'rect', attributes: { ...placeOf(pin, views.region, plot) } })),
        );
      };
      for (const show of [showImage, showPins]) {
        views.onChange(show);
        show();
      }
      drawEnlarged(chart, plot, [rowAxis, columnAxis], views);
      followPointer(chart, plot, heatmapCells(names, views, shown, plot), { tip, views, overlay });
    } else {
      drawEnlarged(chart, plot, [columnAxis], views);
      const steps = curveSteps(names.columns, data.curves[Number(curve)], views, plot);
      followPointer(chart, plot, steps, { tip, views, overlay });
    }
  }

  for (const tree of document.querySelectorAll<HTMLElement>('.chart.tree')) drawEnlarged(tree, plotOf(tree), [], views);

  const choose = () => {
    if (chooser !== null) chooser.selectedIndex = views.state.chosen;
  };
  views.onChange(choose);
  choose();
  chooser?.addEventListener('change', () => views.change({ chosen: chooser.selectedIndex }));

  // The two widths of a chart stand beside each other, and have the same tools.
  for (const chart of document.querySelectorAll<HTMLElement>('.chart.wide:is(.heatmap, .curve)')) {
    const { curve, matrix } = chart.dataset;
    const seen = () => {
      if (curve !== undefined) return seenCurve(Number(curve));
      return seenMatrix(matrices[matrix === undefined ? views.state.chosen : Number(matrix)]);
    };
    addTools([chart, chart.nextElementSibling as HTMLElement], views, seen);
  }

  function seenMatrix(cells: Cells): Seen {
    const { rows, columns } = views.region;
    const { name, packing, span } = cells.matrix;
    return {
      name: `similarity-${name.replaceAll(/[^\w-]+/g, '-')}`,
      title: name,
      rows: given.rows.slice(...rows),
      columns: given.columns.slice(...columns),
      value: (row, column) => cells.at(rows[0] + row, columns[0] + column),
      error: packing === 'float64' ? 0 : span / LARGEST_CELL / 2,
    };
  }

  function seenCurve(index: number): Seen {
    const [from, to] = views.region.columns;
    const { series } = data.curves[index];
    return {
      name: `steps-${index + 1}`,
      title: 'similarity from each model to the next',
      rows: series.map(({ name }) => name),
      columns: given.columns.slice(from, to - 1).map((name, i) => `${name} → ${given.columns[from + i + 1]}`),
      value: (row, step) => series[row].similarities[from + step],
      error: 5e-13,
    };
  }

  /** The command that tells where two models differ. */
  function command([row, column]: Pair): string | null {
    const { explain } = data;
    if (explain === undefined) return null;
    const files = [explain.rows[row], (explain.columns ?? explain.rows)[column]];
    return files[0] === files[1] ? null : `${explain.command} ${files.map(shellWord).join(' ')}`;
  }

  const pins = document.getElementById('pins');
  if (pins !== null) listPins(pins, { names, matrices, views, command });

  // What is pointed at is copied as a line of CSV, where nothing else is marked.
  const copyPointed = (event: ClipboardEvent) => {
    const pair = views.pointed;
    if (pair === null || !getSelection()?.isCollapsed) return;
    const value = matrices[views.state.chosen].at(...pair);
    event.clipboardData?.setData(
      'text/plain',
      csvLine([given.rows[pair[0]], given.columns[pair[1]], value ?? Number.NaN]).trimEnd(),
    );
    event.preventDefault();
  };
  document.addEventListener('copy', copyPointed, { ...(signal && { signal }) });

  return { views, rows: given.rows, columns: given.columns };
}
