import { inflateRawSync } from 'node:zlib';
import type { Member } from './zip.js';

/**
 * The members of an archive whose sizes are in plain records, by its directory and without doubting it. Data that are
 * compressed there are not here.
 */
export function membersOf(archive: Buffer): Member[] {
  const members: Member[] = [];
  let at = archive.readUInt32LE(archive.length - 6);
  while (at + 46 <= archive.length && archive.readUInt32LE(at) === 0x02014b50) {
    const [method, nameLength, extraLength, commentLength] = [10, 28, 30, 32].map((field) =>
      archive.readUInt16LE(at + field),
    );
    const header = archive.readUInt32LE(at + 42);
    const data = header + 30 + archive.readUInt16LE(header + 26) + archive.readUInt16LE(header + 28);
    const name = archive.toString('utf8', at + 46, at + 46 + nameLength);
    const stored = archive.subarray(data, data + archive.readUInt32LE(at + 20));
    members.push(method === 8 ? { name, data: inflateRawSync(stored), method } : { name, data: stored });
    at += 46 + nameLength + extraLength + commentLength;
  }
  return members;
}
