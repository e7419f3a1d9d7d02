import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Pacer } from '../../lib/cooperate.js';
import { MOST_ON_A_SIDE, readRun, readTile, writeTile } from '../../lib/workers/jobs.js';
import { Joined, partsOf } from '../../lib/workers/parts.js';
import { type Computed, decodeRecord, encodeError, encodeFile, encodeTile } from '../../lib/workers/records.js';
import { secondsOf, tilesFor } from '../../lib/workers/sizes.js';

const refused = { code: 'INVALID_ARGUMENT' };
const numbers = (most: number) => fc.uniqueArray(fc.nat(1_000_000), { minLength: 1, maxLength: most });

describe('a tile in the queue', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(numbers(40), numbers(40), fc.boolean(), (rows, others, symmetric) => {
        const job = { rows, columns: symmetric ? rows : others, symmetric };
        const text = JSON.parse(JSON.stringify(writeTile('a1', 7, job, 12.5)));
        expect(readTile(text)).toEqual({ run: 'a1', tile: 7, seconds: 12.5, job });
      }),
    );
  });

  it('takes less than 2 KB, whatever models are in it', () => {
    const scattered = Array.from({ length: MOST_ON_A_SIDE }, (_, i) => 900_000 + 2 * i);
    const text = JSON.stringify(
      writeTile('0123456789abcdef', 99_999, { rows: scattered, columns: scattered, symmetric: false }, 20),
    );
    expect(text.length).toBeLessThan(2000);
    const whole = Array.from({ length: MOST_ON_A_SIDE }, (_, i) => i);
    expect(
      JSON.stringify(writeTile('a1', 0, { rows: whole, columns: whole, symmetric: true }, 20)).length,
    ).toBeLessThan(80);
  });

  it.each([
    [null],
    [{}],
    [{ run: 'a1', tile: 0, rows: '0', seconds: 1, more: 1 }],
    [{ run: '../a', tile: 0, rows: '0', seconds: 1 }],
    [{ run: 'a1', tile: -1, rows: '0', seconds: 1 }],
    [{ run: 'a1', tile: 0, rows: '', seconds: 1 }],
    [{ run: 'a1', tile: 0, rows: '0-zzzzzzzz', seconds: 1 }],
    [{ run: 'a1', tile: 0, rows: '9-1', seconds: 1 }],
    [{ run: 'a1', tile: 0, rows: '0', columns: '1,,2', seconds: 1 }],
    [{ run: 'a1', tile: 0, rows: '0', seconds: Number.NaN }],
  ])('%j is none', (value) => {
    expect(() => readTile(value)).toThrow(expect.objectContaining(refused));
  });

  it.each(['', '{', '{}', '{"schema":"tensim.run/1","setting":{},"models":[],"sizes":[],"mixed":false}'])(
    'is of no run %j',
    async (text) => {
      await expect(readRun(text, new Pacer())).rejects.toMatchObject(refused);
    },
  );
});

describe('a result', () => {
  const by: Computed = { worker: 'w:1:a', numerics: 'fallback', seconds: 1.5, prepared: 3 };
  const job = { rows: [0, 1], columns: [2, 3, 4], symmetric: false };
  const drawn = (length: number) => Float64Array.from({ length }, (_, i) => Math.sin(i + length) * 2 ** (i - 3));
  const TILES = [
    [{ total: drawn(6) }, 0],
    [{ total: drawn(6), bound: drawn(6) }, 0],
    [{ total: drawn(6), perOutput: drawn(12) }, 2],
    [
      {
        ...{ total: drawn(6), perOutput: drawn(12) },
        ...{ exponents: Int32Array.from([1, -2, 3, 4, 5, 1 << 30]), sliceExponents: new Int32Array(12).fill(-9) },
      },
      2,
    ],
  ] as const;

  it.each(TILES)('is read to the bit as it was written', (tile, slices) => {
    expect(decodeRecord(encodeTile(by, tile as never), job, slices)).toEqual({ kind: 'tile', by, tile });
  });

  it.each(TILES)('is refused where it is cut short, too long, or of another tile', (tile, slices) => {
    const record = encodeTile(by, tile as never);
    for (let end = 0; end < record.length; end += 7)
      expect(() => decodeRecord(record.subarray(0, end), job, slices)).toThrow(expect.objectContaining(refused));
    const others: [Buffer, typeof job, number][] = [
      [Buffer.concat([record, Buffer.alloc(8)]), job, slices],
      [record, { ...job, rows: [0] }, slices],
      [record, job, slices + 1],
    ];
    for (const other of others) expect(() => decodeRecord(...other)).toThrow(expect.objectContaining(refused));
  });

  it('is an error, or lies in a file', () => {
    const error = { code: 'ZERO_NORM', message: '"a" is zero' };
    expect(decodeRecord(encodeError(error), job, 0)).toEqual({ kind: 'error', error });
    expect(decodeRecord(encodeFile(by, 'ab'), job, 0)).toEqual({ kind: 'file', by, sha256: 'ab' });
  });

  it('is put together of parts of any size', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 10 }),
        fc.boolean(),
        (rowCount, columnCount, side, symmetric) => {
          const rows = Array.from({ length: rowCount }, (_, i) => i);
          const columns = symmetric ? rows : Array.from({ length: columnCount }, (_, i) => 20 + i);
          const whole = { rows, columns, symmetric };
          const productOf = (i: number, j: number) => (symmetric ? 100 * Math.min(i, j) + Math.max(i, j) : 100 * i + j);
          const tileOf = (rows: readonly number[], columns: readonly number[]) => ({
            total: Float64Array.from(rows.flatMap((i) => columns.map((j) => productOf(i, j)))),
            perOutput: Float64Array.from(
              rows.flatMap((i) => columns.flatMap((j) => [productOf(i, j), -productOf(i, j)])),
            ),
          });
          const joined = new Joined(whole);
          for (const part of partsOf(whole, side)) joined.put(part, tileOf(part.job.rows, part.job.columns));
          expect(joined.tile).toEqual(tileOf(rows, columns));
        },
      ),
    );
  });
});

describe('the size of tiles', () => {
  const sizes = { pairs: 10_000_000, secondsOfPair: 0.01, slices: 0, hasFolder: false, tileSeconds: undefined };

  it('is that of twenty seconds, or of less where they would be too few', () => {
    expect(secondsOf(sizes, tilesFor(sizes, 4))).toBeCloseTo(20, -1);
    expect(tilesFor({ ...sizes, tileSeconds: 0.04 }, 4)).toBe(2);
    // 100 seconds of work for four workers: sixteen tiles.
    const few = { ...sizes, pairs: 10_000 };
    expect(secondsOf(few, tilesFor(few, 4))).toBeCloseTo(100 / 16, 0);
    expect(tilesFor({ ...sizes, secondsOfPair: 100 }, 1)).toBe(1);
    expect(tilesFor({ ...sizes, secondsOfPair: 1e-12 }, 1)).toBe(MOST_ON_A_SIDE);
  });

  it('lets results through Redis, or a folder', () => {
    const many = { ...sizes, slices: 10_000, secondsOfPair: 1e-9 };
    expect(tilesFor(many, 1)).toBe(5);
    expect(tilesFor({ ...many, hasFolder: true }, 1)).toBe(23);
    expect(() => tilesFor({ ...many, slices: 1_000_000 }, 1)).toThrow(
      expect.objectContaining({ code: 'MEMORY_LIMIT' }),
    );
  });
});
