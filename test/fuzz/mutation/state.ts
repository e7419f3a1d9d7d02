import { createHash } from 'node:crypto';
import type { Random } from '../../support/random.js';
import { chance, mutateBytes, pick, timesOf } from './bytes.js';

/** As lib/similarity/state/log.ts has them; written down again, because a fuzzer that asks the reader finds nothing. */
const MAGIC = Buffer.from('tensim.state/1\n\0', 'latin1');
const CHECK_BYTES = 16;

const digest = (...parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest().subarray(0, CHECK_BYTES);
};

/** How state files of samples begin, as lib/shards/samples/part_file.ts has it. */
export const SAMPLED = Buffer.from('tensim.sampled/1\n\0', 'latin1');

/** The payloads of a state file, whether their checks are right or not. */
export function payloadsOf(bytes: Buffer, magic = MAGIC): Buffer[] {
  const payloads: Buffer[] = [];
  for (let at = magic.length; at + 4 <= bytes.length; ) {
    const end = at + 4 + bytes.readUInt32LE(at);
    if (end + CHECK_BYTES > bytes.length) break;
    payloads.push(bytes.subarray(at + 4, end));
    at = end + CHECK_BYTES;
  }
  return payloads;
}

/** A state file of these records, with the checks that they must have. */
export function stateFile(payloads: readonly Uint8Array[], magic = MAGIC): Buffer {
  let check = digest(magic);
  const records = payloads.map((payload) => {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(payload.length);
    check = digest(check, length, payload);
    return Buffer.concat([length, payload, check]);
  });
  return Buffer.concat([magic, ...records]);
}

/** Mutates records; their checks are right again. */
export function mutateState(bytes: Uint8Array, random: Random, other: () => Uint8Array, magic = MAGIC): Buffer {
  const payloads = payloadsOf(Buffer.from(bytes), magic);
  if (payloads.length === 0 || chance(random, 0.1)) return mutateBytes(bytes, random, other);
  for (let times = timesOf(random, 3); times > 0; times--) {
    const at = random.integer(0, payloads.length - 1);
    const foreign = () => pick(random, [Buffer.alloc(0), ...payloadsOf(Buffer.from(other()), magic)]);
    switch (random.integer(0, 6)) {
      case 0:
        if (payloads.length > 1) payloads.splice(at, 1);
        break;
      case 1:
        payloads.splice(random.integer(0, payloads.length), 0, payloads[at]);
        break;
      case 2:
        payloads.splice(at, 0, foreign());
        break;
      case 3:
        payloads[at] = headChanged(payloads[at], random);
        break;
      default:
        payloads[at] = mutateBytes(payloads[at], random, foreign, ['[', ']', '"', 'null', 'factor', 'dense']);
    }
  }
  return stateFile(payloads, magic);
}

/** State files with one record less. */
export function* fewerRecords(bytes: Uint8Array, magic = MAGIC): Generator<Uint8Array> {
  const payloads = payloadsOf(Buffer.from(bytes), magic);
  for (let at = 0; at < payloads.length; at++) yield stateFile(payloads.toSpliced(at, 1), magic);
}

/** One of the numbers at the head of a tile: of setting, slices, rows, columns, models. */
function headChanged(payload: Buffer, random: Random): Buffer {
  const changed = Buffer.from(payload);
  const at = 2 + 4 * random.integer(0, 8);
  if (at + 4 > changed.length) return changed;
  changed.writeUInt32LE(pick(random, [0, 1, 2, 3, 4, 1000, 65_536, 2 ** 31, 2 ** 32 - 1]), at);
  return changed;
}
