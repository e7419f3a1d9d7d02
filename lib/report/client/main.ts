import type { PageData } from '../page_data.js';
import { curveSteps } from './curve.js';
import { heatmapCells } from './heatmap.js';
import { followPointer, plotOf } from './pointer.js';
import { Tip } from './tip.js';

// The script of a page: it finds the charts, which name what they show, and the values in the page's data.

const data: PageData = JSON.parse(document.getElementById('data')!.textContent!);
const chooser = document.querySelector<HTMLSelectElement>('#slice');
const tip = new Tip();
let chosen = 0;

for (const chart of document.querySelectorAll<HTMLElement>('.chart')) {
  const { curve, matrix } = chart.dataset;
  const plot = plotOf(chart);
  // A heatmap that names no matrix shows the chosen one.
  const shown = matrix === undefined ? () => chosen : () => Number(matrix);
  const pointAt =
    curve === undefined ? heatmapCells(data, shown, plot) : curveSteps(data.labels, data.curves[Number(curve)], plot);
  followPointer(chart, plot, pointAt, tip);
}

chooser?.addEventListener('change', () => {
  chosen = chooser.selectedIndex;
  // The first image of a heatmap is the matrix; the second, its legend.
  for (const chart of document.querySelectorAll('.heatmap'))
    chart.querySelector('image')?.setAttribute('href', data.matrices[chosen].image);
});
