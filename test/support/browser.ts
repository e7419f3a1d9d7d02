import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

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
