import { amountText } from '../../words/numbers.js';
import { inputName, pictureSize, strongest } from '../explain/inputs.js';
import type { PicturesData } from '../explain/page_data.js';
import { button, made, table } from './elements.js';
import type { Place, Plot, Pointable, Pointed, Shape } from './pointed.js';
import { followPointer } from './pointer.js';
import type { Seen } from './seen.js';
import { Overlay, plotOf } from './shapes.js';
import { Tip } from './tip.js';
import { addDownloads } from './tools.js';
import { bytesOf } from './values.js';
import { Views } from './views.js';

// The script of a page of pictures: it tells the entry that is pointed at, marks the same input in all pictures, and keeps
// those that are pinned in the address.

const data: PicturesData = JSON.parse(document.getElementById('data')!.textContent!);
/** What a number of size 1 loses as float32. */
const FLOAT32_ERROR = 2 ** -25;
const tip = new Tip();
const charts = data.charts.map(({ titles, entries }) => {
  const all = Float64Array.from(new Float32Array(bytesOf(entries).buffer));
  const size = all.length / titles.length;
  return titles.map((title, i) => ({ title, vector: all.subarray(i * size, (i + 1) * size) }));
});
const inputs = charts[0]?.[0]?.vector.length ?? 0;
const views = new Views({ rows: inputs, columns: inputs, matrices: 0 });
const place = document.getElementById('pins')!;
views.onChange(listPins);
listPins();

interface Picture extends Plot {
  readonly title: string;
  readonly vector: Float64Array;
  /** Inputs in the order of bars, where they are no picture. */
  readonly order: readonly number[];
}

for (const chart of document.querySelectorAll<HTMLElement>('.chart.pictures')) {
  const pictures = pointable(picturesOf(chart));
  const overlay = new Overlay(chart);
  const showPins = () => overlay.draw('pin', views.state.pins.flatMap(pictures.mark));
  views.onChange(showPins);
  showPins();
  followPointer(chart, plotOf(chart), pictures, { tip, views, overlay });
}

// The two widths of a chart stand beside each other, and have the same tools.
for (const chart of document.querySelectorAll<HTMLElement>('.chart.wide.pictures'))
  addDownloads(
    [chart, chart.nextElementSibling as HTMLElement],
    () => seen(Number(chart.dataset.pictures)),
    'Click pins an input; keys: arrows, Enter',
  );

function seen(index: number): Seen {
  const pictures = charts[index];
  return {
    name: `directions-${index + 1}`,
    title: 'entries of directions over the inputs',
    quantity: 'entries',
    rows: pictures.map(({ title }) => title),
    columns: Array.from({ length: inputs }, (_, i) => inputName(i, data.image)),
    value: (row, column) => pictures[row].vector[column],
    error: FLOAT32_ERROR,
  };
}

/** Lists what the pinned inputs are in every picture. */
function listPins(): void {
  const pins = views.state.pins.map(([index]) => index);
  place.hidden = pins.length === 0;
  place.replaceChildren(...(pins.length === 0 ? [] : [pinned(pins)]));
}

function pinned(pins: readonly number[]): HTMLElement {
  const head = ['input', ...pins.map((index) => inputName(index, data.image))];
  const rows = charts.flat().map(({ title, vector }) => [title, ...pins.map((index) => amountText(vector[index], 4))]);
  const unpin = ['unpin', ...pins.map((index) => unpinning(index))];
  const all = button('Unpin all', 'Unpin all inputs', () => views.change({ pins: [] }));
  const bar = made('div', [made('h2', 'Pinned inputs'), all], { class: 'bar' });
  const numbers = table('Entries of the pinned inputs in every picture', head, [...rows, unpin]);
  return made('section', [bar, numbers], { class: 'pins', 'aria-label': 'Pinned inputs' });
}

function unpinning(index: number): HTMLElement {
  return button('Unpin', `Unpin input ${inputName(index, data.image)}`, () => views.pin([index, index]));
}

