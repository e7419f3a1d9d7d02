import { type Member, type ZipOptions, zip } from '../../support/zip.js';

/** Six float32: 1 to 6. */
export const SIX = Buffer.from(Float32Array.of(1, 2, 3, 4, 5, 6).buffer);

/** A checkpoint with this pickle and, unless others are given, storage 0 of six float32. */
export function checkpoint(
  pickle: Uint8Array,
  members: readonly Member[] = [{ name: 'a/data/0', data: SIX }],
  options: ZipOptions = {},
): Buffer {
  return zip([{ name: 'a/data.pkl', data: pickle }, ...members], options);
}
