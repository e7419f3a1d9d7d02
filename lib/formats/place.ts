import { constants, type Stats } from 'node:fs';
import { access, lstat, readlink, realpath } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { TensimError } from '../errors.js';

/** Where a file goes, and what it replaces there. */
export interface Place {
  /** The path itself, or where the symbolic links it names lead. */
  readonly target: string;
  /** Absent where there is no file yet. */
  readonly replaced?: Pick<Stats, 'mode' | 'uid' | 'gid'>;
}

/** Links followed one after the other, as Linux does. */
const MOST_LINKS = 40;

/**
 * The place for a file of a name. A file that must appear whole cannot go into a pipe or a device; one that is not
 * writable was protected by somebody, and a folder that is does not change that.
 * @throws TensimError `INVALID_ARGUMENT` for a folder, a FIFO, a socket, a device, a read-only file, links in a circle
 */
export async function placeOf(path: string): Promise<Place> {
  let target = path;
  for (let links = 0; links <= MOST_LINKS; links++) {
    const found = await lstat(target).catch(() => undefined);
    if (found === undefined) return { target };
    if (!found.isSymbolicLink()) {
      await checkReplaceable(path, target, found);
      return { target, replaced: found };
    }
    target = resolve(await realpath(dirname(target)), await readlink(target));
  }
  throw refusal(path, 'its symbolic links lead in a circle', 'Remove the link, or choose another name');
}

async function checkReplaceable(path: string, target: string, found: Stats): Promise<void> {
  if (found.isDirectory()) throw refusal(path, 'this is a folder', 'Name a file in it');
  if (!found.isFile()) {
    throw refusal(
      path,
      `this is ${kindOf(found)}`,
      'A file appears whole or not at all: name one, and pipe what is printed',
    );
  }
  await access(target, constants.W_OK).catch((cause: unknown) => {
    throw refusal(path, 'it is read-only', 'Make it writable, or choose another name', cause);
  });
}

function kindOf(found: Stats): string {
  if (found.isFIFO()) return 'a pipe (FIFO)';
  return found.isSocket() ? 'a socket' : 'a device';
}

function refusal(file: string, what: string, hint: string, cause?: unknown): TensimError {
  return new TensimError('INVALID_ARGUMENT', `the file cannot be written: ${what}`, { file, hint, cause });
}
