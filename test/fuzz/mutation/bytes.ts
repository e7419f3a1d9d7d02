import type { Random } from '../../support/random.js';

/** The longest input that is made. */
export const LONGEST = 32_768;

export const pick = <Item>(random: Random, items: readonly Item[]): Item => items[random.integer(0, items.length - 1)];
export const chance = (random: Random, probability: number): boolean => random.uniform() < probability;

/** Numbers at which something may end: of types, of sizes, of what is exact. */
export const NUMBERS = [
  ...[0, 1, 2, 3, 4, 7, 8, 16, 31, 32, 33, 64, 100, 127, 128, 255, 256, 257, 1000, 4096, 32767, 32768, 65535, 65536],
  ...[2 ** 24, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1, 2 ** 53, 2 ** 63, -1, -2, -128, -(2 ** 31)],
];

/** A number to be written somewhere, mostly small. */
export function anyNumber(random: Random): number {
  return chance(random, 0.5) ? random.integer(0, 9) : pick(random, NUMBERS);
}

/** How often something is changed: mostly once, for what is changed much is refused at once. */
export const timesOf = (random: Random, most: number): number => (chance(random, 0.6) ? 1 : random.integer(2, most));

/** Changes bytes without knowing what they mean, in one to four places. */
export function mutateBytes(
  bytes: Uint8Array,
  random: Random,
  other: () => Uint8Array,
  tokens: readonly string[] = [],
): Buffer {
  let result: Buffer = Buffer.from(bytes);
  for (let times = timesOf(random, 4); times > 0; times--) result = changed(result, random, other, tokens);
  return result.subarray(0, LONGEST);
}

function changed(bytes: Buffer, random: Random, other: () => Uint8Array, tokens: readonly string[]): Buffer {
  const [at, end] = [random.integer(0, bytes.length), random.integer(0, bytes.length)].sort((a, b) => a - b);
  const short = Math.min(end, at + 16);
  const put = (piece: Uint8Array, until: number) =>
    Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(Math.min(until, bytes.length))]);
  switch (random.integer(0, 9)) {
    case 0:
      return put(Buffer.of((bytes[at] ?? 0) ^ (1 << random.integer(0, 7))), at + 1);
    case 1:
      return put(Buffer.of(pick(random, [0, 0xff, 0x7f, 0x80, random.integer(0, 255)])), at + 1);
    case 2:
      return numberWritten(bytes, at, random);
    case 3:
      return put(Buffer.alloc(0), chance(random, 0.8) ? short : end);
    case 4:
      return put(bytes.subarray(at, short), chance(random, 0.5) ? at : short);
    case 5:
      return put(Buffer.from(Array.from({ length: random.integer(1, 8) }, () => random.integer(0, 255))), at);
    case 6: {
      const token = tokens.length > 0 ? pick(random, tokens) : '';
      return put(Buffer.from(token), chance(random, 0.5) ? at : at + token.length);
    }
    case 7: {
      const foreign = other();
      const from = random.integer(0, foreign.length);
      return put(foreign.subarray(from, from + random.integer(1, 64)), chance(random, 0.5) ? at : short);
    }
    case 8:
      return digitsReplaced(bytes, random);
    default:
      return chance(random, 0.2) ? bytes.subarray(0, at) : put(bytes.subarray(at, short), at);
  }
}

/** A number in binary, of any width and either order. */
function numberWritten(bytes: Buffer, at: number, random: Random): Buffer {
  const width = pick(random, [1, 2, 4, 8]);
  if (at + width > bytes.length) return bytes;
  const value = BigInt.asUintN(8 * width, BigInt(anyNumber(random)));
  const result = Buffer.from(bytes);
  for (let i = 0; i < width; i++) result[at + i] = Number((value >> BigInt(8 * i)) & 255n);
  if (chance(random, 0.2)) result.subarray(at, at + width).reverse();
  return result;
}

/** A number in digits. */
function digitsReplaced(bytes: Buffer, random: Random): Buffer {
  const text = bytes.toString('latin1');
  const runs = [...text.matchAll(/-?\d+/g)];
  if (runs.length === 0) return bytes;
  const run = pick(random, runs);
  return Buffer.from(
    text.slice(0, run.index) + String(anyNumber(random)) + text.slice(run.index + run[0].length),
    'latin1',
  );
}
