import { setTimeout as wait } from 'node:timers/promises';
import { TensimError } from '../errors.js';

/** Time for who is writing to get done: longer than the times of files take to move on, where they are finer than seconds. */
const PAUSE_MS = 120;

/** What is thrown where a file was not one and the same as long as it was read. */
export function fileChanged(file: string, cause?: unknown): TensimError {
  return new TensimError('FILE_CHANGED', 'the file was written to, replaced or removed while it was read', {
    file,
    hint: 'Try again when it is complete. A program that writes beside it and then renames is never met halfway',
    ...(cause !== undefined && { cause }),
  });
}

export function isChange(error: unknown): error is TensimError {
  return error instanceof TensimError && error.code === 'FILE_CHANGED';
}

/**
 * Reads, and once again after a moment if a file has changed meanwhile: most are written in less than it takes to read
 * them.
 * @throws TensimError `FILE_CHANGED` if it did so both times; what `read` throws; the signal's reason
 */
export async function onceMore<Result>(read: () => Promise<Result>, signal?: AbortSignal): Promise<Result> {
  try {
    return await read();
  } catch (error) {
    if (!isChange(error)) throw error;
  }
  await wait(PAUSE_MS);
  signal?.throwIfAborted();
  return read();
}
