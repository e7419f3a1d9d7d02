import { join } from 'node:path';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { blocksHtml } from '../../lib/report/blocks/page.js';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import { findBrowser, openPage } from '../support/browser.js';
import { blocksOf, layerOf } from './blocks_fixture.js';

const program = findBrowser();
if (program === null)
  console.warn('NO BROWSER: the script of the layer strip is not tested. TENSIM_BROWSER names one.');

const folder = temporaryFolder();
/** What went wrong in the pages of a test, and what they asked for besides themselves: nothing may come of it. */
const complaints: string[] = [];
let browser: Browser;

const open = (html: string, options: BrowserContextOptions = {}): Promise<Page> =>
  openPage(browser, html, { file: join(folder, 'strip.html'), complaints }, options);

const title = (page: Page) => page.locator('#detail h2').textContent();
const pressed = (page: Page) => page.locator('.strip button[aria-pressed="true"]').allTextContents();

describe.skipIf(program === null)('the layer strip, in a browser', () => {
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: program! });
  });
  afterEach(async () => {
    await Promise.all(browser.contexts().map((context) => context.close()));
    expect(complaints.splice(0)).toEqual([]);
  });
  afterAll(() => browser?.close());

  it('shows the layer that differs most first, and any other at a click on its row', async () => {
    const page = await open(await blocksHtml(blocksOf()));
    expect(await title(page)).toBe('Layer 1');
    expect(await pressed(page)).toEqual(['layer 1']);
    await page.locator('.strip td', { hasText: '0.9990' }).first().click();
    expect(await title(page)).toBe('Layer 0');
    expect(await pressed(page)).toEqual(['layer 0']);
    const heads = page.locator('#detail .heads tbody tr');
    expect(await heads.allTextContents()).toEqual(['01 (moved)0.50000.7500', '10 (moved)–1']);
    expect(await page.locator('#detail').textContent()).toContain('quadratic0.99900025.0 %25.0 %');
    const fill = (text: string) => heads.locator('td', { hasText: text }).getAttribute('style');
    expect(await fill('0.5000')).not.toBe(await fill('0.7500'));
  });

  it('is gone through by keys', async () => {
    const page = await open(await blocksHtml(blocksOf()));
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    expect(await title(page)).toBe('Layer 0');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    expect(await title(page)).toBe('Layer 2');
    expect(await page.locator(':focus').textContent()).toBe('layer 2');
    await page.keyboard.press('ArrowUp');
    expect(await title(page)).toBe('Layer 1');
  });

  it('shows what a layer has, be it little', async () => {
    const { weights } = layerOf(0, 1);
    const page = await open(await blocksHtml(blocksOf({ layers: [{ layer: 5, weights }], worst: null })));
    expect(await title(page)).toBe('Layer 5');
    expect(await page.locator('#detail table').count()).toBe(0);
    await (await open(await blocksHtml(blocksOf({ layers: [], worst: null })))).locator('#detail .note').waitFor();
  });

  it('fits a phone', async () => {
    const page = await open(await blocksHtml(blocksOf()), { viewport: { width: 380, height: 800 } });
    expect(await page.evaluate<number>('document.documentElement.scrollWidth')).toBeLessThanOrEqual(380);
  });
});
