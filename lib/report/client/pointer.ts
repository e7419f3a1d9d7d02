import type { Place, Plot, PointAt, Pointed, Shape } from './pointed.js';
import type { Tip } from './tip.js';

const SVG = 'http://www.w3.org/2000/svg';
const ARROWS: Readonly<Record<string, readonly [dx: number, dy: number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/** The plotting area, which a chart's element names in `data-plot`. */
export function plotOf({ dataset }: HTMLElement): Plot {
  const [left, top, width, height] = (dataset.plot ?? '').split(' ').map(Number);
  return { left, top, width, height };
}

/** Lets mouse, finger and arrow keys point at things in a chart. */
export function followPointer(chart: HTMLElement, plot: Plot, pointAt: PointAt, tip: Tip): void {
  const svg = chart.querySelector('svg');
  if (svg === null) return;
  let last: Pointed | undefined;

  /** The chart's corner in the window, and how much the browser enlarges it. */
  function placement(): { left: number; top: number; zoom: number } {
    const { left, top, width } = chart.getBoundingClientRect();
    return { left, top, zoom: width / svg!.viewBox.baseVal.width };
  }

  function point(place: Place): void {
    last = pointAt(place);
    const { left, top, zoom } = placement();
    draw(svg!, last.shapes);
    tip.show(last.words, left + last.x * zoom, top + last.y * zoom);
  }

  function hide(): void {
    draw(svg!, []);
    tip.hide();
  }

  function followMouse({ clientX, clientY }: PointerEvent): void {
    const { left, top, zoom } = placement();
    point({ x: (clientX - left) / zoom, y: (clientY - top) / zoom });
  }

  function followKey(event: KeyboardEvent): void {
    if (event.key === 'Escape') hide();
    const arrow = ARROWS[event.key];
    if (arrow === undefined) return;
    event.preventDefault();
    point(last?.next(...arrow) ?? firstPlace());
  }

  const firstPlace = (): Place => ({ x: plot.left, y: plot.top });

  chart.addEventListener('pointermove', followMouse);
  chart.addEventListener('pointerdown', followMouse);
  chart.addEventListener('pointerleave', hide);
  chart.addEventListener('keydown', followKey);
  chart.addEventListener('focus', () => {
    // A click focuses too, but points by itself.
    if (chart.matches(':focus-visible')) point(last ?? firstPlace());
  });
  chart.addEventListener('blur', hide);
}

/** Replaces what was drawn over a chart. */
function draw(svg: SVGSVGElement, shapes: readonly Shape[]): void {
  for (const shape of svg.querySelectorAll('.cross')) shape.remove();
  for (const { name, attributes } of shapes) {
    const shape = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) shape.setAttribute(key, `${value}`);
    shape.setAttribute('class', 'cross');
    svg.append(shape);
  }
}
