import type { Random } from '../../support/random.js';
import { membersOf } from '../../support/unzip.js';
import { deflated, type Member, type ZipOptions, zip } from '../../support/zip.js';
import { anyNumber, chance, mutateBytes, pick } from './bytes.js';

/** The members of an archive; undefined for bytes that are none. */
export function archive(bytes: Uint8Array): Member[] | undefined {
  try {
    const members = membersOf(Buffer.from(bytes));
    return members.length > 0 ? members : undefined;
  } catch {
    return undefined;
  }
}

/** Mutates an archive as such: its checksums and places are right again, except where they are to be wrong. */
export function mutateArchive(
  bytes: Uint8Array,
  random: Random,
  other: () => Uint8Array,
  inside: (member: Member, others: () => readonly Member[]) => Buffer,
): Uint8Array {
  const members = chance(random, 0.1) ? undefined : archive(bytes);
  if (members === undefined) return mutateBytes(bytes, random, other, ['PK\x03\x04', 'PK\x05\x06', 'data.pkl', '.npy']);
  const others = () => archive(other()) ?? members;
  const changed = [...members];
  const at = random.integer(0, changed.length - 1);
  if (chance(random, 0.8)) {
    // What everything hangs on stands first in archives of PyTorch.
    const place = chance(random, 0.5) ? 0 : at;
    changed[place] = { ...changed[place], data: inside(changed[place], others) };
  } else changeDirectory(changed, at, random, others);
  return packed(changed, {
    zip64: chance(random, 0.1),
    ...(chance(random, 0.02) && { entries: Math.abs(anyNumber(random)) % 70_000 }),
    ...(chance(random, 0.02) && { comment: 'PK\x05\x06'.repeat(random.integer(0, 9)) }),
  });
}

function changeDirectory(members: Member[], at: number, random: Random, others: () => readonly Member[]): void {
  const member = members[at];
  const size = Math.abs(anyNumber(random)) % 2 ** 32;
  switch (random.integer(0, 6)) {
    case 0:
      members.splice(at, 1, ...(members.length > 1 ? [] : [member]));
      return;
    case 1:
      members.push(pick(random, others()));
      return;
    case 2:
      members[at] = {
        ...member,
        name: pick(random, [...members.map(({ name }) => name), '../x', '', 'w', 'a\0b', '💥']),
      };
      return;
    case 3:
      members[at] = { ...member, ...pick(random, [{ size }, { header: size }, { localName: 'elsewhere' }]) };
      return;
    case 4:
      members[at] = { ...member, method: pick(random, [0, 8, 8, 99]), flags: pick(random, [0x800, 0, 1, 8]) };
      return;
    case 5:
      // What unfolds to something else than the directory says.
      members[at] = {
        ...member,
        method: 8,
        data: member.data.subarray(0, random.integer(0, 40)),
        crc: 0,
        unpacked: size,
      };
      return;
    default:
      members[at] = { ...member, data: Buffer.concat([member.data, Buffer.alloc(random.integer(1, 64))]) };
  }
}

/** An archive of members; those that are to be compressed are, but for such as lie about what is in them. */
export function packed(members: readonly Member[], options?: ZipOptions): Buffer {
  const all = members.map((member) => {
    const { name, data, method, crc, ...others } = member;
    return method === 8 && crc === undefined ? deflated(name, data, others) : member;
  });
  return zip(all, options);
}

/** Archives with one member less. */
export function* fewerMembers(bytes: Uint8Array): Generator<Uint8Array> {
  const members = archive(bytes) ?? [];
  for (let at = 0; at < members.length; at++) yield packed(members.toSpliced(at, 1));
}
