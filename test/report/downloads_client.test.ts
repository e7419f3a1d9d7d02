import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { blocksHtml } from '../../lib/report/blocks/page.js';
import { crossCsv, matrixCsv } from '../../lib/report/csv.js';
import { matrixHtml } from '../../lib/report/html.js';
import { matrixNpy } from '../../lib/report/npy.js';
import { crossHtml } from '../../lib/report/several.js';
import { describeInBrowser } from '../support/pages.js';
import { blocksOf } from './blocks_fixture.js';
import { checkXml, crossOf, matrixOf, NASTY, seriesOf, symmetric } from './helpers.js';
import { ChartInPage, CURVE, HEATMAP } from './page_helpers.js';

const matrix = matrixOf(
  NASTY,
  symmetric(NASTY.length, (i, j) => (i === 1 ? Number.NaN : Math.cos((i + 1) * j))),
);

/** The bytes that a button gives, and the name of their file. */
async function download(page: Page, format: string, nth = 0): Promise<{ name: string; bytes: Buffer }> {
  const menu = page.locator('.menu').nth(nth);
  if (!(await menu.getAttribute('open').then((open) => open !== null))) await menu.locator('summary').click();
  const [file] = await Promise.all([
    page.waitForEvent('download'),
    menu.getByRole('button', { name: `Download ${format}` }).click(),
  ]);
  return { name: file.suggestedFilename(), bytes: readFileSync(await file.path()) };
}

