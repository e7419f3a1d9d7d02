import type { Locator, Page } from 'playwright-core';

type Box = NonNullable<Awaited<ReturnType<Locator['boundingBox']>>>;

/** A chart of the page with the geometry that its script goes by. */
export class ChartInPage {
  readonly #chart: Locator;
  readonly #page: Page;
  #plot: Box | undefined;

  constructor(page: Page, selector: string) {
    this.#page = page;
    this.#chart = page.locator(selector);
  }

  /** The plotting area in the window. Nothing moves in a page once it is laid out and the chart is in sight. */
  async #measure(): Promise<Box> {
    await this.#chart.scrollIntoViewIfNeeded();
    const box = (await this.#chart.boundingBox())!;
    const [left, top, width, height] = (await this.#chart.getAttribute('data-plot'))!.split(' ').map(Number);
    const [, , viewWidth] = (await this.#chart.locator('svg.marks').getAttribute('viewBox'))!.split(' ').map(Number);
    const zoom = box.width / viewWidth;
    return { x: box.x + left * zoom, y: box.y + top * zoom, width: width * zoom, height: height * zoom };
  }

  async #inWindow(across: number, down: number): Promise<{ x: number; y: number }> {
    this.#plot ??= await this.#measure();
    const { x, y, width, height } = this.#plot;
    return { x: x + across * width, y: y + down * height };
  }

  /** Moves the mouse to a place of the plotting area, in parts of its width and height. */
  async hover(across: number, down: number): Promise<void> {
    const { x, y } = await this.#inWindow(across, down);
    await this.#page.mouse.move(x, y);
  }

  async click(across: number, down: number): Promise<void> {
    const { x, y } = await this.#inWindow(across, down);
    await this.#page.mouse.click(x, y);
  }

  /** From one place to another with the button down. */
  async drag(from: readonly [number, number], to: readonly [number, number]): Promise<void> {
    await this.hover(...from);
    await this.#page.mouse.down();
    await this.hover((from[0] + to[0]) / 2, (from[1] + to[1]) / 2);
    await this.hover(...to);
    await this.#page.mouse.up();
  }

  async tap(across: number, down: number): Promise<void> {
    const { x, y } = await this.#inWindow(across, down);
    await this.#page.touchscreen.tap(x, y);
  }

  focus(): Promise<void> {
    return this.#chart.focus();
  }

  /** Names of the shapes drawn over the chart. */
  shapes(kind = 'cross'): Promise<string[]> {
    return this.#chart.locator(`.${kind}`).evaluateAll((shapes) => shapes.map((shape) => shape.tagName as string));
  }

  /** The middle of the last shape drawn (a cell, or the point of a curve), in parts of the plotting area. */
  async pointedAt(kind = 'cross'): Promise<{ across: number; down: number }> {
    const shape = (await this.#chart.locator(`.${kind}`).last().boundingBox())!;
    const [start, end] = [await this.#inWindow(0, 0), await this.#inWindow(1, 1)];
    return {
      across: (shape.x + shape.width / 2 - start.x) / (end.x - start.x),
      down: (shape.y + shape.height / 2 - start.y) / (end.y - start.y),
    };
  }

  /**
   * What is to be seen: the matrix, then the legend. A plain `href` goes before the one of XLink, which charts are
   * drawn with.
   */
  async images(): Promise<(string | null)[]> {
    const images = await this.#chart.locator('image').all();
    return Promise.all(
      images.map(async (image) => (await image.getAttribute('href')) ?? (await image.getAttribute('xlink:href'))),
    );
  }

  /** The labels of an enlarged part. */
  labels(): Promise<string[]> {
    return this.#chart.locator('g.enlarged text').allTextContents();
  }
}

/** The lines of the box, null while it is hidden. */
export async function tip(page: Page): Promise<string[] | null> {
  const box = page.locator('.tip');
  return (await box.isVisible()) ? (await box.textContent())!.split('\n') : null;
}

export const HEATMAP = '.wide.heatmap';
export const CURVE = '.wide.curve[data-curve="0"]';
export const OUTPUTS = '.wide.curve[data-curve="1"]';
