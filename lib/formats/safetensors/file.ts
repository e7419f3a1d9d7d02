import { unhurried } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { byteCount } from '../../words/counts.js';
import { lookAlike } from '../look_alike.js';
import { SourceFile } from '../source_file.js';
import { DAMAGED_HINT, HEADER_LIMITS, type Header, parseHeader } from './header.js';

/** One safetensors file, open, with its header checked against its true size. */
export interface SafetensorsFile extends Header {
  readonly source: SourceFile;
}

/**
 * Opens a safetensors file and parses its header. Memory is claimed only after the claim was compared with the file's
 * size.
 * @throws TensimError as `SourceFile.open`, and `INVALID_FILE` for every violation of the format
 */
export function openSafetensorsFile(path: string, signal?: AbortSignal): Promise<SafetensorsFile> {
  return SourceFile.openedFor(path, async (source) => {
    const bytes = await readHeader(source);
    return { source, ...(await unhurried(parseHeader(bytes, path, source.size), signal)) };
  });
}

async function readHeader(source: SourceFile): Promise<Buffer> {
  const { path: file, size } = source;
  const first = Buffer.alloc(Math.min(8, size));
  await source.read(first, 0);
  const hint = lookAlike(first) ?? DAMAGED_HINT;
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
