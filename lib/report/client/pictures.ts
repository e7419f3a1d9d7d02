import { amountText } from '../../words/numbers.js';
import { inputName, pictureSize, strongest } from '../explain/inputs.js';
import type { PicturesData } from '../explain/page_data.js';
import type { Place, Plot, Pointable, Pointed, Shape } from './pointed.js';
import { followPointer } from './pointer.js';
import { Overlay, plotOf } from './shapes.js';
import { Tip } from './tip.js';
import { bytesOf } from './values.js';
import { Views } from './views.js';

// The script of a page of pictures: it tells the entry that is pointed at, and marks the same input in all pictures.

const data: PicturesData = JSON.parse(document.getElementById('data')!.textContent!);
const tip = new Tip();
const views = new Views({ rows: 0, columns: 0, matrices: 0 });

interface Picture extends Plot {
  readonly title: string;
  readonly vector: Float64Array;
  /** Inputs in the order of bars, where they are no picture. */
  readonly order: readonly number[];
}

for (const chart of document.querySelectorAll<HTMLElement>('.chart.pictures')) {
  const pictures = picturesOf(chart);
  followPointer(chart, plotOf(chart), pointable(pictures), { tip, views, overlay: new Overlay(chart) });
}

function picturesOf({ dataset }: HTMLElement): Picture[] {
  const { titles, entries } = data.charts[Number(dataset.pictures)];
  const all = Float64Array.from(new Float32Array(bytesOf(entries).buffer));
  const size = all.length / titles.length;
  return (dataset.cells ?? '').split(',').map((place, i) => {
    const [left, top, width, height] = place.split(' ').map(Number);
    const vector = all.subarray(i * size, (i + 1) * size);
    return { left, top, width, height, title: titles[i], vector, order: strongest(vector, data.bars) };
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
