import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { LiveState } from '../../lib/live/feed.js';
import { type LivePages, serveLive } from '../../lib/live/server.js';
import { watchInto } from '../../lib/live/watch.js';
import { similarityMatrix } from '../../lib/similarity/matrix.js';
import { similarityText } from '../../lib/words/numbers.js';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import { matrixOf, symmetric } from '../report/helpers.js';
import { ChartInPage, HEATMAP, tip } from '../report/page_helpers.js';
import { findBrowser } from '../support/browser.js';
import { checkpointBytes, nameOf } from './checkpoints.js';

const program = findBrowser();
const root = temporaryFolder();

const series = (steps: readonly number[]) =>
  matrixOf(
    steps.map((step) => `step_${String(step).padStart(3, '0')}`),
    symmetric(steps.length, (i, j) => (i === j ? 1 : 1 / (1 + Math.abs(steps[i] - steps[j]) / 100))),
  );

describe.skipIf(program === null)('a live page', () => {
  let browser: Browser;
  let state: LiveState;
  let pages: LivePages | undefined;
  const complaints: string[] = [];
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: program! });
  });
  afterEach(async () => {
    await Promise.all(browser.contexts().map((context) => context.close()));
    await pages?.close();
    pages = undefined;
    expect(complaints.splice(0)).toEqual([]);
  });
  afterAll(() => browser?.close());

  const open = async (url?: string): Promise<Page> => {
    if (pages === undefined) {
      state = new LiveState();
      pages = await serveLive(state, 'run/');
    }
    const context = await browser.newContext({ viewport: { width: 1300, height: 1000 } });
    const page = await context.newPage();
    page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
    page.on('pageerror', (error) => complaints.push(`${error}`));
    await page.goto(url ?? pages.url);
    return page;
  };
  const said = (page: Page, text: string | RegExp) => page.locator('#said').filter({ hasText: text }).waitFor();
  const models = (page: Page, count: number) => page.locator('.over', { hasText: `${count} models` }).waitFor();

  it('begins empty, and is the report as soon as there is one, in every browser that is open', async () => {
    const [one, other] = [await open(), await open()];
    expect(await one.locator('main').textContent()).toContain('Nothing to be seen yet');
    state.progress('comparing', 3, 10);
    for (const page of [one, other]) {
      await said(page, 'comparing: 3 of 10');
      expect(await page.locator('#progress').getAttribute('value')).toBe('3');
    }
    state.report(series([0, 100, 200]));
    for (const page of [one, other]) await models(page, 3);
    const chart = new ChartInPage(one, HEATMAP);
    await chart.hover(0.5, 0.1);
    expect(await tip(one)).toEqual(['step_000', 'step_100', 'similarity 0.5000']);
    // The one that closes does not matter to the other.
    await other.close();
    state.report(series([0, 100, 200, 300]));
    await models(one, 4);
    expect(await one.title()).toContain('step 0 → 100');
    const late = await open();
    await models(late, 4);
  });

  it('keeps what is pinned and enlarged by the names of the models, what is open, and the focus', async () => {
    const page = await open();
    state.report(series([100, 200, 300, 400]));
    await models(page, 4);
    await new ChartInPage(page, HEATMAP).click(0.9, 0.1);
    await expect.poll(() => new URL(page.url()).hash).toBe('#pins=0-3');
    await page
      .locator('.column summary', { hasText: 'Command' })
      .or(page.locator('summary', { hasText: 'As a table' }))
      .first()
      .click();
    const opened = await page.locator('details[open]').count();
    await page.locator(HEATMAP).focus();
    state.report(series([0, 100, 200, 250, 300, 400]));
    await models(page, 6);
    expect(new URL(page.url()).hash).toBe('#pins=1-5');
    expect(await page.locator('.pin-line .pair').textContent()).toBe('step_100 and step_400');
    expect(await page.locator('details[open]').count()).toBe(opened);
    expect(await page.locator(':focus').getAttribute('class')).toContain('wide heatmap');
    // One of the two is gone.
    state.report(series([0, 200, 300, 400]));
    await models(page, 4);
    expect(new URL(page.url()).hash).toBe('');
    expect(await page.locator('#pins').isVisible()).toBe(false);
  });

  it('waits while something is dragged', async () => {
    const page = await open();
    state.report(series([0, 100, 200, 300, 400, 500]));
    await models(page, 6);
    const chart = new ChartInPage(page, HEATMAP);
    await chart.hover(0.1, 0.1);
    await page.mouse.down();
    await chart.hover(0.3, 0.3);
    state.report(series([0, 100, 200, 300, 400, 500, 600]));
    await page.waitForTimeout(300);
    expect(await page.locator('.over').textContent()).toContain('6 models');
    await chart.hover(0.45, 0.45);
    await page.mouse.up();
    await models(page, 7);
    expect(new URL(page.url()).hash).toBe('#zoom=0-3,0-3');
  });

  it('says notes as text, the end, and a connection that is lost', async () => {
    const page = await open();
    state.notes([
      { tone: 'bad', text: '<img src=x onerror=alert(1)>' },
      { tone: 'good', text: 'onset at step 100 → 200' },
    ]);
    await page.locator('#notes li.good').waitFor();
    expect(await page.locator('#notes li').allTextContents()).toEqual([
      '<img src=x onerror=alert(1)>',
      'onset at step 100 → 200',
    ]);
    const other = await open();
    state.end({ outcome: 'finished', text: 'ended: 4 models, 10 pairs' });
    for (const one of [page, other]) await said(one, 'ended: 4 models, 10 pairs');
    await pages!.close();
    await page.waitForTimeout(100);
    expect(await page.locator('#said').textContent()).toBe('ended: 4 models, 10 pairs');
    complaints.splice(0);
  });

  it('gives nothing to the page of another, which knows its address and its token', async () => {
    await open();
    state.report(series([0, 100]));
    const stranger = createServer((_, response) => {
      response.setHeader('Content-Type', 'text/html');
      response.end('<!doctype html><title>stranger</title>');
    });
    await new Promise<void>((done) => stranger.listen(0, '127.0.0.1', done));
    const { port } = stranger.address() as AddressInfo;
    const page = await (await browser.newContext()).newPage();
    await page.goto(`http://127.0.0.1:${port}/`);
    // As text: it is not this program's.
    const found = await page.evaluate(`(async (url) => {
      const read = (mode) => fetch(url + 'report', { mode }).then((answer) => answer.type + answer.status, () => 'refused');
      const stream = await new Promise((done) => {
        const source = new EventSource(url + 'events');
        source.onmessage = source.onopen = () => done('open');
        source.onerror = () => done('refused');
      });
      const frame = document.createElement('iframe');
      frame.src = url;
      document.body.append(frame);
      await new Promise((done) => setTimeout(done, 500));
      const inside = frame.contentDocument === null ? 'closed' : frame.contentDocument.body.textContent;
      return { cors: await read('cors'), bare: await read('no-cors'), stream, inside };
    })(${JSON.stringify(pages!.url)})`);
    expect(found).toEqual({ cors: 'refused', bare: 'refused', stream: 'refused', inside: 'closed' });
    await new Promise((done) => stranger.close(done));
  });

  it('follows a folder, and ends with the numbers of a fresh matrix', async () => {
    const folder = join(root, 'run');
    mkdirSync(folder);
    const page = await open();
    const stop = new AbortController();
    const watched = (async () => {
      for await (const _ of watchInto(state, folder, { settle: 0.05, poll: 0.1, signal: stop.signal }));
    })().catch(() => {});
    for (let step = 0; step < 100; step += 10) {
      writeFileSync(join(folder, nameOf(step)), checkpointBytes(step));
      await page.waitForTimeout(30);
    }
    await models(page, 10);
    writeFileSync(join(folder, nameOf(50)), checkpointBytes(50, 9));
    rmSync(join(folder, nameOf(20)));
    await models(page, 9);
    const whole = await similarityMatrix(folder);
    const { cosine, labels } = whole;
    const value = similarityText(cosine[3][4]);
    await expect
      .poll(async () => {
        await page.mouse.move(2, 2);
        await new ChartInPage(page, HEATMAP).hover(4.5 / 9, 3.5 / 9);
        return tip(page);
      })
      .toEqual([labels[3], labels[4], `similarity ${value}`]);
    stop.abort();
    await watched;
  });
});
