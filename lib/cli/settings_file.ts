import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { TensimError } from '../errors.js';
import { parseJson, readText } from '../formats/text_file.js';
import { listed } from '../words/names.js';
import { nearestWord } from '../words/nearest.js';
import { quote, valueText } from '../words/quoting.js';

/** What a configuration file is called, and where in package.json the same may stand. */
export const FILE_NAME = 'tensim.config.json';
const PACKAGE_KEY = 'tensim';

/** The options that a configuration may say, by their names there, with the type of their values. */
export const SETTINGS = {
  measure: 'string',
  perOutput: 'boolean',
  dtype: 'string',
  backend: 'string',
  threads: 'number',
  seed: 'number',
  tolerance: 'number',
  maxSamples: 'number',
  memoryLimit: 'string',
  activation: 'string',
  positions: 'number',
  min: 'number',
  minOutput: 'number',
  maxDrop: 'number',
} as const;

export type SettingName = keyof typeof SETTINGS;
const NAMES = Object.keys(SETTINGS) as SettingName[];

/** What a configuration says, as texts that options take, and the file. */
export interface FileSettings {
  readonly file: string;
  readonly values: ReadonlyMap<SettingName, string>;
}

/**
 * The configuration that holds in a folder: `tensim.config.json`, or the key `tensim` of a package.json, in the folder
 * or the nearest one above it up to the package's; without a package above, that of the folder alone.
 * @throws TensimError `INVALID_FILE` for what is no configuration; it names the option that an unknown one is nearest to
 */
export async function settingsIn(folder: string): Promise<FileSettings | undefined> {
  for (const place of await placesFrom(folder)) {
    const own = join(place, FILE_NAME);
    const text = await textOf(own);
    if (text !== undefined) return { file: own, values: valuesOf(parsed(text, own), own) };
    const manifest = join(place, 'package.json');
    const part = partOfManifest(await textOf(manifest));
    if (part !== undefined) return { file: `${manifest}, "${PACKAGE_KEY}"`, values: valuesOf(part, manifest) };
  }
  return undefined;
}

/** The folder and those above it up to the root of its package. */
async function placesFrom(folder: string): Promise<string[]> {
  const places: string[] = [];
  for (let place = folder; ; place = dirname(place)) {
    places.push(place);
    const isRoot = await stat(join(place, 'package.json')).then(
      (found) => found.isFile(),
      () => false,
    );
    if (isRoot) return places;
    if (dirname(place) === place) return [folder];
  }
}

/** Far above any configuration, and any manifest that has one. */
const MOST_BYTES = 1 << 20;

/** What cannot be read is no configuration. */
const textOf = (file: string): Promise<string | undefined> => readText(file, MOST_BYTES).catch(() => undefined);

function parsed(text: string, file: string): unknown {
  try {
    return parseJson(text);
  } catch (cause) {
    throw new TensimError('INVALID_FILE', `is no JSON: ${(cause as Error).message}`, { file, cause });
  }
}

/** That of others is not judged here: a manifest that is no JSON says nothing. */
function partOfManifest(text: string | undefined): unknown {
  try {
    const manifest: unknown = text === undefined ? undefined : JSON.parse(text);
    return isObject(manifest) ? manifest[PACKAGE_KEY] : undefined;
  } catch {
    return undefined;
  }
}

function valuesOf(config: unknown, file: string): Map<SettingName, string> {
  if (!isObject(config)) throw new TensimError('INVALID_FILE', 'is no object of options', { file });
  const values = new Map<SettingName, string>();
  for (const [name, value] of Object.entries(config)) {
    if (name === '$schema') continue;
    const known = NAMES.find((one) => one === name);
    if (known === undefined) throw unknownSetting(name, file);
    const list = known === 'measure' && Array.isArray(value) ? value.join(',') : value;
    const isSize = known === 'memoryLimit' && typeof value === 'number';
    if (typeof list !== SETTINGS[known] && !isSize) {
      const what = `"${known}" is ${valueText(value)}, and must be a ${SETTINGS[known]}`;
      throw new TensimError('INVALID_FILE', what, { file });
    }
    values.set(known, String(list));
  }
  return values;
}

function unknownSetting(name: string, file: string): TensimError {
  const meant = nearestWord(name, NAMES);
  const hint = meant === undefined ? `Options are ${listed(NAMES, 'and')}` : `"${meant}" is the nearest`;
  return new TensimError('INVALID_FILE', `has an unknown option ${quote(name)}`, { file, hint });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
