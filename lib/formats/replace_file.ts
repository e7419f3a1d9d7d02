import { randomUUID } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { TensimError } from '../errors.js';

/**
 * Writes a file that appears under its name only when it is complete and on the disk: beside its place first, then
 * renamed. Every whole file of the package is written by this.
 * @param refused what is thrown where the system refuses to write
 * @throws what `write` throws, be it a mistake of ours; `INVALID_ARGUMENT` where the system refuses to write, with its
 * reason
 */
export async function replaceFile(
  path: string,
  write: (handle: FileHandle) => Promise<void>,
  refused: (cause: Error) => TensimError = (cause) => cannotBeWritten(path, cause),
): Promise<void> {
  const temporary = `${path}.${randomUUID().slice(0, 8)}.tmp`;
  try {
    const handle = await open(temporary, 'wx');
    try {
      await filled(handle, write);
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  } catch (error) {
    throw isRefusal(error) ? refused(error) : error;
  }
}

/** Writes all, and closes in any case. */
async function filled(handle: FileHandle, write: (handle: FileHandle) => Promise<void>): Promise<void> {
  try {
    await write(handle);
    await handle.sync();
  } finally {
    await handle.close();
  }
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
