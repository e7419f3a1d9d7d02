import { describe, expect, it } from 'vitest';
import type { LowRankMatrices } from '../../lib/backend/low_rank.js';
import { decodeFloats, encodeFloats, type FloatFormat, floatArray } from '../../lib/tensor/convert.js';
import type { DType } from '../../lib/tensor/tensor.js';
import { availableBackends, fullBackend } from '../support/backends.js';
import { random } from '../support/random.js';

interface Shape {
  readonly count: number;
  readonly rank: number;
  readonly inputs: number;
  readonly outputs: number;
}

const SHAPE: Shape = { count: 7, rank: 5, inputs: 19, outputs: 12 };

/** Matrices whose factors are stored in a format, A times `scale` and B by it. */
function made(seed: number, { count, rank, inputs, outputs }: Shape, format: FloatFormat, scale = 1): LowRankMatrices {
  const { normal } = random(seed);
  const drawn = (size: number, factor: number) =>
    encodeFloats(
      Float64Array.from({ length: size }, () => factor * normal()),
      format,
    );
  const rankLast = seed % 2 === 1;
  return {
    ...{ count, rank },
    weights: Float64Array.from({ length: count * rank }, normal),
    a: { bytes: drawn(count * rank * inputs, scale), format, depth: inputs, rankLast },
    b: { bytes: drawn(count * rank * outputs, 1 / scale), format, depth: outputs, rankLast: !rankLast },
  };
}

/** All B diag(w) A, multiplied out. */
function multipliedOut({ count, rank, a, b, weights }: LowRankMatrices): Float64Array[] {
  const [ofA, ofB] = [a, b].map(({ bytes, format, depth, rankLast }) => {
    const values = floatArray(format, count * rank * depth);
    decodeFloats(bytes, format, values);
    return (i: number, k: number, d: number) => values[i * rank * depth + (rankLast ? d * rank + k : k * depth + d)];
  });
  return Array.from({ length: count }, (_, i) => {
    const matrix = new Float64Array(a.depth * b.depth);
    for (let y = 0; y < b.depth; y++)
      for (let x = 0; x < a.depth; x++)
        for (let k = 0; k < rank; k++) matrix[y * a.depth + x] += weights[i * rank + k] * ofA(i, k, x) * ofB(i, k, y);
    return matrix;
  });
}

const dot = (p: Float64Array, q: Float64Array): number => p.reduce((sum, value, at) => sum + value * q[at], 0);

function expectProducts(products: Float64Array, rows: LowRankMatrices, columns: LowRankMatrices | null, dtype: DType) {
  const [one, other] = [multipliedOut(rows), multipliedOut(columns ?? rows)];
  expect(products.length).toBe(one.length * other.length);
  for (const [i, p] of one.entries())
    for (const [j, q] of other.entries()) {
      const found = products[i * other.length + j];
      if (columns === null && j < i) expect(found).toBe(0);
      else
        expect(Math.abs(found - dot(p, q)) / Math.sqrt(dot(p, p) * dot(q, q))).toBeLessThan(
          dtype === 'float64' ? 1e-13 : 1e-5,
        );
    }
}

