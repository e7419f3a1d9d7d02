import { expect, it } from 'vitest';
import { matrixHtml } from '../../lib/report/html.js';
import { measuresHtml } from '../../lib/report/several.js';
import { compareMeasures } from '../../lib/similarity/series/measure_comparison.js';
import { describeInBrowser } from '../support/pages.js';
import { matrixOf } from './helpers.js';
import { ChartInPage, HEATMAP, tip } from './page_helpers.js';

// Three kinds of models, mixed as the alphabet has them.
const kinds = { a: 0, b: 1.2, c: 0, d: 2.4, e: 1.2, f: 2.4, g: 0 };
const labels = Object.keys(kinds);
const places = Object.values(kinds).map((place, i) => place + 0.04 * i);
const cosine = places.map((one) => Float64Array.from(places, (other) => Math.cos(one - other)));
const set = matrixOf(labels, cosine, { up: cosine }, { order: { by: 'none' } });

describeInBrowser('a page of a set', (open) => {
  it('puts the models that are alike next to each other, and tells of no changes', async () => {
    const page = await open(await matrixHtml(set));
    expect(await page.locator('h1').textContent()).toBe('3 groups among 7 models');
    expect(await page.locator('.curve').count()).toBe(0);
    expect(await page.locator('body').textContent()).not.toContain('Change from one model to the next');
    const rows = page.locator('section', { hasText: 'As they are framed' }).locator('tbody tr');
    expect(await rows.allTextContents()).toEqual([
      `13${Math.cos(0.24).toFixed(4)}a, c, g`,
      `22${Math.cos(0.12).toFixed(4)}b, e`,
      `32${Math.cos(0.08).toFixed(4)}d, f`,
    ]);
    expect(await page.locator('.wide.heatmap .frame').count()).toBe(3);
  });

  it('has the cells, the outputs and the tree in the same order', async () => {
    const page = await open(await matrixHtml(set), {}, '#view=1');
    const chart = new ChartInPage(page, HEATMAP);
    await chart.hover(4.5 / 7, 1.5 / 7);
    expect((await tip(page))!.slice(0, 2)).toEqual(['c', 'e']);
    expect(Number((await tip(page))![2].replace('similarity ', ''))).toBeCloseTo(cosine[2][4], 3);
    const tree = page.locator('.wide.tree');
    const boxes = [
      await tree.locator('.series').first().boundingBox(),
      await page.locator('.wide.heatmap').boundingBox(),
    ];
    const [left, , width] = (await page.locator(HEATMAP).getAttribute('data-plot'))!.split(' ').map(Number);
    const zoom = boxes[1]!.width / 572;
    // From the middle of the first model to that of the last, to a few pixels: a model has many.
    expect(boxes[0]!.x).toBeCloseTo(boxes[1]!.x + (left + width / 14) * zoom, -1);
    expect(boxes[0]!.width).toBeCloseTo((width * 6 * zoom) / 7, -1);
  });

  it('of several measures has all heatmaps in the order of the first', async () => {
    const weights = cosine.map((row) => row.map((value) => value / 2 + 0.5));
    const other = { ...set, cosine: weights, measure: 'weights' as const, input: null };
    const page = await open(await measuresHtml(compareMeasures([set, other])), {
      viewport: { width: 1300, height: 1500 },
    });
    expect(await page.locator('header').textContent()).toContain('alike by gaussian stand next to each other');
    expect(await page.locator('.curve').count()).toBe(0);
    const second = '.wide.heatmap[data-matrix="1"]';
    expect(await page.locator(`${second} .frame`).count()).toBe(3);
    await new ChartInPage(page, second).hover(4.5 / 7, 1.5 / 7);
    const found = (await tip(page))!;
    expect(found.slice(0, 2)).toEqual(['c', 'e']);
    expect(Number(found[2].replace('similarity ', ''))).toBeCloseTo(weights[2][4], 3);
    // Who names a block has an order in mind.
    const blocks = await open(await measuresHtml(compareMeasures([set, other], 3)));
    await new ChartInPage(blocks, second).hover(4.5 / 7, 1.5 / 7);
    expect((await tip(blocks))!.slice(0, 2)).toEqual(['b', 'e']);
  });

  it('says so where there are no groups, and stays a plain heatmap of two models', async () => {
    const even = Array.from({ length: 6 }, (_, i) => Float64Array.from({ length: 6 }, (__, j) => (i === j ? 1 : 0.5)));
    const order = { by: 'none' } as const;
    const page = await open(await matrixHtml(matrixOf([...'abcdef'], even, undefined, { order })));
    expect(await page.locator('h1').textContent()).toBe('6 models, no clear groups');
    const two = [Float64Array.of(1, 0.5), Float64Array.of(0.5, 1)];
    const other = await open(await matrixHtml(matrixOf(['a', 'b'], two, undefined, { order })));
    expect(await other.locator('.tree').count()).toBe(0);
  });
});
