import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';
import { explanationHtml } from '../../lib/report/explain/page.js';
import { describeInBrowser } from '../support/pages.js';
import { formsOf } from './explain_fixture.js';
import { checkXml } from './helpers.js';
import { tip } from './page_helpers.js';

const image = { channels: 1, height: 2, width: 3 };
const DIRECTIONS = '.wide.pictures[data-pictures="1"]';

/** Moves the mouse to a place of a picture of a chart, in parts of its size. */
async function hover(page: Page, selector: string, picture: number, across: number, down: number): Promise<void> {
  const chart = page.locator(selector);
  await chart.scrollIntoViewIfNeeded();
  const box = (await chart.boundingBox())!;
  const zoom = box.width / Number((await chart.locator('svg.marks').getAttribute('viewBox'))!.split(' ')[2]);
  const [x, y, width, height] = (await chart.getAttribute('data-cells'))!.split(',')[picture].split(' ').map(Number);
  await page.mouse.move(box.x + (x + across * width) * zoom, box.y + (y + down * height) * zoom);
}

describeInBrowser('the pictures of an explanation', (open) => {
  it('tell the entry that is pointed at, and mark the same input in all of them', async () => {
    const page = await open(await explanationHtml(formsOf(), image));
    // All outputs, then two directions of output 1 and its linear part: 4 pictures.
    await hover(page, DIRECTIONS, 1, 0.9, 0.9);
    expect(await tip(page)).toEqual(['output 1, 1: −4, 75 %', 'input (1, 2): 0.8']);
    await hover(page, DIRECTIONS, 1, 0.9, 0.1);
    expect(await tip(page)).toEqual(['output 1, 1: −4, 75 %', 'input (0, 2): -0.6']);
    const marked = (selector: string) => page.locator(`${selector} .cross`).count();
    expect(await marked(DIRECTIONS)).toBe(4);
    expect(await marked('.wide.pictures[data-pictures="0"]')).toBe(3);
    await page.mouse.move(2, 2);
    expect(await marked(DIRECTIONS)).toBe(0);
  });

  it('are gone through by keys, pixel by pixel and from one to the next', async () => {
    const page = await open(await explanationHtml(formsOf(), image));
    await page.locator(DIRECTIONS).focus();
    expect(await tip(page)).toEqual(['all outputs, 1: 80 %', 'input (0, 0): 0']);
    const press = async (key: string) => {
      await page.keyboard.press(key);
      return await tip(page);
    };
    expect(await press('ArrowRight')).toEqual(['all outputs, 1: 80 %', 'input (0, 1): 0']);
    expect((await press('ArrowDown'))![1]).toBe('input (1, 1): 0');
    expect((await press('ArrowDown'))![0]).toBe('output 1, 1: −4, 75 %');
    expect(await press('0')).toEqual(await press('+'));
    expect(await page.evaluate('location.hash')).toBe('');
    expect((await press('Enter'))![0]).toBe('output 1, 1: −4, 75 %');
    expect(await page.evaluate('location.hash')).toBe('#pins=1-1');
  });

  it('keep the inputs that are pinned in the address, which restores them', async () => {
    const page = await open(await explanationHtml(formsOf(), image), {}, '#pins=5-5,2-2,6-6&view=3');
    const pins = page.locator('#pins');
    const rows = () => pins.locator('tbody tr').allTextContents();
    expect(await pins.locator('thead').textContent()).toBe('input(1, 2)(0, 2)');
    expect(await rows()).toEqual([
      'output 10.8-0.6',
      'all outputs0.8-0.6',
      'each input0.640.36',
      'all outputs, 1: 80 %0.8-0.6',
      'output 1, 1: −4, 75 %0.8-0.6',
      'output 1, 2: +2, 25 %00',
      'output 1, 3: linear, 20 %00',
      'unpinUnpinUnpin',
    ]);
    expect(await page.locator(`${DIRECTIONS} .pin`).count()).toBe(8);
    await pins.getByRole('button', { name: 'Unpin input (1, 2)' }).click();
    expect(await page.evaluate('location.hash')).toBe('#pins=2-2');
    expect(await page.locator(`${DIRECTIONS} .pin`).count()).toBe(4);
    await pins.getByRole('button', { name: 'Unpin all' }).click();
    expect(await pins.isVisible()).toBe(false);
  });

  it('are downloaded, with all entries', async () => {
    const page = await open(await explanationHtml(formsOf(), image));
    const tools = page.getByRole('group', { name: 'View of Directions of the difference' });
    await tools.locator('summary').click();
    const download = async (format: string) => {
      const [file] = await Promise.all([
        page.waitForEvent('download'),
        tools.getByRole('button', { name: `Download ${format}` }).click(),
      ]);
      return readFileSync((await file.path())!);
    };
    const { rows, columns, entries } = JSON.parse((await download('JSON')).toString());
    expect(rows[1]).toBe('output 1, 1: −4, 75 %');
    expect(columns.slice(4)).toEqual(['(1, 1)', '(1, 2)']);
    expect(entries[1][5]).toBeCloseTo(0.8, 6);
    expect((await download('CSV')).toString().split('\n')[2]).toMatch(
      /^"output 1, 1: −4, 75 %",0,0,-0\.6\d*,0,0,0\.8\d*$/,
    );
    expect((await download('PNG')).subarray(1, 4).toString()).toBe('PNG');
    checkXml((await download('SVG')).toString());
  });

  it('of inputs without a shape are bars, each with its input', async () => {
    const page = await open(await explanationHtml(formsOf(), null));
    await hover(page, DIRECTIONS, 1, 0.5, 0.05);
    expect(await tip(page)).toEqual(['output 1, 1: −4, 75 %', 'input 5: 0.8']);
    await hover(page, DIRECTIONS, 1, 0.5, 0.25);
    expect((await tip(page))![1]).toBe('input 2: -0.6');
  });

  it('of several channels name the channel, and have a scale and coordinates', async () => {
    const page = await open(await explanationHtml(formsOf(), { channels: 2, height: 1, width: 3 }));
    await hover(page, DIRECTIONS, 1, 0.99, 0.5);
    expect((await tip(page))![1]).toBe('input (1, 0, 2): 0.8');
    await hover(page, DIRECTIONS, 1, 0.4, 0.5);
    expect((await tip(page))![1]).toBe('input (0, 0, 2): -0.6');
    const texts = await page.locator('.wide.pictures[data-pictures="0"] text').allTextContents();
    expect(texts.filter((text) => /^\d$/.test(text)).slice(0, 7)).toEqual(['0', '1', '2', '0', '1', '2', '0']);
    expect(
      await page.getByLabel('What the colours of the pictures mean').first().locator('text').allTextContents(),
    ).toEqual(['− largest', '0', 'largest entry of each picture']);
  });
});