function picturesOf({ dataset }: HTMLElement): Picture[] {
  const pictures = charts[Number(dataset.pictures)];
  return (dataset.cells ?? '').split(',').map((place, i) => {
    const [left, top, width, height] = place.split(' ').map(Number);
    const { title, vector } = pictures[i];
    return { left, top, width, height, title, vector, order: strongest(vector, data.bars) };
  });
}

function pointable(pictures: readonly Picture[]): Pointable {
  function at(place: Place): Pointed {
    const found = pictures.reduce((best, next) => (away(next, place) < away(best, place) ? next : best));
    const index = inputAt(found, place);
    const { x, y, width, height } = placeOf(found, index);
    const middle = { x: x + width / 2, y: y + height / 2 };
    const isBar = data.image === null;
    return {
      ...middle,
      pair: [index, index],
      words: `${found.title}\ninput ${inputName(index, data.image)}: ${amountText(found.vector[index], 4)}`,
      shapes: mark([index]),
      next: (dx, dy) => {
        const next = { x: middle.x + dx * width, y: middle.y + dy * height };
        const isOut = away(found, next) > 0;
        const beside = isOut ? neighbour(pictures, found, dx, dy) : undefined;
        if (beside === undefined) return isBar && dx !== 0 ? middle : next;
        return { x: beside.left + beside.width / 2, y: beside.top + beside.height / 2 };
      },
    };
  }

  function mark([index]: readonly [number, ...number[]]): Shape[] {
    return pictures.flatMap((picture): Shape[] => {
      if (data.image === null && !picture.order.includes(index)) return [];
      return [{ name: 'rect', attributes: { ...placeOf(picture, index) } }];
    });
  }

  return { at, mark };
}

/** The picture that lies next in a direction, in the same row or column of pictures. */
function neighbour(pictures: readonly Picture[], from: Picture, dx: number, dy: number): Picture | undefined {
  const ahead = pictures.filter(({ left, top }) =>
    dx === 0 ? left === from.left && (top - from.top) * dy > 0 : top === from.top && (left - from.left) * dx > 0,
  );
  const distance = ({ left, top }: Picture) => Math.abs(left - from.left) + Math.abs(top - from.top);
  return ahead.sort((one, other) => distance(one) - distance(other))[0];
}

/** How far a place is from a picture; 0 inside. */
function away({ left, top, width, height }: Plot, { x, y }: Place): number {
  return Math.max(left - x, 0, x - left - width) + Math.max(top - y, 0, y - top - height);
}

function inputAt({ left, top, width, height, order }: Picture, { x, y }: Place): number {
  const [across, down] = [part((x - left) / width), part((y - top) / height)];
  const { image } = data;
  if (image === null) return order[Math.min(order.length - 1, Math.floor(down * data.bars))] ?? 0;
  const size = pictureSize(image);
  const place = Math.floor(across * size.width);
  const channel = Math.min(image.channels - 1, Math.floor(place / (image.width + 1)));
  // Between two channels lies a clear column.
  const column = Math.min(image.width - 1, place - channel * (image.width + 1));
  const row = Math.floor(down * size.height);
  return (channel * image.height + row) * image.width + column;
}

/** A number in [0, 1). */
const part = (number: number) => Math.min(1 - 1e-9, Math.max(0, number));

function placeOf(picture: Picture, index: number): { x: number; y: number; width: number; height: number } {
  const { left, top, width, height, order } = picture;
  const { image } = data;
  if (image === null) {
    const down = height / data.bars;
    return { x: left, y: top + Math.max(0, order.indexOf(index)) * down, width, height: down };
  }
  const size = pictureSize(image);
  const channel = Math.floor(index / (image.width * image.height));
  const [row, column] = [Math.floor(index / image.width) % image.height, index % image.width];
  const [across, down] = [width / size.width, height / size.height];
  const x = left + (channel * (image.width + 1) + column) * across;
  return { x, y: top + row * down, width: across, height: down };
}
