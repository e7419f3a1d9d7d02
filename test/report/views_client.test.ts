import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { matrixHtml } from '../../lib/report/html.js';
import { crossHtml, measuresHtml } from '../../lib/report/several.js';
import { compareMeasures } from '../../lib/similarity/series/measure_comparison.js';
import { describeInBrowser } from '../support/pages.js';
import { crossOf, golden, matrixOf, NASTY, seriesOf, symmetric } from './helpers.js';
import { ChartInPage, CURVE, HEATMAP, tip } from './page_helpers.js';

const hash = (page: Page) => page.evaluate<string>('location.hash');
const pinned = (page: Page) => page.locator('.pin-line .pair').allTextContents();
const labels = Array.from({ length: 10 }, (_, i) => `m${i}`);
const ten = matrixOf(
  labels,
  symmetric(10, (i, j) => 1 - (j - i) / 20),
);

describeInBrowser('the views of a page', (open) => {
  describe('a part of a heatmap', () => {
    it('is enlarged by dragging, has its own labels and cells, and shows all again', async () => {
      const page = await open(await matrixHtml(ten));
      const chart = new ChartInPage(page, HEATMAP);
      await chart.drag([0.25, 0.35], [0.65, 0.75]);
      expect(await hash(page)).toBe('#zoom=3-8,2-7');
      expect(await pinned(page)).toEqual([]);
      expect(await chart.labels()).toEqual(['3', '4', '5', '6', '7', '2', '3', '4', '5', '6']);
      await chart.hover(0.01, 0.99);
      expect(await tip(page)).toEqual(['m7', 'm2', 'similarity 0.7500']);
      const { across, down } = await chart.pointedAt();
      expect([across, down]).toEqual([expect.closeTo(0.1, 2), expect.closeTo(0.9, 2)]);
      await page.getByRole('button', { name: 'Show all models' }).first().click();
      expect(await hash(page)).toBe('');
      expect(await chart.labels()).toEqual([]);
      await chart.hover(0.01, 0.99);
      expect((await tip(page))!.slice(0, 2)).toEqual(['m9', 'm0']);
    });

    it('is enlarged and moved by keys, around the cell that is pointed at', async () => {
      const page = await open(await matrixHtml(ten));
      const chart = new ChartInPage(page, HEATMAP);
      await chart.focus();
      for (const key of ['ArrowRight', 'ArrowRight', 'ArrowRight', 'ArrowDown', '+']) await page.keyboard.press(key);
      expect(await hash(page)).toBe('#zoom=1-6,2-7');
      expect((await tip(page))!.slice(0, 2)).toEqual(['m1', 'm3']);
      for (let i = 0; i < 5; i++) await page.keyboard.press('ArrowRight');
      expect((await tip(page))!.slice(0, 2)).toEqual(['m1', 'm8']);
      expect(await hash(page)).toBe('#zoom=1-6,4-9');
      await page.keyboard.press('-');
      expect(await hash(page)).toBe('');
      await page.keyboard.press('+');
      await page.keyboard.press('0');
      expect(await hash(page)).toBe('');
    });

    it('is the same in the curve, and dragging there enlarges both', async () => {
      const page = await open(await matrixHtml(seriesOf([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2])));
      const curve = new ChartInPage(page, CURVE);
      await curve.drag([2.5 / 9, 0.5], [5.5 / 9, 0.6]);
      expect(await hash(page)).toBe('#zoom=2-6,2-6');
      expect(await curve.labels()).toEqual(['200', '300', '400', '500']);
      await curve.hover(0.01, 0.5);
      expect(await tip(page)).toEqual(['step_00200 → step_00300', 'similarity 0.7000', 'change 0.3']);
      expect((await curve.pointedAt()).across).toBeCloseTo(1 / 4, 2);
      await curve.hover(0.99, 0.5);
      expect((await tip(page))![0]).toBe('step_00400 → step_00500');
      await new ChartInPage(page, HEATMAP).hover(0.01, 0.01);
      expect((await tip(page))!.slice(0, 2)).toEqual(['step_00200', 'step_00200']);
    });
  });

  describe('cells', () => {
    const outputs = { up: symmetric(10, (i, j) => 1 - (j - i) / 40), down: symmetric(10, (i, j) => 1 - (j - i) / 10) };

    it('are pinned by a click, compared in every matrix with the worst on top, and let go', async () => {
      const page = await open(await matrixHtml(matrixOf(labels, ten.cosine, outputs)));
      const chart = new ChartInPage(page, HEATMAP);
      await chart.click(0.45, 0.05);
      await chart.click(0.95, 0.05);
      expect(await pinned(page)).toEqual(['m0 and m4', 'm0 and m9']);
      expect(await chart.shapes('pin')).toEqual(['rect', 'rect']);
      const rows = page.locator('#pins tbody tr');
      expect(await rows.allTextContents()).toEqual([
        'all outputs0.80000.5500',
        'output down0.60000.1000',
        'output up0.90000.7750',
      ]);
      expect(await page.locator('#pins td.most').allTextContents()).toEqual(['0.6000', '0.1000']);
      expect(await page.locator('#pins .note').textContent()).toBe('Against #1 in all outputs: #2: −0.25');
      await page.getByLabel('What the heatmap shows').selectOption('output up');
      expect(await page.locator('#pins .note').textContent()).toBe('Against #1 in output up: #2: −0.125');
      expect(await hash(page)).toBe('#view=1&pins=0-4,0-9');
      await page.getByRole('button', { name: 'Unpin #1' }).click();
      expect(await pinned(page)).toEqual(['m0 and m9']);
      await chart.click(0.95, 0.05);
      expect(await page.locator('#pins').isVisible()).toBe(false);
      expect(await chart.shapes('pin')).toEqual([]);
    });

    it('are pinned by keys, from a curve too', async () => {
      const page = await open(await matrixHtml(seriesOf([0.9, 0.5, 0.7])));
      await new ChartInPage(page, CURVE).focus();
      await page.keyboard.press('ArrowRight');
      await page.keyboard.press('Enter');
      expect(await pinned(page)).toEqual(['step_00100 and step_00200']);
      expect(await new ChartInPage(page, HEATMAP).shapes('pin')).toEqual(['rect']);
      await page.keyboard.press(' ');
      expect(await pinned(page)).toEqual([]);
    });
  });

  it('point together: a cell is marked in all heatmaps, and its models in the curve', async () => {
    const [functions, weights] = [golden('digits-backdoor'), golden('digits-backdoor', 'weights')];
    const measures = compareMeasures([functions, { ...weights, measure: 'weights', input: null }]);
    const page = await open(await measuresHtml(measures), { viewport: { width: 1300, height: 1500 } });
    const [one, other] = [0, 1].map((index) => new ChartInPage(page, `.wide[data-matrix="${index}"]`));
    await one.hover(20.5 / 41, 3.5 / 41);
    expect(await other.shapes()).toEqual(['path', 'rect']);
    const { across, down } = await other.pointedAt();
    expect([across, down]).toEqual([expect.closeTo(20.5 / 41, 2), expect.closeTo(3.5 / 41, 2)]);
    const curve = new ChartInPage(page, CURVE);
    expect(await curve.shapes()).toEqual(['path', 'path']);
    expect((await curve.pointedAt()).across).toBeCloseTo(20.5 / 41, 2);
    await curve.hover(8 / 41, 0.5);
    expect((await one.pointedAt()).across).toBeCloseTo(8.5 / 41, 2);
    expect((await other.pointedAt()).down).toBeCloseTo(7.5 / 41, 2);
    await page.mouse.move(2, 2);
    for (const chart of [one, other, curve]) expect(await chart.shapes()).toEqual([]);
  });

  describe('the address', () => {
    it('restores what is shown, enlarged and pinned, also when it changes', async () => {
      const cosine = symmetric(10, () => 0.5);
      const page = await open(
        await matrixHtml(matrixOf(labels, ten.cosine, { a: cosine })),
        {},
        '#view=1&zoom=1-6,2-7&pins=3-4,9-9',
      );
      const chart = new ChartInPage(page, HEATMAP);
      expect(await page.getByLabel('What the heatmap shows').inputValue()).toBe('output a');
      expect(await pinned(page)).toEqual(['m3 and m4', 'm9 and m9']);
      // The second pin is out of sight.
      expect(await chart.shapes('pin')).toEqual(['rect']);
      expect((await chart.pointedAt('pin')).across).toBeCloseTo(0.5, 2);
      await chart.hover(0.01, 0.01);
      expect(await tip(page)).toEqual(['m1', 'm2', 'similarity 0.5000']);
      await page.evaluate(`location.hash = '#pins=0-1'`);
      await expect.poll(() => pinned(page)).toEqual(['m0 and m1']);
      expect(await chart.labels()).toEqual([]);
      expect(await page.getByLabel('What the heatmap shows').inputValue()).toBe('all outputs');
    });

    it('does no harm whatever it says', async () => {
      const page = await open(
        await matrixHtml(ten),
        {},
        '#view=99999999999&zoom=9-3,-1-1e9&pins=10-0,a-b,0-10,1-1,<script>-1,1-2-3&%00=%ff',
      );
      expect(await pinned(page)).toEqual(['m1 and m1']);
      await new ChartInPage(page, HEATMAP).hover(0.01, 0.01);
      expect((await tip(page))!.slice(0, 2)).toEqual(['m0', 'm0']);
    });
  });

  it('take labels for what they are', async () => {
    const page = await open(await crossHtml(crossOf(NASTY, NASTY)), {}, '#zoom=0-3,0-3&pins=0-1,1-2');
    expect(await pinned(page)).toEqual([`${NASTY[0]} and ${NASTY[1]}`, `${NASTY[1]} and ${NASTY[2]}`]);
  });
});
