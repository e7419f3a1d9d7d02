import { crc32, deflateRawSync } from 'node:zlib';

/** A member of an archive to be made, and the lies to be told about it. */
export interface Member {
  readonly name: string;
  readonly data: Uint8Array;
  readonly method?: number;
  readonly flags?: number;
  /** What the directory says the size is, instead of the truth. */
  readonly size?: number;
  /** What the directory says the size and the checksum are before compression, instead of those of the data. */
  readonly unpacked?: number;
  readonly crc?: number;
  /** Where the directory says the local header is. */
  readonly header?: number;
  /** What the local header says the name is. */
  readonly localName?: string;
}

export interface ZipOptions {
  /** Every size and place in zip64 records. */
  readonly zip64?: boolean;
  readonly comment?: string;
  /** Number of members that the end record claims. */
  readonly entries?: number;
}

const u16 = (...values: number[]) => Buffer.concat(values.map((value) => Buffer.from([value & 255, value >>> 8])));
const u32 = (...values: number[]) =>
  Buffer.concat(
    values.map((value) => {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32LE(value);
      return bytes;
    }),
  );
const u64 = (...values: number[]) =>
  Buffer.concat(
    values.map((value) => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64LE(BigInt(value));
      return bytes;
    }),
  );

/** A member that is compressed. */
export function deflated(name: string, data: Uint8Array, lies: Partial<Member> = {}): Member {
  return { name, data: deflateRawSync(data), method: 8, unpacked: data.length, crc: crc32(data), ...lies };
}

/** A ZIP archive, byte by byte after PKWARE's APPNOTE, so that anything in it can be wrong. */
export function zip(members: readonly Member[], { zip64 = false, comment = '', entries }: ZipOptions = {}): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  const add = (...pieces: Uint8Array[]) => {
    for (const piece of pieces) {
      parts.push(Buffer.from(piece));
      at += piece.length;
    }
  };
  for (const member of members) {
    const { name, data, method = 0, flags = 0x800, size = data.length, header = at, localName = name } = member;
    const { unpacked = size, crc = crc32(data) } = member;
    const [nameBytes, localBytes] = [Buffer.from(name), Buffer.from(localName)];
    add(
      u32(0x04034b50),
      u16(20, flags, method, 0, 0),
      u32(crc, data.length, (member.unpacked ?? data.length) % 2 ** 32),
      u16(localBytes.length, 0),
    );
    add(localBytes, data);
    const [shown, extra] = zip64
      ? [[0xffffffff, 0xffffffff, 0xffffffff], Buffer.concat([u16(1, 24), u64(unpacked, size, header)])]
      : [[size, unpacked, header], Buffer.alloc(0)];
    directory.push(
      Buffer.concat([
        u32(0x02014b50),
        u16(20, 20, flags, method, 0, 0),
        u32(crc, shown[0], shown[1]),
        u16(nameBytes.length, extra.length, 0, 0, 0),
        u32(0, shown[2]),
        nameBytes,
        extra,
      ]),
    );
  }
  const start = at;
  add(Buffer.concat(directory));
  const bytes = at - start;
  const count = entries ?? members.length;
  if (zip64) {
    const record = at;
    add(u32(0x06064b50), u64(44), u16(45, 45), u32(0, 0), u64(count, count, bytes, start));
    add(u32(0x07064b50, 0), u64(record), u32(1));
  }
  const [shownCount, shownBytes, shownStart] = zip64 ? [0xffff, 0xffffffff, 0xffffffff] : [count, bytes, start];
  add(u32(0x06054b50), u16(0, 0, shownCount, shownCount), u32(shownBytes, shownStart));
  add(u16(comment.length), Buffer.from(comment, 'latin1'));
  return Buffer.concat(parts);
}