describeInBrowser('downloads of a page', (open) => {
  describe('of all that a heatmap has', () => {
    it('are the files that the result itself makes', async () => {
      const page = await open(await matrixHtml(matrix));
      const csv = await download(page, 'CSV');
      expect(csv.name).toBe('similarity-all-outputs.csv');
      expect(csv.bytes.toString()).toBe([...matrixCsv(matrix)].join(''));
      const npy = await download(page, 'NPY');
      expect(npy.bytes.equals(Buffer.concat([...matrixNpy(matrix.cosine)]))).toBe(true);
      const json = JSON.parse((await download(page, 'JSON')).bytes.toString());
      expect(json.similarity).toEqual(
        matrix.cosine.map((row) => [...row].map((value) => (Number.isNaN(value) ? null : value))),
      );
      expect(json).toMatchObject({ rows: NASTY, columns: NASTY, error: 0 });
    });

    it('of rows and columns are whole too', async () => {
      const cross = crossOf(['a', 'b'], ['x', 'y', 'z']);
      const page = await open(await crossHtml(cross));
      expect((await download(page, 'CSV')).bytes.toString()).toBe([...crossCsv(cross)].join(''));
    });
  });

  it('are of what is seen: the chosen matrix, and the part that is enlarged', async () => {
    const labels = ['a', 'b', 'c', 'd'];
    const outputs = { up: symmetric(4, (i, j) => (i + j) / 10) };
    const page = await open(
      await matrixHtml(
        matrixOf(
          labels,
          symmetric(4, () => 0.5),
          outputs,
        ),
      ),
      {},
      '#view=1&zoom=1-3,0-2',
    );
    const { name, bytes } = await download(page, 'CSV');
    expect(name).toBe('similarity-output-up.csv');
    expect(bytes.toString()).toBe('model,a,b\nb,0.1,1\nc,0.2,0.3\n');
    await page.locator('.seen').first().locator('summary').click();
    expect(await page.locator('.seen tbody tr').allTextContents()).toEqual(['b0.10001', 'c0.20000.3000']);
    await page.keyboard.press('Tab');
    await page.getByRole('button', { name: 'Show all models' }).first().click();
    expect(await page.locator('.seen tbody tr').first().textContent()).toBe('a10.10000.20000.3000');
  });

  it('of a layer strip are its numbers', async () => {
    const page = await open(await blocksHtml(blocksOf()));
    const { name, bytes } = await download(page, 'CSV');
    expect(name).toBe('blocks.csv');
    const [head, first, second] = bytes.toString().split('\n');
    expect(head).toBe('model,MLP,QK,OV,weights');
    expect([first, second]).toEqual(['embedding,,,,1', 'layer 0,0.999,0.5,1,0.999']);
    const json = JSON.parse((await download(page, 'JSON')).bytes.toString());
    expect(json).toMatchObject({
      rows: ['embedding', 'layer 0', 'layer 1', 'layer 2'],
      columns: ['MLP', 'QK', 'OV', 'weights'],
    });
    expect(json.similarity[2]).toEqual([0.25, 0.5, 1, 0.999]);
  });

  it('of a curve are its steps', async () => {
    const page = await open(await matrixHtml(seriesOf([0.9, Number.NaN], { x: [0.5, 0.25] })));
    const { bytes } = await download(page, 'CSV', 1);
    expect(bytes.toString()).toBe('model,step_00000 → step_00100,step_00100 → step_00200\nall,0.9,\n');
    const json = JSON.parse((await download(page, 'JSON', 2)).bytes.toString());
    expect(json).toMatchObject({ rows: ['output x'], similarity: [[0.5, 0.25]] });
  });

  it('are pictures that stand on their own, of a part as it is seen', async () => {
    const page = await open(await matrixHtml(seriesOf([0.9, 0.5, 0.7, 0.6])), {}, '#zoom=1-4,1-4');
    for (const nth of [0, 1]) {
      const text = (await download(page, 'SVG', nth)).bytes.toString();
      checkXml(text);
      expect(text).not.toMatch(/var\(|NaN/);
      expect(text).toContain('>200</text>');
      expect(text).not.toContain('>400</text>');
      const { bytes } = await download(page, 'PNG', nth);
      expect(bytes.subarray(1, 4).toString()).toBe('PNG');
      expect(bytes.readUInt32BE(16)).toBe(2 * 572);
      // More than one colour: something is drawn.
      expect(bytes.length).toBeGreaterThan(4000);
    }
  });

  it('are the same of a heatmap that is drawn by tiles', async () => {
    const count = 310;
    const names = Array.from({ length: count }, (_, i) => `step_${i}`);
    const tiled = matrixOf(
      names,
      symmetric(count, (i, j) => 1 / (1 + j - i)),
    );
    const page = await open(await matrixHtml(tiled), {}, '#zoom=100-120,40-60');
    await page.locator('.wide.heatmap.drawn').waitFor();
    const text = (await download(page, 'SVG')).bytes.toString();
    checkXml(text);
    expect(text).toContain('>105</text>');
    expect(text).not.toContain('>250</text>');
    // What is on the canvas is in it as a picture.
    expect(text).toMatch(/<image[^>]* href="data:image\/png;base64,[^"]{200}/);
    const { bytes } = await download(page, 'PNG');
    expect(bytes.readUInt32BE(16)).toBe(2 * 572);
    expect(bytes.length).toBeGreaterThan(4000);
    const whole = await download(await open(await matrixHtml(tiled)), 'PNG');
    expect(whole.bytes.equals(bytes)).toBe(false);
  });

  it('copies the cell that is pointed at', async () => {
    const page = await open(await matrixHtml(seriesOf([0.9])), { permissions: ['clipboard-read', 'clipboard-write'] });
    await new ChartInPage(page, HEATMAP).hover(0.9, 0.1);
    await page.keyboard.press('Control+c');
    expect(await page.evaluate<string>('navigator.clipboard.readText()')).toBe('step_00000,step_00100,0.9');
  });

  it('names the command that explains a pinned pair, and copies it', async () => {
    const sources = [{ file: 'runs/a b.safetensors' }, { file: "it's.safetensors" }, { file: 'c.pt' }];
    const changes = { sources, input: 'sigma=2' };
    const page = await open(
      await matrixHtml(seriesOf([0.9, 0.8], undefined, changes)),
      { permissions: ['clipboard-read', 'clipboard-write'] },
      '#pins=0-1,2-2',
    );
    const command = `tensim explain --input sigma=2 'runs/a b.safetensors' 'it'\\''s.safetensors'`;
    expect(await page.locator('#pins code').allTextContents()).toEqual([command]);
    await page.getByRole('button', { name: 'Copy the command for #1' }).click();
    expect(await page.evaluate<string>('navigator.clipboard.readText()')).toBe(command);
    const other = await open(
      await matrixHtml(seriesOf([0.9], undefined, { sources: sources.slice(1), input: 'custom' })),
      {},
      '#pins=0-1',
    );
    expect(await other.locator('#pins code').count()).toBe(0);
    await new ChartInPage(other, CURVE).focus();
  });
});
