import { randomUUID } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { TensimError } from '../errors.js';
import { type Place, placeOf } from './place.js';

export interface ReplaceOptions {
  /** What is thrown where the system refuses to write. */
  readonly refused?: (cause: Error) => TensimError;
  /**
   * Whether nothing of what is there under the name counts, as in a cache, where it is no wish of anybody's: a link is
   * replaced itself, for it may lead to any file of the user's.
   */
  readonly anew?: boolean;
}

/**
 * Writes a file that appears under its name only when it is complete and on the disk: beside its place first, then
 * renamed. Every whole file of the package is written by this. What it replaces gives it its permissions and, where the
 * system lets it, its owner and group; a symbolic link stays, and what it leads to is replaced. Of a file with several
 * names (hard links) the others keep what it held: a shared file is not changed behind the back of who shares it.
 * @throws what `write` throws, be it a mistake of ours; as `placeOf`; `INVALID_ARGUMENT` where the system refuses to
 * write, with its reason
 */
export async function replaceFile(
  path: string,
  write: (handle: FileHandle) => Promise<void>,
  { refused = (cause) => cannotBeWritten(path, cause), anew = false }: ReplaceOptions = {},
): Promise<void> {
  try {
    const place = anew ? { target: path } : await placeOf(path);
    const temporary = `${place.target}.${randomUUID().slice(0, 8)}.tmp`;
    // Until it is complete, what replaces a file that others may not read is for its writer alone.
    const handle = await open(temporary, 'wx', place.replaced === undefined ? 0o666 : 0o600);
    try {
      await filled(handle, write, place);
      await rename(temporary, place.target);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  } catch (error) {
    throw isRefusal(error) ? refused(error) : error;
  }
}

/** Writes all, takes over what the file it replaces was to others, and closes in any case. */
async function filled(
  handle: FileHandle,
  write: (handle: FileHandle) => Promise<void>,
  { replaced }: Place,
): Promise<void> {
  try {
    await write(handle);
    if (replaced !== undefined) await takeOver(handle, replaced);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * The permissions of a replaced file, and its owner and group as far as they may be given. What a group was allowed is
 * not given to another: there it has what all have. Bits that run a file as its owner go, as they do when it is
 * written.
 */
async function takeOver(handle: FileHandle, { mode, uid, gid }: NonNullable<Place['replaced']>): Promise<void> {
  const own = await handle.stat();
  let permissions = mode & 0o777;
  if (own.gid !== gid) {
    const given = await handle.chown(own.uid, gid).then(
      () => true,
      () => false,
    );
    if (!given) permissions &= 0o707 | ((permissions & 0o007) << 3);
  }
  if (own.uid !== uid) await handle.chown(uid, gid).catch(() => {});
  await handle.chmod(permissions);
}

/** Whether it was the system that did not do what it was asked for: no room, no permission, no such folder. */
export function isRefusal(error: unknown): error is Error {
  return error instanceof Error && !(error instanceof TensimError) && 'syscall' in error;
}

function cannotBeWritten(path: string, cause: Error): TensimError {
  return new TensimError('INVALID_ARGUMENT', `the file cannot be written (${cause.message})`, {
    file: path,
    hint: 'Check that its folder exists, is writable and has room',
    cause,
  });
}
