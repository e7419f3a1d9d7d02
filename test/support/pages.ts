import { join } from 'node:path';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect } from 'vitest';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import { findBrowser, openPage } from './browser.js';

const program = findBrowser();

/** Opens a page that a test has made. */
export type Open = (html: string, options?: BrowserContextOptions, hash?: string) => Promise<Page>;

/** Tests in a browser: nothing may go wrong in their pages, and these may ask for nothing besides themselves. */
export function describeInBrowser(name: string, tests: (open: Open, complaints: string[]) => void): void {
  if (program === null)
    console.warn(`NO BROWSER: ${name} is not tested. Install chromium, or name one by TENSIM_BROWSER=/path/of/it.`);
  describe.skipIf(program === null)(name, () => {
    const folder = temporaryFolder();
    const complaints: string[] = [];
    let browser: Browser;
    beforeAll(async () => {
      browser = await chromium.launch({ executablePath: program! });
    });
    afterEach(async () => {
      await Promise.all(browser.contexts().map((context) => context.close()));
      expect(complaints.splice(0)).toEqual([]);
    });
    afterAll(() => browser?.close());
    const opening = { file: join(folder, 'page with spaces.html'), complaints, allowed: 'data:image/' };
    tests((html, options = {}, hash = '') => openPage(browser, html, { ...opening, hash }, options), complaints);
  });
}
