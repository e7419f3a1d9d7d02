import type { Dirent } from 'node:fs';
import { opendir, realpath, stat } from 'node:fs/promises';
import { join, posix } from 'node:path';
import type { Pacer } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { count } from '../../words/counts.js';
import type { PathPattern, Reached } from '../../words/path_pattern.js';

/** Entries of a folder that the system is asked for at a time. */
const ENTRIES = 256;
/**
 * How often one folder is entered through a link behind another link: folders that link to each other have more paths
 * than can be walked.
 */
const MOST_ENTERED = 1000;

/** Steps of a pattern by characters of a name between two looks at the clock. */
const WORK_AT_ONCE = 4096;

/** A folder on the way. */
interface Place {
  /** Below the folder where the walk begins, with a slash at its end; empty for that folder. */
  readonly path: string;
  readonly reached: Reached;
  /** The folder itself, where links lead, and those it is in. */
  readonly real: string;
  readonly above: ReadonlySet<string>;
  /** Whether a link has led here. */
  readonly linked: boolean;
}

/**
 * The paths that a pattern matches below a folder: files, and folders with a slash at their end, in no order. Only
 * folders are entered in which something can match. Links to folders are followed, but never into one that the walk is
 * in already. What may not be read is passed over.
 * @throws TensimError `INVALID_ARGUMENT` for folders that link to each other without end; the reason of the signal
 */
export async function walk(folder: string, pattern: PathPattern, pacer: Pacer): Promise<string[]> {
  const found: string[] = [];
  const prefix = posix.join(folder, '-').slice(0, -1);
  const entered = new Map<string, number>();
  const real = await realpath(folder).catch(() => undefined);
  if (real === undefined) return found;
  const waiting: Place[] = [{ path: '', reached: pattern.begin(), real, above: new Set([real]), linked: false }];
  for (let place = waiting.pop(); place !== undefined; place = waiting.pop()) {
    for await (const entry of entriesOf(join(folder, place.path))) {
      const reached = await behind(entry.name, place.reached, pattern, pacer);
      if (reached === undefined) continue;
      const path = place.path + entry.name;
      const isLink = entry.isSymbolicLink();
      const isFolder = isLink ? await leadsToFolder(join(folder, path)) : entry.isDirectory();
      if (pattern.isWhole(reached)) found.push(`${prefix}${path}${isFolder ? '/' : ''}`);
      const inside = isFolder ? pattern.further(reached, '/', false) : undefined;
      if (inside === undefined) continue;
      const target = isLink ? await realpath(join(folder, path)).catch(() => undefined) : join(place.real, entry.name);
      if (target === undefined || place.above.has(target)) continue;
      if (isLink && place.linked) countLinks(entered, target, posix.join(folder, path));
      const above = new Set([...place.above, target]);
      waiting.push({ path: `${path}/`, reached: inside, real: target, above, linked: place.linked || isLink });
    }
  }
  return found;
}

/** Where a pattern has come to behind a name. A large one has work for milliseconds in one name. */
async function behind(name: string, before: Reached, pattern: PathPattern, pacer: Pacer): Promise<Reached | undefined> {
  const characters = [...name];
  const atOnce = Math.ceil(WORK_AT_ONCE / pattern.size);
  let reached: Reached | undefined = before;
  for (let from = 0; from < characters.length && reached !== undefined; from += atOnce) {
    const piece = characters.slice(from, from + atOnce);
    if (pacer.due(64 * pattern.size * piece.length)) await pacer.pause();
    reached = pattern.further(reached, piece, from === 0);
  }
  return reached;
}

/** None for a folder that cannot be read, or no longer. */
async function* entriesOf(folder: string): AsyncGenerator<Dirent> {
  try {
    yield* await opendir(folder, { bufferSize: ENTRIES });
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error;
  }
}

function countLinks(entered: Map<string, number>, target: string, path: string): void {
  const times = (entered.get(target) ?? 0) + 1;
  entered.set(target, times);
  if (times <= MOST_ENTERED) return;
  throw new TensimError('INVALID_ARGUMENT', `links lead to this folder on more than ${count(MOST_ENTERED)} ways`, {
    file: path,
    hint: 'Give a pattern without "**", or the folder itself',
  });
}

async function leadsToFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
