import { TensimError } from '../errors.js';
import { byteCount } from '../words/counts.js';
import { fileChanged, onceMore } from './changed.js';
import { SourceFile } from './source_file.js';

/**
 * The text of a file that should be small.
 * @throws TensimError `FILE_NOT_FOUND`, `INVALID_FILE` if it is larger than `limit` bytes or no file; `FILE_CHANGED`
 */
export function readText(path: string, limit: number): Promise<string> {
  return onceMore(() => readOnce(path, limit));
}

async function readOnce(path: string, limit: number): Promise<string> {
  const file = await SourceFile.open(path);
  try {
    if (file.size > limit)
      throw new TensimError('INVALID_FILE', `has ${byteCount(file.size)}, at most ${byteCount(limit)} are read`, {
        file: path,
      });
    const bytes = Buffer.alloc(file.size);
    await file.read(bytes, 0);
    if (!((await file.readsTheSame()) && (await file.isInPlace()))) throw fileChanged(path);
    return bytes.toString('utf8').replace(/^\uFEFF/, '');
  } finally {
    await file.close();
  }
}
