import { randomUUID } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { TensimError } from '../errors.js';

/**
 * Writes a file that appears under its name only when it is complete: beside its place first, then renamed.
 * @throws TensimError that `write` throws; `INVALID_ARGUMENT` where the system refuses to write, with its reason
 */
export async function replaceFile(path: string, write: (handle: FileHandle) => Promise<void>): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  let handle: FileHandle | undefined;
  try {
    handle = await open(temporary, 'wx');
    await write(handle);
    await handle.sync();
    await handle.close();
    handle = undefined;
    await rename(temporary, path);
  } catch (error) {
    await handle?.close();
    await rm(temporary, { force: true });
    if (error instanceof TensimError || !(error instanceof Error && 'syscall' in error)) throw error;
    throw new TensimError('INVALID_ARGUMENT', `the file cannot be written (${error.message})`, {
      file: path,
      hint: 'Check that its folder exists, is writable and has room',
      cause: error,
    });
  }
}
