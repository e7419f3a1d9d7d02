import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';
import { blocksHtml } from '../../lib/report/blocks/page.js';
import { describeInBrowser } from '../support/pages.js';
import { blocksOf, layerOf } from './blocks_fixture.js';

const title = (page: Page) => page.locator('#detail h2').textContent();
const pressed = (page: Page) => page.locator('.strip button[aria-pressed="true"]').allTextContents();

describeInBrowser('the layer strip', (open) => {
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

  it('has the layer that is chosen in the address, which restores it', async () => {
    const page = await open(await blocksHtml(blocksOf()), {}, '#view=2');
    expect(await title(page)).toBe('Layer 2');
    await page.locator('.strip button', { hasText: 'layer 0' }).click();
    expect(await page.evaluate('location.hash')).toBe('#view=0');
    await page.evaluate("location.hash = '#view=77'");
    await page.locator('#detail h2', { hasText: 'Layer 1' }).waitFor();
    await page.locator('.strip button', { hasText: 'layer 1' }).click();
    expect(await page.evaluate('location.hash')).toBe('');
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
