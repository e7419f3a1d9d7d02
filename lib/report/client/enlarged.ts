import { textWidth } from '../chart_text.js';
import { abbreviateAll, type ShortLabels, thinned } from '../labels.js';
import type { Plot } from './pointed.js';
import { svgElement, svgOf } from './shapes.js';
import type { Region, Span, Views } from './views.js';

/** Characters of a label, as in the chart that shows all. */
const LONGEST_LABEL = 18;
/** Pixels between labels that lie beside each other, and for a line of text. */
const AROUND = 14;
const LINE = 15;

/** An axis of models: their names, and which pixels of the chart it has. */
export interface Axis {
  readonly labels: ShortLabels;
  readonly side: 'rows' | 'columns';
}

/**
 * Draws the enlarged part of a chart over the chart that shows all: its parts stretched, in a picture within the
 * picture, and the labels of the models that are in sight. The parts of a chart are known by their names.
 */
export function drawEnlarged(chart: HTMLElement, plot: Plot, axes: readonly Axis[], views: Views): void {
  const svg = svgOf(chart);
  const { left, top, width, height } = plot;
  const draw = () => {
    for (const old of svg.querySelectorAll(':scope > .enlarged')) old.remove();
    const { region } = views;
    chart.classList.toggle('part', views.state.region !== null);
    if (views.state.region === null) return;
    const [across, down] = [width / views.sizes.columns, height / views.sizes.rows];
    // A curve has models along one axis only, and is stretched along that one.
    const isFlat = axes.every(({ side }) => side === 'columns');
    const [from, rows] = isFlat ? [top, height] : [top + region.rows[0] * down, sizeOf(region.rows) * down];
    const viewBox = [left + region.columns[0] * across, from, sizeOf(region.columns) * across, rows].join(' ');
    const place = {
      x: left,
      y: top,
      width,
      height,
      viewBox,
      preserveAspectRatio: 'none',
      fill: 'none',
      class: 'enlarged',
    };
    const inner = svgElement('svg', place);
    for (const part of svg.querySelectorAll('.cells, .frame, .series')) inner.append(part.cloneNode(true));
    const labels = axes.map(({ labels, side }) => labelsOf(labels, side, region, plot));
    svg.append(inner, ...labels);
  };
  views.onChange(draw);
  draw();
}

const sizeOf = ([from, to]: Span) => to - from;

function labelsOf({ short, numbered }: ShortLabels, side: Axis['side'], region: Region, plot: Plot): SVGElement {
  const { left, top, width, height } = plot;
  const [from, to] = region[side];
  const names = abbreviateAll(short.slice(from, to), LONGEST_LABEL);
  const longest = names.reduce((most, name) => Math.max(most, textWidth(name)), 0);
  const isLevel = side === 'columns' && numbered;
  const length = side === 'columns' ? width : height;
  const size = length / names.length;
  const group = svgElement('g', { class: 'enlarged' });
  for (const i of thinned(names.length, length / (isLevel ? longest + AROUND : LINE))) {
    const middle = (i + 0.5) * size;
    const [x, y] = side === 'columns' ? [left + middle, top + height + 6] : [left - 6, top + middle];
    const turn = side === 'rows' || isLevel ? '' : ' rotate(-90)';
    const text = svgElement('text', {
      transform: `translate(${x},${y})${turn}`,
      'text-anchor': isLevel ? 'middle' : 'end',
      dy: isLevel ? '0.8em' : '0.3em',
    });
    text.textContent = names[i];
    group.append(text);
  }
  return group;
}
