import { svgElement, svgOf } from './shapes.js';

/** Attributes of elements that a page sets by its style sheet, for a picture that has none. */
const STYLED = ['fill', 'stroke', 'stroke-width', 'font-family', 'font-size', 'vector-effect'];
/** Pixels of a PNG per pixel of the page. */
const SHARP = 2;

/** A chart as it is seen, as the text of an SVG file with colours of its own, on the colour of the page. */
export function svgText(chart: HTMLElement): string {
  const svg = svgOf(chart);
  const copy = svg.cloneNode(true) as SVGSVGElement;
  const originals = [...svg.querySelectorAll<SVGElement>('*')];
  for (const [at, element] of [...copy.querySelectorAll<SVGElement>('*')].entries()) {
    const style = getComputedStyle(originals[at]);
    if (style.visibility === 'hidden' || style.display === 'none') {
      element.setAttribute('display', 'none');
      continue;
    }
    // What is hidden may hold what is not.
    if (originals[at].closest('.enlarged') !== null) element.removeAttribute('display');
    for (const name of STYLED) {
      const isOwn = element.hasAttribute(name) || originals[at].closest('.enlarged') !== null;
      if (isOwn) element.setAttribute(name, style.getPropertyValue(name));
    }
  }
  const { width, height } = svg.viewBox.baseVal;
  const paper = { width, height, fill: getComputedStyle(chart.closest('section')!).backgroundColor };
  copy.prepend(svgElement('rect', paper));
  const tiles = chart.querySelector<HTMLCanvasElement>('canvas.tiles');
  if (tiles !== null) {
    const [left, top, wide, high] = chart.dataset.plot!.split(' ');
    const place = { x: left, y: top, width: wide, height: high, preserveAspectRatio: 'none' };
    copy.querySelector('rect')!.after(svgElement('image', { ...place, href: tiles.toDataURL() }));
  }
  copy.removeAttribute('aria-hidden');
  for (const part of copy.querySelectorAll('[display="none"]')) part.remove();
  return new XMLSerializer().serializeToString(copy);
}

/** The same as a PNG file. */
export async function pngOf(chart: HTMLElement): Promise<Blob> {
  const { width, height } = svgOf(chart).viewBox.baseVal;
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svgText(chart))}`;
  await image.decode();
  const canvas = document.createElement('canvas');
  canvas.width = SHARP * width;
  canvas.height = SHARP * height;
  canvas.getContext('2d')!.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => canvas.toBlob((blob) => done(blob!)));
}
