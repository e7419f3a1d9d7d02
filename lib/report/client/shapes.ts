import type { Plot, Shape } from './pointed.js';

const SVG = 'http://www.w3.org/2000/svg';

/** The plotting area, which a chart's element names in `data-plot`. */
export function plotOf({ dataset }: HTMLElement): Plot {
  const [left, top, width, height] = (dataset.plot ?? '').split(' ').map(Number);
  return { left, top, width, height };
}

/** The picture of a chart. */
export function svgOf(chart: HTMLElement): SVGSVGElement {
  return chart.querySelector<SVGSVGElement>('svg.marks')!;
}

export function svgElement(name: string, attributes: Shape['attributes']): SVGElement {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, `${value}`);
  return element;
}

/** What is drawn over a chart, whatever lies below: it has a picture of its own. */
export class Overlay {
  readonly #svg: SVGElement;

  constructor(chart: HTMLElement) {
    const { width, height } = svgOf(chart).viewBox.baseVal;
    const viewBox = `0 0 ${width} ${height}`;
    this.#svg = svgElement('svg', { class: 'overlay', viewBox, 'aria-hidden': 'true' });
    chart.append(this.#svg);
  }

  /** Replaces what was drawn under this name. */
  draw(name: 'cross' | 'brush' | 'pin', shapes: readonly Shape[]): void {
    for (const shape of this.#svg.querySelectorAll(`.${name}`)) shape.remove();
    for (const { name: element, attributes } of shapes)
      this.#svg.append(svgElement(element, { ...attributes, class: name }));
  }
}
