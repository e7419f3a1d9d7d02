/**
 * The records of a ZIP archive that reading needs (PKWARE's APPNOTE, sections 4.3.7 to 4.3.16). All numbers are
 * little-endian. The reader starts at the end:
 *
 *     [local header, name, extra, data] …  [central header, name, extra, comment] …  [zip64 end, zip64 locator]  end, comment
 */

/** A number that says "too large for this field; look into the zip64 record". */
export const SATURATED_16 = 0xffff;
export const SATURATED_32 = 0xffffffff;

export const END = { signature: 0x06054b50, bytes: 22, mostComment: 0xffff } as const;
export const END_64 = { signature: 0x06064b50, bytes: 56 } as const;
export const LOCATOR_64 = { signature: 0x07064b50, bytes: 20 } as const;
export const CENTRAL = { signature: 0x02014b50, bytes: 46 } as const;
export const LOCAL = { signature: 0x04034b50, bytes: 30 } as const;

/** The extra field that holds the saturated numbers. */
export const EXTRA_64 = 0x0001;

/** Bits of the general purpose flags. */
export const ENCRYPTED = 0x0001;
export const UTF8_NAME = 0x0800;

/** The compression method whose data can be read by position, and the one that is read from front to back. */
export const STORED = 0;
export const DEFLATED = 8;

/** An unsigned 64-bit number; NaN beyond 2^53, where no file ends. */
export function readUInt64(bytes: Buffer, at: number): number {
  const value = bytes.readBigUInt64LE(at);
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : Number.NaN;
}
