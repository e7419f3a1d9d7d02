import { unhurried } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { byteCount } from '../describe.js';
import { SourceFile } from '../source-file.js';
import { DAMAGED_HINT, HEADER_LIMITS, type Header, parseHeader } from './header.js';

/** One safetensors file, open, with its header checked against its true size. */
export interface SafetensorsFile extends Header {
  readonly source: SourceFile;
}

/** First bytes of what is often mistaken for a safetensors file, and what to do with it. */
const LOOK_ALIKES: readonly (readonly [magic: string, hint: string])[] = [
  ['version ', 'This is a Git LFS pointer, not the file itself: run "git lfs pull"'],
  ['PK\x03\x04', 'This looks like a PyTorch or NumPy archive: save it with safetensors first'],
  ['\x80\x02', 'This looks like a pickled PyTorch checkpoint: save it with safetensors first'],
  ['\x93NUMPY', 'This looks like a NumPy array: save it with safetensors first'],
  ['\x89HDF', 'This looks like an HDF5 file: save it with safetensors first'],
  ['GGUF', 'This looks like a GGUF file: use the safetensors checkpoint it was made from'],
  ['{', 'This looks like JSON: the index of a sharded checkpoint must have a name that ends in .json'],
  ['<', 'This looks like a web page: the download probably brought an error page or a login form instead'],
];

/**
 * Opens a safetensors file and parses its header. Memory is claimed only after the claim was compared with the file's size.
 * @throws TensimError as `SourceFile.open`, and `INVALID_FILE` for every violation of the format
 */
export async function openSafetensorsFile(path: string, signal?: AbortSignal): Promise<SafetensorsFile> {
  const source = await SourceFile.open(path);
  try {
    const bytes = await readHeader(source);
    return { source, ...(await unhurried(parseHeader(bytes, path, source.size), signal)) };
  } catch (error) {
    await source.close();
    throw error;
  }
}

async function readHeader(source: SourceFile): Promise<Buffer> {
  const { path: file, size } = source;
  const first = Buffer.alloc(Math.min(8, size));
  await source.read(first, 0);
  const start = first.toString('latin1');
  const hint = LOOK_ALIKES.find(([magic]) => start.startsWith(magic))?.[1] ?? DAMAGED_HINT;
  if (size < 8)
    throw new TensimError(
      'INVALID_FILE',
      `the file has only ${byteCount(size)}; a safetensors file begins with eight that give the length of its header`,
      { file, hint },
    );
  const length = first.readBigUInt64LE();
  if (length > HEADER_LIMITS.bytes)
    throw new TensimError(
      'INVALID_FILE',
      `its header claims ${byteCount(length)}, at most ${byteCount(HEADER_LIMITS.bytes)} are allowed`,
      { file, hint },
    );
  if (length > size - 8)
    throw new TensimError(
      'INVALID_FILE',
      `its header claims ${byteCount(length)}, but the file ends after ${byteCount(size)}: ` +
        'the download or copy was probably cut short',
      { file, hint },
    );
  const bytes = Buffer.alloc(Number(length));
  await source.read(bytes, 8);
  return bytes;
}
