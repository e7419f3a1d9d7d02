import type { GramTile } from '../../backend/grams.js';
import type { Job } from '../gram/schedule.js';
import type { ScaledTile } from '../scale/model_scale.js';

/**
 * What a state file records. Settings and models are numbered in the order in which they are recorded.
 *
 *     setting   0, JSON
 *     models    1, a digest of 32 bytes each
 *     tile      2, flags (1 byte); setting, slices, numbers of rows and of columns (u32 each); the rows, the columns
 *               (u32 each); the products of the whole, of the slices, and what flags tell of (f64)
 *
 *     shard     3, JSON in deflate: which part of which matrix the file is (lib/shards)
 *
 * Flags add up: 1 where the tile is symmetric, 2 where it has bounds, 4 where it has exponents of the whole and of the
 * slices (f64 as all of it).
 *
 * Numbers are little-endian. A symmetric tile has its products above the diagonal twice, as backends return them.
 */
export type StateRecord =
  | { readonly kind: 'setting'; readonly setting: string }
  | { readonly kind: 'models'; readonly identities: readonly string[] }
  | { readonly kind: 'tile'; readonly setting: number; readonly job: Job; readonly tile: GramTile | ScaledTile }
  | { readonly kind: 'shard'; readonly text: Buffer };

const KINDS = ['setting', 'models', 'tile', 'shard'] as const;
const IDENTITY_BYTES = 32;
const TILE_HEAD = 2 + 4 * 4;
const FLAGS = { symmetric: 1, bound: 2, exponents: 4 } as const;

export function encodeRecord(record: StateRecord): Buffer {
  const kind = Buffer.of(KINDS.indexOf(record.kind));
  switch (record.kind) {
    case 'setting':
      return Buffer.concat([kind, Buffer.from(record.setting)]);
    case 'models':
      return Buffer.concat([kind, ...record.identities.map((identity) => Buffer.from(identity, 'hex'))]);
    case 'tile':
      return encodeTile(record.setting, record.job, record.tile);
    case 'shard':
      return Buffer.concat([kind, record.text]);
  }
}

/**
 * The record of a payload that has passed its check; undefined for one that nothing writes. Memory is claimed only when
 * the sizes that it tells are those that it has.
 */
export function decodeRecord(payload: Buffer): StateRecord | undefined {
  const body = payload.subarray(1);
  switch (KINDS[payload[0]]) {
    case 'setting':
      return { kind: 'setting', setting: body.toString() };
    case 'models': {
      const count = body.length / IDENTITY_BYTES;
      if (count === 0 || !Number.isInteger(count)) return undefined;
      const at = (i: number) => body.toString('hex', i * IDENTITY_BYTES, (i + 1) * IDENTITY_BYTES);
      return { kind: 'models', identities: Array.from({ length: count }, (_, i) => at(i)) };
    }
    case 'tile':
      return decodeTile(payload);
    case 'shard':
      return { kind: 'shard', text: body };
    default:
      return undefined;
  }
}

function encodeTile(setting: number, { rows, columns, symmetric }: Job, tile: GramTile | ScaledTile): Buffer {
  const { total, perOutput, bound } = tile;
  const { exponents, sliceExponents }: Partial<ScaledTile> = 'exponents' in tile ? tile : {};
  const slices = perOutput === undefined ? 0 : perOutput.length / total.length;
  const numbers = [setting, slices, rows.length, columns.length, ...rows, ...columns];
  const parts = [total, perOutput, bound, exponents, sliceExponents].filter((part) => part !== undefined);
  const products = parts.reduce((sum, part) => sum + part.length, 0);
  const bytes = Buffer.alloc(2 + 4 * numbers.length + 8 * products);
  bytes[0] = KINDS.indexOf('tile');
  bytes[1] = (symmetric ? FLAGS.symmetric : 0) | (bound ? FLAGS.bound : 0) | (exponents ? FLAGS.exponents : 0);
  let at = 2;
  for (const number of numbers) at = bytes.writeUInt32LE(number, at);
  for (const part of parts) for (const value of part) at = bytes.writeDoubleLE(value, at);
  return bytes;
}

function decodeTile(bytes: Buffer): StateRecord | undefined {
  if (bytes.length < TILE_HEAD) return undefined;
  const word = (i: number) => bytes.readUInt32LE(2 + 4 * i);
  const [setting, slices, rowCount, columnCount] = [word(0), word(1), word(2), word(3)];
  const products = TILE_HEAD + 4 * (rowCount + columnCount);
  const size = rowCount * columnCount;
  const flags = bytes[1];
  const has = (flag: keyof typeof FLAGS) => (flags & FLAGS[flag]) !== 0;
  const scaled = has('exponents') ? 1 : 0;
  const sizes = [size, slices * size, has('bound') ? size : 0, scaled * size, scaled * slices * size];
  const all = sizes.reduce((sum, one) => sum + one, 0);
  if (size === 0 || bytes.length !== products + 8 * all) return undefined;
  const words = (count: number, from: number) => Array.from({ length: count }, (_, i) => word(from + i));
  const doubles = (count: number, from: number) =>
    Float64Array.from({ length: count }, (_, i) => bytes.readDoubleLE(products + 8 * (from + i)));
  const job: Job = { rows: words(rowCount, 4), columns: words(columnCount, 4 + rowCount), symmetric: has('symmetric') };
  const square = rowCount === columnCount && job.rows.every((row, i) => row === job.columns[i]);
  if (flags >= 2 * FLAGS.exponents || (job.symmetric && !square)) return undefined;
  let from = 0;
  const [total, perOutput, bound, exponents, sliceExponents] = sizes.map((count) => {
    from += count;
    return doubles(count, from - count);
  });
  if (![total, perOutput, bound].every((part) => part.every(Number.isFinite))) return undefined;
  const isWhole = (part: Float64Array) => part.every((value) => Object.is(value | 0, value));
  if (!(isWhole(exponents) && isWhole(sliceExponents))) return undefined;
  const plain: GramTile = {
    total,
    ...(slices > 0 && { perOutput }),
    ...(has('bound') && { bound }),
  };
  const own = { exponents: Int32Array.from(exponents), sliceExponents: Int32Array.from(sliceExponents) };
  const tile: GramTile | ScaledTile = scaled === 0 ? plain : { ...plain, ...own };
  return { kind: 'tile', setting, job, tile };
}
