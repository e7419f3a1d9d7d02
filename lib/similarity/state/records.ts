import type { GramTile } from '../../backend/grams.js';
import type { Job } from '../gram/schedule.js';

/**
 * What a state file records. Settings and models are numbered in the order in which they are recorded.
 *
 *     setting   0, JSON
 *     models    1, a digest of 32 bytes each
 *     tile      2, symmetric or not (1 byte); setting, slices, numbers of rows and of columns (u32 each);
 *               the rows, the columns (u32 each); the products of the whole, of the slices (f64)
 *
 * Numbers are little-endian. A symmetric tile has its products above the diagonal twice, as backends return them.
 */
export type StateRecord =
  | { readonly kind: 'setting'; readonly setting: string }
  | { readonly kind: 'models'; readonly identities: readonly string[] }
  | { readonly kind: 'tile'; readonly setting: number; readonly job: Job; readonly tile: GramTile };

const KINDS = ['setting', 'models', 'tile'] as const;
const IDENTITY_BYTES = 32;
const TILE_HEAD = 2 + 4 * 4;

export function encodeRecord(record: StateRecord): Buffer {
  const kind = Buffer.of(KINDS.indexOf(record.kind));
  switch (record.kind) {
    case 'setting':
      return Buffer.concat([kind, Buffer.from(record.setting)]);
    case 'models':
      return Buffer.concat([kind, ...record.identities.map((identity) => Buffer.from(identity, 'hex'))]);
    case 'tile':
      return encodeTile(record.setting, record.job, record.tile);
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
    default:
      return undefined;
  }
}

function encodeTile(setting: number, { rows, columns, symmetric }: Job, { total, perOutput }: GramTile): Buffer {
  const slices = perOutput === undefined ? 0 : perOutput.length / total.length;
  const numbers = [setting, slices, rows.length, columns.length, ...rows, ...columns];
  const products = total.length * (1 + slices);
  const bytes = Buffer.alloc(2 + 4 * numbers.length + 8 * products);
  bytes[0] = KINDS.indexOf('tile');
  bytes[1] = symmetric ? 1 : 0;
  let at = 2;
  for (const number of numbers) at = bytes.writeUInt32LE(number, at);
  for (const value of total) at = bytes.writeDoubleLE(value, at);
  for (const value of perOutput ?? []) at = bytes.writeDoubleLE(value, at);
  return bytes;
}

function decodeTile(bytes: Buffer): StateRecord | undefined {
  if (bytes.length < TILE_HEAD) return undefined;
  const word = (i: number) => bytes.readUInt32LE(2 + 4 * i);
  const [setting, slices, rowCount, columnCount] = [word(0), word(1), word(2), word(3)];
  const products = TILE_HEAD + 4 * (rowCount + columnCount);
  const size = rowCount * columnCount;
  if (size === 0 || bytes.length !== products + 8 * size * (1 + slices)) return undefined;
  const words = (count: number, from: number) => Array.from({ length: count }, (_, i) => word(from + i));
  const doubles = (count: number, from: number) =>
    Float64Array.from({ length: count }, (_, i) => bytes.readDoubleLE(products + 8 * (from + i)));
  const job: Job = { rows: words(rowCount, 4), columns: words(columnCount, 4 + rowCount), symmetric: bytes[1] === 1 };
  const square = rowCount === columnCount && job.rows.every((row, i) => row === job.columns[i]);
  if (bytes[1] > 1 || (job.symmetric && !square)) return undefined;
  const total = doubles(size, 0);
  const perOutput = slices > 0 ? doubles(size * slices, size) : undefined;
  if (!total.every(Number.isFinite) || perOutput?.every(Number.isFinite) === false) return undefined;
  return { kind: 'tile', setting, job, tile: { total, ...(perOutput && { perOutput }) } };
}
