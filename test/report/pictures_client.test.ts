import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';
import { explanationHtml } from '../../lib/report/explain/page.js';
import { describeInBrowser } from '../support/pages.js';
import { formsOf } from './explain_fixture.js';
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
    expect((await press('Enter'))![0]).toBe('output 1, 1: −4, 75 %');
    expect(await page.evaluate('location.hash')).toBe('');
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