describe.each(availableBackends.filter((name) => name !== 'cuda'))('low-rank matrices on %s', (name) => {
  const { lowRank } = fullBackend(name);

  it.each(['F64', 'F32', 'F16', 'BF16'] as const)(
    '%s: products are those of what is multiplied out',
    async (format) => {
      for (const dtype of ['float64', 'float32'] as const)
        for (const seed of [1, 2]) {
          const rows = made(seed, SHAPE, format);
          const columns = made(seed + 1, { ...SHAPE, count: 3, rank: 2 }, format === 'F16' ? 'F64' : format);
          expectProducts(await lowRank.products(rows, null, dtype), rows, null, dtype);
          expectProducts(await lowRank.products(rows, columns, dtype), rows, columns, dtype);
          expectProducts(await lowRank.products(columns, rows, dtype), columns, rows, dtype);
        }
    },
  );

  it('factors far from 1 lose nothing in float32, though their squares are beyond its range', async () => {
    for (const [format, scale] of [
      ['F32', 1e-30],
      ['BF16', 1e30],
      ['BF16', 1e-38],
    ] as const) {
      const matrices = made(3, SHAPE, format, scale);
      expectProducts(await lowRank.products(matrices, null, 'float32'), matrices, null, 'float32');
    }
  });

  it('threads, and what else is among rows and columns, change no bit', async () => {
    const count = 90;
    for (const format of ['F32', 'BF16'] as const) {
      const all = made(4, { ...SHAPE, count, rank: 9 }, format);
      const last = (from: number): LowRankMatrices => ({
        ...all,
        count: count - from,
        weights: all.weights.subarray(from * all.rank),
        a: { ...all.a, bytes: all.a.bytes.subarray((all.a.bytes.length / count) * from) },
        b: { ...all.b, bytes: all.b.bytes.subarray((all.b.bytes.length / count) * from) },
      });
      const whole = await lowRank.products(all, null, 'float32', { threads: 1 });
      expect(await lowRank.products(all, null, 'float32', { threads: 3 })).toEqual(whole);
      const [later, across] = [
        await lowRank.products(last(7), null, 'float32'),
        await lowRank.products(last(50), last(7), 'float32'),
      ];
      for (let i = 7; i < count; i++)
        for (let j = i; j < count; j++) {
          expect(later[(i - 7) * (count - 7) + j - 7]).toBe(whole[i * count + j]);
          if (i >= 50) expect(across[(i - 50) * (count - 7) + j - 7]).toBe(whole[i * count + j]);
        }
    }
  });

  it('progress comes to an end, and an abort rejects with its reason', async () => {
    const matrices = made(5, { count: 40, rank: 16, inputs: 400, outputs: 300 }, 'BF16');
    const seen: number[] = [];
    await lowRank.products(matrices, null, 'float32', { onProgress: (done, total) => seen.push(done / total) });
    expect(seen.at(-1)).toBe(1);
    const control = new AbortController();
    // So many that they are not done by the next line.
    const many = made(6, { count: 160, rank: 16, inputs: 400, outputs: 300 }, 'BF16');
    const running = lowRank.products(many, null, 'float64', { signal: control.signal });
    control.abort(new Error('enough'));
    await expect(running).rejects.toThrow('enough');
  });
});

describe.runIf(availableBackends.includes('native'))('the addon', () => {
  it('refuses matrices that are not as large as they say', async () => {
    const { lowRank } = fullBackend('native');
    const good = made(1, SHAPE, 'BF16');
    const code = async (bad: object, columns: object | null = null) => {
      try {
        await lowRank.products({ ...good, ...bad }, columns === null ? null : { ...good, ...columns }, 'float32');
      } catch (error) {
        return (error as { code: string }).code;
      }
      return 'none';
    };
    expect(await code({})).toBe('none');
    expect(await code({ count: 8 })).toBe('SHAPE_MISMATCH');
    expect(await code({ rank: 2 ** 40 })).toBe('SHAPE_MISMATCH');
    expect(await code({ weights: good.weights.subarray(1) })).toBe('SHAPE_MISMATCH');
    expect(await code({ count: 0 })).toBe('INVALID_ARGUMENT');
    expect(await code({ a: { ...good.a, depth: 2 ** 52 } })).toBe('SHAPE_MISMATCH');
    expect(await code({ a: { ...good.a, bytes: good.a.bytes.subarray(1) } })).toBe('SHAPE_MISMATCH');
    expect(await code({ a: { ...good.a, format: 'I8' } })).toBe('INVALID_ARGUMENT');
    expect(await code({ a: { ...good.a, bytes: Float32Array.of(1) } })).toBe('INVALID_ARGUMENT');
    const moved = new Uint8Array(good.a.bytes.length + 1).subarray(1);
    expect(await code({ a: { ...good.a, bytes: moved } })).toBe('INVALID_ARGUMENT');
    expect(await code({}, { ...good, a: good.b, b: good.a })).toBe('SHAPE_MISMATCH');
  });
});
