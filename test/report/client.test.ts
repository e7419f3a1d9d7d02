import { describe, expect, it } from 'vitest';
import { compareHtml, matrixHtml } from '../../lib/report/html.js';
import { crossHtml, measuresHtml } from '../../lib/report/several.js';
import { compareMeasures } from '../../lib/similarity/series/measure_comparison.js';
import { similarityText } from '../../lib/words/numbers.js';
import { oneLine } from '../../lib/words/quoting.js';
import { describeInBrowser } from '../support/pages.js';
import { comparison, crossOf, golden, matrixOf, NASTY, SLICES, seriesOf, symmetric } from './helpers.js';
import { ChartInPage, CURVE, HEATMAP, OUTPUTS, tip } from './page_helpers.js';

const { NaN: nan } = Number;
describeInBrowser('the scripts of the page', (open) => {
  describe('a heatmap', () => {
    const labels = ['first', 'second', 'third', 'fourth'];
    const values = [
      [1, 0.9, 0.5, nan],
      [0, 1, 0.25, 0.999999],
      [0, 0, 1, 0.75],
      [0, 0, 0, nan],
    ];
    const cosine = symmetric(4, (i, j) => values[i][j]);
    cosine[3][3] = nan;
    const matrix = matrixOf(labels, cosine, {
      up: symmetric(4, () => 0.5),
      down: symmetric(4, (i, j) => (i + j) / 10),
    });

    it('tells of every cell under the mouse, from either side of the diagonal, and nothing beside the chart', async () => {
      const page = await open(await matrixHtml(matrix));
      const chart = new ChartInPage(page, HEATMAP);
      expect(await tip(page)).toBeNull();
      for (let row = 0; row < 4; row++) {
        for (let column = 0; column < 4; column++) {
          await chart.hover((column + 0.3) / 4, (row + 0.8) / 4);
          const value = cosine[row][column];
          const [first, second, words] = (await tip(page))!;
          expect([first, second]).toEqual([labels[row], labels[column]]);
          if (Number.isNaN(value)) expect(words).toBe('similarity undefined (zero output) or not compared');
          else expect(Number(words.replace('similarity ', ''))).toBeCloseTo(value, value > 0.999 ? 8 : 4);
          expect(await chart.shapes()).toEqual(['path', 'rect']);
          const { across, down } = await chart.pointedAt();
          expect([across, down]).toEqual([expect.closeTo((column + 0.5) / 4, 2), expect.closeTo((row + 0.5) / 4, 2)]);
        }
      }
      await page.mouse.move(2, 2);
      expect(await tip(page)).toBeNull();
      expect(await chart.shapes()).toEqual([]);
    });

    it('points at the nearest cell from its margins', async () => {
      const page = await open(await matrixHtml(matrix));
      const chart = new ChartInPage(page, HEATMAP);
      await chart.hover(1.01, -0.01);
      expect((await tip(page))!.slice(0, 2)).toEqual(['first', 'fourth']);
    });

    it('follows the arrow keys from where it was last, stops at its edges, and lets go at Escape', async () => {
      const page = await open(await matrixHtml(matrix));
      const chart = new ChartInPage(page, HEATMAP);
      const press = async (...keys: string[]) => {
        for (const key of keys) await page.keyboard.press(key);
        return (await tip(page))?.slice(0, 2) ?? null;
      };
      // The list of what the heatmap shows and its buttons come first.
      expect(await press('Tab', 'Tab', 'Tab', 'Tab', 'Tab')).toBeNull();
      expect(await press('Tab')).toEqual(['first', 'first']);
      expect(await press('ArrowRight', 'ArrowDown')).toEqual(['second', 'second']);
      expect(await press('ArrowRight', 'ArrowRight', 'ArrowRight', 'ArrowUp', 'ArrowUp')).toEqual(['first', 'fourth']);
      expect(await press('ArrowLeft')).toEqual(['first', 'third']);
      expect(await press('a')).toEqual(['first', 'third']);
      expect(await press('Escape')).toBeNull();
      expect(await chart.shapes()).toEqual([]);
      expect(await press('ArrowDown')).toEqual(['second', 'third']);
      // The next chart takes over; back in this one, its place is kept.
      await new ChartInPage(page, CURVE).focus();
      expect((await tip(page))!.slice(0, 2)).toEqual(['first → second', 'similarity 0.9000']);
      expect(await chart.shapes()).toEqual(['path', 'rect']);
      expect((await chart.pointedAt()).across).toBeCloseTo(1.5 / 4, 2);
      await chart.focus();
      expect((await tip(page))!.slice(0, 2)).toEqual(['second', 'third']);
    });

    it('keeps the page still under the arrow keys, and leaves other keys to the browser', async () => {
      const page = await open(await matrixHtml(matrix), { viewport: { width: 1300, height: 300 } });
      await new ChartInPage(page, HEATMAP).focus();
      const scrolled = () => page.evaluate<number>('scrollY');
      const before = await scrolled();
      for (let i = 0; i < 4; i++) await page.keyboard.press('ArrowDown');
      expect(await scrolled()).toBe(before);
      await page.keyboard.press('End');
      await expect.poll(scrolled).toBeGreaterThan(before);
    });

    it('shows what is chosen: image, values, and the legend as it was', async () => {
      const page = await open(await matrixHtml(matrix));
      const [wide, narrow] = [HEATMAP, '.narrow.heatmap'].map((selector) => new ChartInPage(page, selector));
      const before = await wide.images();
      expect(before).toHaveLength(2);
      const chooser = page.getByLabel('What the heatmap shows');
      expect(await chooser.locator('option').allTextContents()).toEqual(['all outputs', 'output up', 'output down']);
      const images = new Set([before[0]]);
      for (const [choice, value] of [
        ['output up', '0.5000'],
        ['output down', '0.3000'],
      ]) {
        await chooser.selectOption(choice);
        images.add((await wide.images())[0]);
        expect((await narrow.images())[0]).toBe((await wide.images())[0]);
        await wide.hover(2.5 / 4, 1.5 / 4);
        expect((await tip(page))![2]).toBe(`similarity ${value}`);
      }
      expect(images.size).toBe(3);
      await chooser.selectOption('all outputs');
      expect(await wide.images()).toEqual(before);
      await wide.hover(2.5 / 4, 1.5 / 4);
      expect((await tip(page))![2]).toBe('similarity 0.2500');
    });

    it('of rows against columns names both, and keeps all cells', async () => {
      const cross = crossOf(['r0', 'r1', 'r2'], ['c0', 'c1', 'c2', 'c3', 'c4']);
      const page = await open(await crossHtml(cross));
      const chart = new ChartInPage(page, HEATMAP);
      for (const [row, column] of [
        [0, 0],
        [2, 0],
        [0, 4],
        [1, 2],
        [2, 4],
      ]) {
        await chart.hover((column + 0.5) / 5, (row + 0.5) / 3);
        const value = cross.cosine[row][column];
        const words = Number.isNaN(value) ? 'undefined (zero output) or not compared' : similarityText(value);
        expect(await tip(page)).toEqual([`r${row}`, `c${column}`, `similarity ${words}`]);
      }
    });

    it('of one measure among several shows its own', async () => {
      const [functions, weights] = [golden('digits-backdoor'), golden('digits-backdoor', 'weights')];
      const measures = compareMeasures([functions, { ...weights, measure: 'weights', input: null }]);
      const page = await open(await measuresHtml(measures));
      for (const [index, { labels: names, cosine: cells }] of measures.matrices.entries()) {
        await new ChartInPage(page, `.wide[data-matrix="${index}"]`).hover(20.5 / 41, 3.5 / 41);
        const [row, column, words] = (await tip(page))!;
        expect([row, column]).toEqual([names[3], names[20]]);
        expect(Number(words.replace('similarity ', ''))).toBeCloseTo(cells[3][20], 3);
      }
    });
  });

  describe('a curve', () => {
    it('tells of the step nearest to the mouse', async () => {
      const page = await open(await matrixHtml(seriesOf([0.9, 0.5, nan, 0.999])));
      const chart = new ChartInPage(page, CURVE);
      const found = [];
      for (let step = 0; step < 4; step++) {
        await chart.hover((step + 1) / 5, 0.1);
        found.push(await tip(page));
        expect(await chart.shapes()).toEqual(step === 2 ? ['path'] : ['path', 'circle']);
        if (step !== 2) expect((await chart.pointedAt()).across).toBeCloseTo((step + 1) / 5, 2);
      }
      expect(found).toEqual([
        ['step_00000 → step_00100', 'similarity 0.9000', 'change 0.1'],
        ['step_00100 → step_00200', 'similarity 0.5000', 'change 0.5'],
        ['step_00200 → step_00300', 'similarity undefined (zero output) or not compared'],
        ['step_00300 → step_00400', 'similarity 0.9990', 'change 0.001'],
      ]);
    });

    it('lies under its points', async () => {
      const page = await open(await matrixHtml(seriesOf([0.9, 0.5, 0.99, 0.999])));
      const chart = new ChartInPage(page, CURVE);
      const heights = [];
      for (let step = 0; step < 4; step++) {
        await chart.hover((step + 1) / 5, 0.5);
        heights.push((await chart.pointedAt()).down);
      }
      // One decade of change is as high as the next; the axis goes from 0.001 / 1.25 to 0.5 · 1.25.
      const down = (change: number) => 1 - Math.log((1.25 * change) / 0.001) / Math.log((0.5 * 1.25 ** 2) / 0.001);
      expect(heights).toEqual([0.1, 0.5, 0.01, 0.001].map((change) => expect.closeTo(down(change), 2)));
    });

    it('of several series finds the nearest, by mouse and by keys', async () => {
      const outputs = { a: [0.9, 0.99], b: [0.5, 0.5], c: [0.99, nan] };
      const page = await open(await matrixHtml(seriesOf([0.8, 0.8], outputs)));
      const chart = new ChartInPage(page, OUTPUTS);
      const series = async () => (await tip(page))![1];
      await chart.hover(1 / 3, 0);
      expect(await series()).toBe('output b: similarity 0.5000');
      await chart.hover(1 / 3, 1);
      expect(await series()).toBe('output c: similarity 0.9900');
      await chart.focus();
      const press = async (key: string) => {
        await page.keyboard.press(key);
        return await series();
      };
      expect(await press('ArrowUp')).toBe('output a: similarity 0.9000');
      expect(await press('ArrowUp')).toBe('output b: similarity 0.5000');
      expect(await press('ArrowUp')).toBe('output b: similarity 0.5000');
      expect(await press('ArrowRight')).toBe('output b: similarity 0.5000');
      expect((await tip(page))![0]).toBe('step_00100 → step_00200');
      expect(await press('ArrowDown')).toBe('output a: similarity 0.9900');
      expect(await press('ArrowDown')).toBe('output a: similarity 0.9900');
    });
  });

  it('keeps the box within the window', async () => {
    const long = Array.from({ length: 12 }, (_, i) => `${i}`.repeat(60));
    const page = await open(
      await matrixHtml(
        matrixOf(
          long,
          symmetric(12, () => 0.5),
        ),
      ),
      {
        viewport: { width: 400, height: 420 },
      },
    );
    const chart = new ChartInPage(page, '.narrow.heatmap');
    for (const [across, down] of [
      [0.01, 0.01],
      [0.99, 0.01],
      [0.01, 0.99],
      [0.99, 0.99],
    ]) {
      await chart.hover(across, down);
      const box = (await page.locator('.tip').boundingBox())!;
      expect(Math.min(box.x, box.y)).toBeGreaterThanOrEqual(0);
      expect(box.x + box.width).toBeLessThanOrEqual(400);
    }
  });

  it('points by touch on a phone, whose charts are the narrow ones', async () => {
    const matrix = matrixOf(
      ['a', 'b', 'c'],
      symmetric(3, () => 0.5),
    );
    const page = await open(await matrixHtml(matrix), {
      viewport: { width: 390, height: 800 },
      hasTouch: true,
      isMobile: true,
    });
    expect(await page.locator(HEATMAP).isVisible()).toBe(false);
    await new ChartInPage(page, '.narrow.heatmap').tap(2.5 / 3, 0.5 / 3);
    expect(await page.locator('.tip').textContent()).toBe('a\nc\nsimilarity 0.5000');
  });

  it('takes labels for what they are', async () => {
    const outputs = Object.fromEntries(NASTY.map((name) => [name, symmetric(NASTY.length, () => 0.5)]));
    const page = await open(
      await matrixHtml(
        matrixOf(
          NASTY,
          symmetric(NASTY.length, () => 0.5),
          outputs,
        ),
      ),
    );
    const size = NASTY.length;
    for (const row of NASTY.keys()) {
      await new ChartInPage(page, HEATMAP).hover(0.5 / size, (row + 0.5) / size);
      expect(await page.locator('.tip').textContent()).toBe(
        `${oneLine(NASTY[row])}\n${NASTY[0]}\nsimilarity ${row === 0 ? '1' : '0.5000'}`,
      );
    }
  });

  it('has nothing to complain of where a page has no script, no curve or many models', async () => {
    await open(await compareHtml(comparison({ a: NASTY[0], perOutput: SLICES })));
    await open(await matrixHtml(seriesOf([])));
    const page = await open(await matrixHtml(golden('digits-backdoor')));
    await new ChartInPage(page, HEATMAP).hover(0.5, 0.5);
    expect(await tip(page)).not.toBeNull();
  });
});
