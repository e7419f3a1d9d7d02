import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';
import { matrixHtml } from '../../lib/report/html.js';
import { describeInBrowser } from '../support/pages.js';
import { matrixOf, symmetric } from './helpers.js';
import { ChartInPage, HEATMAP, tip } from './page_helpers.js';

const MANY = 2000;
/** Similar within blocks of ten, and the less so the further apart. */
const value = (i: number, j: number) =>
  Math.floor(i / 10) === Math.floor(j / 10) ? 0.99 : Math.exp((i - j) / 700) * 0.9;
const matrix = matrixOf(
  Array.from({ length: MANY }, (_, i) => `step_${i}`),
  symmetric(MANY, value),
);

interface TraceEvent {
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  /** Microseconds of the processor. */
  readonly tdur?: number;
  readonly args?: { readonly name?: string };
}

/**
 * Milliseconds that the main thread of the page computes without answering, at most, while something is done and until
 * all is drawn: of its two longest tasks together, one that is told of it and one that shows it. Other programs on this
 * machine do not count.
 */
async function longest(page: Page, act: () => Promise<unknown>): Promise<number> {
  const browser = page.context().browser()!;
  await browser.startTracing(page, { categories: ['toplevel', '__metadata'] });
  await act();
  await page.evaluate('new Promise((done) => requestAnimationFrame(() => setTimeout(done)))');
  await drawn(page);
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString()) as { traceEvents: TraceEvent[] };
  const threads = new Set(
    traceEvents.flatMap(({ name, args, pid, tid }) =>
      name === 'thread_name' && args?.name === 'CrRendererMain' ? [`${pid} ${tid}`] : [],
    ),
  );
  const tasks = traceEvents.filter(({ name, pid, tid }) => name.endsWith('RunTask') && threads.has(`${pid} ${tid}`));
  const times = tasks.map(({ tdur = 0 }) => tdur / 1000).sort((a, b) => b - a);
  expect(times.length).toBeGreaterThan(2);
  return times[0] + times[1];
}

/** The colour of the canvas at a place, in parts of its size. */
function colourAt(page: Page, across: number, down: number): Promise<number[]> {
  return page.evaluate<number[]>(`(() => {
    const canvas = document.querySelector('.wide .tiles');
    const [x, y] = [Math.floor(${across} * canvas.width), Math.floor(${down} * canvas.height)];
    const copy = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    copy.drawImage(canvas, -x, -y);
    return [...copy.getImageData(0, 0, 1, 1).data];
  })()`);
}

const drawn = (page: Page) => page.locator('.wide.heatmap.drawn:not(.drawing)').waitFor();

describeInBrowser('a page of 2,000 models', (open) => {
  it('stays small, and answers within 50 ms whatever is done', { timeout: 300_000 }, async () => {
    const html = await matrixHtml(matrix);
    expect(html.length).toBeLessThan(15_000_000);
    const page = await open(html);
    const chart = new ChartInPage(page, HEATMAP);
    await drawn(page);
    await chart.hover(0.5, 0.5);
    const spent: Record<string, number> = {};
    const measure = async (name: string, act: () => Promise<unknown>) => {
      spent[name] = await longest(page, act);
    };
    await measure('hover', () => chart.hover(0.3, 0.6));
    await measure('pin', () => chart.click(0.3, 0.6));
    await chart.focus();
    for (const key of ['+', '+', '+', '+', 'ArrowRight', '-', '0', 'Enter'])
      await measure(`${key} ${Object.keys(spent).length}`, () => page.keyboard.press(key));
    // To all models at once, whose tiles of averages are there already, and to a part whose tiles are not.
    for (const zoom of ['', 'zoom=900-1700,100-900', 'zoom=0-1000,1000-2000'])
      await measure(`#${zoom}`, () => page.evaluate(`location.hash = '${zoom}'`));
    await chart.hover(0.2, 0.2);
    await page.mouse.down();
    await measure('drag', () => chart.hover(0.8, 0.7));
    await measure('enlarge', () => page.mouse.up());
    for (const [name, milliseconds] of Object.entries(spent)) expect(milliseconds, name).toBeLessThan(50);
  });

  it('shows cells where they are, to the digits that are kept', { timeout: 300_000 }, async () => {
    const page = await open(await matrixHtml(matrix));
    const chart = new ChartInPage(page, HEATMAP);
    await drawn(page);
    for (const [row, column] of [
      [0, 0],
      [1999, 0],
      [1234, 567],
      [3, 1990],
    ]) {
      await chart.hover((column + 0.5) / MANY, (row + 0.5) / MANY);
      const [first, second, words] = (await tip(page))!;
      // A pixel has several models.
      const [i, j] = [first, second].map((name) => Number(name.replace('step_', '')));
      expect(Math.abs(i - row) + Math.abs(j - column)).toBeLessThan(12);
      expect(Number(words.replace('similarity ', ''))).toBeCloseTo(matrix.cosine[i][j], 3);
    }
    const whole = await colourAt(page, 0.9, 0.1);
    await page.evaluate(`location.hash = '#zoom=100-120,110-130'`);
    await page.locator('.wide.heatmap.part').waitFor();
    await drawn(page);
    // Blocks of ten: the first ten rows are none of the columns', the second ten are like the first ten columns.
    const [off, on] = [await colourAt(page, 0.25, 0.25), await colourAt(page, 0.25, 0.75)];
    expect(off).not.toEqual(on);
    expect(await colourAt(page, 0.45, 0.95)).toEqual(on);
    expect(await colourAt(page, 0.1, 0.1)).not.toEqual(whole);
  });
});
