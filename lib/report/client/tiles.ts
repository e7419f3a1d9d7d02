import type { Plot } from './pointed.js';
import { svgOf } from './shapes.js';
import { bytesOf, type Cells, type ShownCells } from './values.js';
import type { Views } from './views.js';

/** Pixels a side of a tile. */
const TILE = 128;
/** Tiles that are kept. */
const MOST_TILES = 512;
/** Milliseconds of drawing before the page answers again. */
const TURN = 4;
/** Pixels of a canvas per pixel of the page, at most. */
const SHARPEST = 2;

/**
 * Draws a heatmap of many models on a canvas below the picture of the chart: tiles of one level of averages over 1, 2,
 * 4 … cells a side, those in sight, some at a time. Until they are there the preview of the page is to be seen, or what
 * was there before.
 */
export class TiledHeatmap {
  readonly #canvas = document.createElement('canvas');
  readonly #chart: HTMLElement;
  readonly #plot: Plot;
  readonly #views: Views;
  readonly #shown: ShownCells;
  readonly #colours: Uint32Array;
  /** By matrix, level and place; the last ones used are the last. */
  readonly #tiles = new Map<string, HTMLCanvasElement>();
  readonly #numbers = new Map<Cells, number>();
  #frame = 0;

  constructor(chart: HTMLElement, plot: Plot, views: Views, shown: ShownCells, palette: string) {
    this.#chart = chart;
    this.#plot = plot;
    this.#views = views;
    this.#shown = shown;
    this.#colours = coloursOf(palette);
    const { width, height } = svgOf(chart).viewBox.baseVal;
    const { style } = this.#canvas;
    this.#canvas.className = 'tiles';
    style.left = `${(100 * plot.left) / width}%`;
    style.top = `${(100 * plot.top) / height}%`;
    style.width = `${(100 * plot.width) / width}%`;
    style.height = `${(100 * plot.height) / height}%`;
    chart.prepend(this.#canvas);
    chart.classList.add('tiled');
    views.onChange(() => this.draw());
    new ResizeObserver(() => this.draw()).observe(chart);
  }

  /** Draws what is in sight, at once or in turns. */
  draw(): void {
    if (this.#frame === 0) this.#frame = requestAnimationFrame(() => this.#turn());
  }

  #turn(): void {
    this.#frame = 0;
    const zoom = this.#chart.clientWidth / svgOf(this.#chart).viewBox.baseVal.width;
    if (zoom === 0) return;
    const sharpness = Math.min(SHARPEST, devicePixelRatio) * zoom;
    const { width, height } = this.#plot;
    const [across, down] = [Math.round(width * sharpness), Math.round(height * sharpness)];
    if (this.#canvas.width !== across) this.#canvas.width = across;
    if (this.#canvas.height !== down) this.#canvas.height = down;
    const context = this.#canvas.getContext('2d')!;
    const { rows, columns } = this.#views.region;
    const scale = { x: across / (columns[1] - columns[0]), y: down / (rows[1] - rows[0]) };
    const level = Math.max(0, Math.floor(Math.log2(1 / Math.max(scale.x, scale.y))));
    const size = TILE * 2 ** level;
    const cells = this.#shown();
    const end = performance.now() + TURN;
    const drawn: (() => void)[] = [];
    let isWhole = true;
    for (let top = Math.floor(rows[0] / size) * size; top < rows[1]; top += size) {
      for (let left = Math.floor(columns[0] / size) * size; left < columns[1]; left += size) {
        const tile = this.#tile(cells, level, top, left, performance.now() < end);
        if (tile === undefined) isWhole = false;
        else {
          const [x, y] = [(left - columns[0]) * scale.x, (top - rows[0]) * scale.y];
          const [wide, high] = [tile.width * 2 ** level * scale.x, tile.height * 2 ** level * scale.y];
          drawn.push(() => context.drawImage(tile, x, y, wide, high));
        }
      }
    }
    context.imageSmoothingEnabled = scale.x < 1;
    context.clearRect(0, 0, across, down);
    for (const draw of drawn) draw();
    this.#chart.classList.toggle('drawing', !isWhole);
    if (isWhole) this.#chart.classList.add('drawn');
    else this.draw();
  }

  /** A tile that is kept, or one made now; nothing where there is no time for it. */
  #tile(cells: Cells, level: number, top: number, left: number, mayTakeTime: boolean): HTMLCanvasElement | undefined {
    if (!this.#numbers.has(cells)) this.#numbers.set(cells, this.#numbers.size);
    const key = [this.#numbers.get(cells), level, top, left].join(' ');
    const kept = this.#tiles.get(key);
    if (kept === undefined && !mayTakeTime) return;
    const tile = kept ?? this.#made(cells, 2 ** level, top, left);
    this.#tiles.delete(key);
    this.#tiles.set(key, tile);
    if (this.#tiles.size > MOST_TILES) this.#tiles.delete(this.#tiles.keys().next().value!);
    return tile;
  }

  #made(cells: Cells, block: number, top: number, left: number): HTMLCanvasElement {
    const tile = document.createElement('canvas');
    tile.width = Math.min(TILE, Math.ceil((cells.columns - left) / block));
    tile.height = Math.min(TILE, Math.ceil((cells.rows - top) / block));
    const context = tile.getContext('2d')!;
    const image = context.createImageData(tile.width, tile.height);
    const pixels = new Uint32Array(image.data.buffer);
    for (let y = 0; y < tile.height; y++) {
      for (let x = 0; x < tile.width; x++) {
        const position = meanPosition(cells, block, top + y * block, left + x * block);
        if (!Number.isNaN(position))
          pixels[y * tile.width + x] = this.#colours[Math.round(position * (this.#colours.length - 1))];
      }
    }
    context.putImageData(image, 0, 0);
    return tile;
  }
}

/** Where the mean angle of a block of cells lies on the scale of colours; NaN where none is defined. */
function meanPosition(cells: Cells, block: number, top: number, left: number): number {
  let [sum, count] = [0, 0];
  const [bottom, right] = [Math.min(top + block, cells.rows), Math.min(left + block, cells.columns)];
  for (let i = top; i < bottom; i++) {
    for (let j = left; j < right; j++) {
      const position = cells.position(i, j);
      if (Number.isNaN(position)) continue;
      sum += position;
      count++;
    }
  }
  return count === 0 ? Number.NaN : sum / count;
}

/** Colours as an image has them on a machine that is little-endian: red in the lowest byte. */
function coloursOf(palette: string): Uint32Array {
  const bytes = bytesOf(palette);
  return Uint32Array.from({ length: bytes.length / 3 }, (_, i) => {
    const [red, green, blue] = bytes.subarray(3 * i, 3 * i + 3);
    return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
  });
}
