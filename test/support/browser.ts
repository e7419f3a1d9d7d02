import { accessSync, constants, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/**
 * The program of a Chromium on this machine: what TENSIM_BROWSER names, else the first on PATH; null where there is
 * none. What is named but not there is left for the test to fail at.
 */
export function findBrowser(): string | null {
  const { TENSIM_BROWSER: named, PATH = '' } = process.env;
  if (named) return named;
  const places = PATH.split(delimiter).flatMap((folder) => NAMES.map((name) => join(folder, name)));
  return places.find(isProgram) ?? null;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** What opens a page in a test. */
export interface Opening {
  /** Where it is written. */
  readonly file: string;
  /** What goes wrong in it, and what it asks for besides itself. */
  readonly complaints: string[];
  /** What it may ask for all the same, by how that begins. */
  readonly allowed?: string;
  /** What its address ends in. */
  readonly hash?: string;
}

/** Writes a page to a file and opens that. */
export async function openPage(
  browser: Browser,
  html: string,
  { file, complaints, allowed, hash = '' }: Opening,
  options: BrowserContextOptions = {},
): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 1300, height: 1000 }, ...options });
  const page = await context.newPage();
  writeFileSync(file, html);
  const address = pathToFileURL(file).href;
  page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => complaints.push(`${error}`));
  page.on('request', (request) => {
    const url = request.url();
    if (url.split('#')[0] !== address && !(allowed !== undefined && url.startsWith(allowed)))
      complaints.push(`request: ${url}`);
  });
  await page.goto(`${address}${hash}`);
  return page;
}
