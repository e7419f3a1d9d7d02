import { resolve } from 'node:path';
import { Pacer } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { openCheckpoint } from '../../formats/checkpoint.js';
import { formatAt } from '../../formats/content.js';
import { isIndex } from '../../formats/endings.js';
import { exists } from '../../formats/exists.js';
import { isHubAddress } from '../../hub/address.js';
import { refuseWebAddress } from '../../hub/web_address.js';
import { PathPattern } from '../../words/path_pattern.js';
import { compareNaturally, sorted } from './natural.js';
import { areOfSeveralSeeds, commonKey, type Order, orderByNames, type StatedSteps, statedSteps } from './order.js';
import { noModels, type Sifting } from './sift.js';
import { candidatesIn, checkpointsIn, findSource, isFolder, shardsOf } from './source.js';
import { walk } from './walk.js';

/** Multiply-adds that take as long as telling by its path what a file is. */
const JUDGING = 1000;

interface Entry extends Stated {
  readonly path: string;
}

/**
 * The model files that paths, folders and glob patterns stand for: each once, a sharded checkpoint by its index alone.
 * They are ordered by how far their training was, if the metadata of all say it under one name (`step`, `global_step`,
 * …), and otherwise, or where that is equal, by the numbers in their names. Of the files that folders and patterns
 * bring, those that are no models are passed over.
 * @throws TensimError `FILE_NOT_FOUND` naming the path, pattern or folder without any model.
 */
export async function expandPaths(
  patterns: readonly string[],
  signal?: AbortSignal,
  sifting: Sifting = {},
): Promise<string[]> {
  return (await expandInOrder(patterns, { ...sifting, signal })).paths;
}

/**
 * The same, with what their order rests on.
 * @throws TensimError as `expandPaths`
 */
export async function expandInOrder(
  patterns: readonly string[],
  sifting: Sifting = {},
): Promise<{ readonly paths: string[]; readonly order: Order }> {
  const { signal } = sifting;
  const found = new Map<string, string>();
  const given = new Set<string>();
  const pacer = new Pacer(signal);
  for (const pattern of patterns) {
    signal?.throwIfAborted();
    for (const path of await expand(pattern, signal)) {
      if (pacer.due(JUDGING)) await pacer.pause();
      const place = isHubAddress(path) ? path : resolve(path);
      if (!found.has(place)) found.set(place, path);
      if (path === pattern) given.add(place);
    }
  }
  for (const index of [...found.values()].filter((path) => isIndex(path) && !isHubAddress(path)))
    for (const shard of await shardsOf(index, signal)) found.delete(shard);
  const sifted = [...found].filter(([place]) => !given.has(place)).map(([, path]) => path);
  for (const path of await noModels(sifted, sifting)) found.delete(resolve(path));
  const entries: Entry[] = [];
  for (const path of found.values()) entries.push({ path, ...(await statedIn(path, signal, sifting.key)) });
  const key = commonKey(entries.map(({ steps }) => steps));
  const step = ({ steps }: Entry) => (key === undefined ? 0 : steps.get(key)!);
  const compare = (a: Entry, b: Entry) => step(a) - step(b) || compareNaturally(a.path, b.path);
  const ordered = await sorted(entries, compare, pacer);
  const paths = ordered.map(({ path }) => path);
  if (areOfSeveralSeeds(entries.map(({ seed }) => seed))) return { paths, order: { by: 'set', why: 'seeds' } };
  return { paths, order: key === undefined ? orderByNames(paths) : { by: 'metadata', key } };
}

/**
 * The paths that may be, or become, models under a path, a folder or a pattern: files that are not written to the end
 * and shards among them. None where there is nothing yet.
 */
export async function candidatePaths(given: string, signal?: AbortSignal): Promise<string[]> {
  return expand(given, signal, candidatesIn).catch(noneIfEmpty);
}

/**
 * A path that exists is what it says, even if it looks like a pattern.
 * @param inFolder the files of a folder that are taken
 */
async function expand(given: string, signal?: AbortSignal, inFolder = checkpointsIn): Promise<string[]> {
  if (isHubAddress(given)) return (await import('../../hub/repository.js')).expandHubAddress(given, signal);
  await refuseWebAddress(given);
  if (await isFolder(given)) return inFolder(given, signal);
  if (await exists(given)) return [given];
  const { folder, rest } = await withoutLiteral(process.platform === 'win32' ? given.replaceAll('\\', '/') : given);
  const pattern = new PathPattern(rest);
  if (pattern.isLiteral) {
    throw new TensimError('FILE_NOT_FOUND', 'there is no such file or folder', {
      file: given,
      hint: 'Give files, folders or quoted patterns such as "runs/*.safetensors" or "runs/*.pt"',
    });
  }
  const pacer = new Pacer(signal);
  const matches = await sorted(await walk(folder === '' ? '.' : folder, pattern, pacer), compareNaturally, pacer);
  const paths: string[] = [];
  for (const match of matches) {
    if (pacer.due(JUDGING)) await pacer.pause();
    if (match.endsWith('/')) {
      for (const path of await inFolder(match, signal).catch(noneIfEmpty)) paths.push(path);
    } else if ((await formatAt(match)) !== undefined || /\.json$/i.test(rest)) paths.push(match);
  }
  if (paths.length > 0) return paths;
  throw new TensimError('FILE_NOT_FOUND', 'no checkpoint matches this pattern', {
    file: given,
    hint: matches.length === 0 ? 'Nothing matches it' : `It matches ${matches.length} other files`,
  });
}

/**
 * Cuts off the folders at the beginning of a pattern that are there under these very names, whatever characters are in
 * them: `runs (1)/*.pt` means the folder "runs (1)".
 */
async function withoutLiteral(given: string): Promise<{ readonly folder: string; readonly rest: string }> {
  const parts = given.split('/');
  let [taken, folder] = [0, ''];
  while (taken < parts.length - 1 && !parts[taken].includes('*')) {
    const next = parts.slice(0, taken + 1).join('/') || '/';
    if (!(await isFolder(next))) break;
    folder = next;
    taken++;
  }
  const rest = parts.slice(taken).join('/');
  return { folder, rest: rest.replaceAll(/\/(?:\.?\/)+/g, '/').replace(/(?<!^)\/+$/, '') };
}

/** A folder that a pattern matches may hold other things. */
function noneIfEmpty(error: unknown): [] {
  if (error instanceof TensimError && error.code === 'FILE_NOT_FOUND') return [];
  throw error;
}

/** What a file says of the training of its model. */
interface Stated {
  /** How far it was. */
  readonly steps: StatedSteps;
  /** What it began with. */
  readonly seed?: string | undefined;
}

/**
 * How far the training of a model was, as its file tells it. One that cannot be opened tells nothing: loading it will
 * say why.
 * @param key where its state dict is, as in `LoadOptions`: without it a file of several tells nothing
 */
export async function stepsIn(path: string, signal?: AbortSignal, key?: string): Promise<StatedSteps> {
  return (await statedIn(path, signal, key)).steps;
}

async function statedIn(path: string, signal: AbortSignal | undefined, key: string | undefined): Promise<Stated> {
  try {
    const { checkpoint } = await findSource(path, { signal });
    const opened = await openCheckpoint(checkpoint, { key, signal });
    await opened.close();
    const { metadata } = opened;
    return { steps: statedSteps(metadata), seed: Object.hasOwn(metadata, 'seed') ? metadata.seed : undefined };
  } catch (error) {
    if (error instanceof TensimError) return { steps: new Map() };
    throw error;
  }
}
