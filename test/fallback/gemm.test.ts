import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Pacer } from '../../lib/cooperate.js';
import { multiplyChain } from '../../lib/fallback/gemm/chain.js';
import { multiply, multiplyVector } from '../../lib/fallback/gemm/gemm.js';
import { type MatrixView, matrixOf, rowMajor, transpose } from '../../lib/tensor/matrix.js';
import { type Random, random } from '../support/random.js';

const at = ({ data, rowStride, columnStride }: MatrixView, i: number, j: number) =>
  data[i * rowStride + j * columnStride];

/** A matrix of whole numbers, so that products are exact in any order. */
function integers(draw: Random, rows: number, columns: number, flipped: boolean, single: boolean): MatrixView {
  const values = Array.from({ length: rows * columns }, () => draw.integer(-9, 9));
  const data = single ? Float32Array.from(values) : Float64Array.from(values);
  return flipped ? transpose(rowMajor(data, columns, rows)) : rowMajor(data, rows, columns);
}

function plainProduct(a: MatrixView, b: MatrixView): number[] {
  const product: number[] = [];
  for (let i = 0; i < a.rows; i++) {
    for (let j = 0; j < b.columns; j++) {
      let sum = 0;
      for (let k = 0; k < a.columns; k++) sum += at(a, i, k) * at(b, k, j);
      product.push(sum);
    }
  }
  return product;
}

const seed = fc.integer({ min: 0, max: 2 ** 31 });
const extent = fc.integer({ min: 1, max: 19 });

describe('multiply', () => {
  it('is the product for all sizes, orders in memory and types', async () => {
    const flags = [fc.boolean(), fc.boolean(), fc.boolean(), fc.boolean()] as const;
    await fc.assert(
      fc.asyncProperty(
        seed,
        extent,
        extent,
        extent,
        ...flags,
        async (start, m, k, n, flipA, flipB, singleA, singleB) => {
          const draw = random(start);
          const [a, b] = [integers(draw, m, k, flipA, singleA), integers(draw, k, n, flipB, singleB)];
          expect(Array.from(await multiply(a, b, new Pacer()))).toEqual(plainProduct(a, b));
        },
      ),
    );
  });

  it.each([
    [5, 511, 6],
    [5, 512, 6],
    [5, 1030, 6],
    [3, 4, 255],
    [3, 4, 256],
    [3, 4, 257],
    [6, 700, 600],
  ])('crosses the edges of blocks: %i × %i × %i', async (m, k, n) => {
    const draw = random(m + k + n);
    const [a, b] = [integers(draw, m, k, false, false), integers(draw, k, n, true, false)];
    expect(Array.from(await multiply(a, b, new Pacer()))).toEqual(plainProduct(a, b));
  });

  it('honours the strides of a tensor', async () => {
    const data = Float64Array.from({ length: 12 }, (_, i) => i);
    const view = matrixOf({ data, shape: [2, 2], strides: [6, 2] });
    expect([at(view, 0, 0), at(view, 0, 1), at(view, 1, 0), at(view, 1, 1)]).toEqual([0, 2, 6, 8]);
  });
});

describe('multiplyVector', () => {
  it('is W x + b', async () => {
    const w = rowMajor(Float64Array.from([1, 2, 3, 4, 5, 6]), 2, 3);
    const x = Float64Array.from([1, 0, -1]);
    expect(Array.from(await multiplyVector(w, x, Float64Array.from([10, 20]), new Pacer()))).toEqual([8, 18]);
  });
});

describe('multiplyChain', () => {
  it('is the product from left to right, whatever the sizes', async () => {
    await fc.assert(
      fc.asyncProperty(seed, fc.array(extent, { minLength: 2, maxLength: 6 }), async (start, extents) => {
        const draw = random(start);
        const chain = extents.slice(1).map((columns, i) => integers(draw, extents[i], columns, false, false));
        const product = await multiplyChain(chain, new Pacer());
        const plain = chain.reduce((left, right) =>
          rowMajor(Float64Array.from(plainProduct(left, right)), left.rows, right.columns),
        );
        expect([product.rows, product.columns]).toEqual([plain.rows, plain.columns]);
        expect(Array.from(product.data)).toEqual(Array.from(plain.data));
      }),
    );
  });

  it('takes the cheaper order', async () => {
    // (2 × 300)(300 × 300)(300 × 1): from the right 90,600 multiply-adds, from the left 180,600.
    let work = 0;
    const counting = Object.assign(Object.create(new Pacer()), {
      due: (amount: number) => {
        work += amount;
        return false;
      },
    }) as Pacer;
    const draw = random(1);
    const sizes = [2, 300, 300, 1];
    const forward = sizes.slice(1).map((columns, i) => integers(draw, sizes[i], columns, false, false));
    await multiplyChain(forward, counting);
    const cheap = work;
    work = 0;
    await multiply(rowMajor(await multiply(forward[0], forward[1], counting), 2, 300), forward[2], counting);
    expect(cheap).toBeLessThan(work);
  });
});
