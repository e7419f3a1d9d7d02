import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Pacer } from '../../lib/cooperate.js';
import { type GaussianLaw, whiten } from '../../lib/similarity/law/law.js';
import { asWhitened } from '../../lib/similarity/law/onehot.js';

import { eigenvalues } from '../support/eigenvalues.js';
import { covarianceOf, identity, product, type Rows, tensorOf, transposed } from '../support/oracles.js';
import { random } from '../support/random.js';

const whitened = async (input: GaussianLaw, inputs: number) =>
  asWhitened((await whiten(input, inputs)).law, new Pacer());

/** C as rows. */
async function factorOf(input: GaussianLaw, inputs: number): Promise<Rows> {
  const law = await whitened(input, inputs);
  const { data, columns } = law.factor!;
  return Array.from({ length: inputs }, (_, i) => Array.from(data.subarray(i * columns, (i + 1) * columns)));
}

function expectClose(actual: Rows, expected: Rows, tolerance: number): void {
  for (const [i, row] of expected.entries()) {
    for (const [j, value] of row.entries()) {
      const scale = Math.sqrt(expected[i][i] * expected[j][j]);
      expect(Math.abs(actual[i][j] - value)).toBeLessThanOrEqual(tolerance * scale);
    }
  }
}

const refusal = (input: unknown, inputs = 2) =>
  whiten(input as GaussianLaw, inputs).then(
    () => null,
    (error) => error,
  );

describe('an input law', () => {
  it('has a name', async () => {
    expect((await whiten('standard', 2)).name).toBe('standard');
    expect((await whiten('onehot', 2)).name).toBe('onehot');
    expect((await whiten({ sigma: 0.5 }, 2)).name).toBe('sigma=0.5');
    expect((await whiten({ mean: [0, 1] }, 2)).name).toBe('custom');
    expect((await whiten({ mean: [0, 1], name: 'mine' }, 2)).name).toBe('mine');
  });

  it('onehot has the mean and the covariance of a uniform one-hot vector', async () => {
    for (const size of [1, 2, 7]) {
      const { mean } = await whitened('onehot', size);
      expect(Array.from(mean!)).toEqual(new Array(size).fill(1 / size));
      const factor = await factorOf('onehot', size);
      const cov = product(factor, transposed(factor));
      for (const [i, row] of cov.entries()) {
        // E x_i x_j − 1/d², x_i x_j being 1 where i = j is the token.
        for (const [j, value] of row.entries()) expect(value).toBeCloseTo((i === j ? 1 / size : 0) - 1 / size ** 2, 14);
      }
    }
  });

  it('without a covariance has no factor, without a mean no mean', async () => {
    expect((await whiten('standard', 2)).law).toEqual({ sigma: 1 });
    expect((await whiten({ sigma: 3 }, 2)).law).toEqual({ sigma: 3 });
    expect((await whiten({ mean: new Float32Array([1, 2]) }, 2)).law).toEqual({
      sigma: 1,
      mean: new Float64Array([1, 2]),
    });
  });
});

describe('the factor of a covariance', () => {
  it('gives the covariance back, with as many columns as its rank', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 2 ** 31 }),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 12 }),
        async (seed, size, sources) => {
          const draw = random(seed);
          // Coordinates of very different size: none may be taken for rounding error beside another.
          const scales = Array.from({ length: size }, () => 10 ** draw.integer(-9, 9));
          const factor = scales.map((scale) => Array.from({ length: sources }, () => scale * draw.normal()));
          const cov = covarianceOf({ mean: [], factor });
          const found = await factorOf({ cov }, size);
          expect(found[0]).toHaveLength(Math.min(size, sources));
          expectClose(product(found, transposed(found)), cov, 1e-12);
        },
      ),
    );
  });

  it('is the same for rows, for tensors and for strided tensors', async () => {
    const cov = [
      [4, 2],
      [2, 3],
    ];
    const found = await factorOf({ cov }, 2);
    expect(await factorOf({ cov: tensorOf(cov) }, 2)).toEqual(found);
    expect(await factorOf({ cov: cov.map((row) => Float64Array.from(row)) as never }, 2)).toEqual(found);
    const data = Float64Array.from([4, 9, 2, 9, 2, 9, 3, 9]);
    expect(await factorOf({ cov: { data, shape: [2, 2], strides: [4, 2] } }, 2)).toEqual(found);
  });

  it('of coordinates that do not vary is zero', async () => {
    expect(
      await factorOf(
        {
          cov: [
            [0, 0],
            [0, 0],
          ],
        },
        2,
      ),
    ).toEqual([[0], [0]]);
    expect(
      await factorOf(
        {
          cov: [
            [0, 0],
            [0, 9],
          ],
        },
        2,
      ),
    ).toEqual([[0], [3]]);
  });

  it('tolerates the rounding of single precision in single precision', async () => {
    const draw = random(3);
    const factor = Array.from({ length: 30 }, () => Array.from({ length: 4 }, () => draw.normal()));
    const cov = covarianceOf({ mean: [], factor });
    const { data, shape } = tensorOf(cov);
    const found = await factorOf({ cov: { data: Float32Array.from(data), shape } }, 30);
    expectClose(product(found, transposed(found)), cov, 1e-5);
  });
});

describe('a law is refused', () => {
  it('when its covariance has a negative eigenvalue, however small beside the others', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 2 ** 31 }),
        fc.integer({ min: 2, max: 8 }),
        fc.double({ min: 1e-6, max: 10, noNaN: true }),
        async (seed, size, amount) => {
          const draw = random(seed);
          const normals = () => Array.from({ length: size }, () => draw.normal());
          // A sum of squares of rank one less than full, minus the square of another direction.
          const factor = transposed(Array.from({ length: size - 1 }, normals));
          const minus = normals();
          const cov = covarianceOf({ mean: [], factor }).map((row, i) =>
            row.map((value, j) => value - amount * minus[i] * minus[j]),
          );
          const scaled = cov.map((row, i) => row.map((value, j) => value / Math.sqrt(Math.abs(cov[i][i] * cov[j][j]))));
          fc.pre(Math.min(...eigenvalues(scaled)) < -1e-7);
          expect(await refusal({ cov }, size)).toMatchObject({ code: 'INVALID_COVARIANCE' });
        },
      ),
    );
  });

  it.each([
    [
      'a covariance not symmetric',
      {
        cov: [
          [1, 0.5],
          [0.4, 1],
        ],
      },
      'INVALID_COVARIANCE',
      /not symmetric: \(1, 0\) is 0.4, \(0, 1\) is 0.5/,
    ],
    [
      'a negative variance',
      {
        cov: [
          [1, 0],
          [0, -2],
        ],
      },
      'INVALID_COVARIANCE',
      /negative variance -2 at 1/,
    ],
    [
      'nothing but negative variances',
      {
        cov: [
          [-1, 0],
          [0, -1],
        ],
      },
      'INVALID_COVARIANCE',
      /negative variance -1 at 0/,
    ],
    [
      'correlation above 1',
      {
        cov: [
          [1, 1.5],
          [1.5, 1],
        ],
      },
      'INVALID_COVARIANCE',
      /variance -0.500/,
    ],
    [
      'covariance without variance',
      {
        cov: [
          [0, 1],
          [1, 1],
        ],
      },
      'INVALID_COVARIANCE',
      /coordinate 0 has no variance but the covariance 1 with coordinate 1/,
    ],
    [
      'zero variances that covary',
      {
        cov: [
          [0, 1],
          [1, 0],
        ],
      },
      'INVALID_COVARIANCE',
      /no variance/,
    ],
    [
      'NaN in the covariance',
      {
        cov: [
          [1, Number.NaN],
          [0, 1],
        ],
      },
      'NOT_FINITE',
      /entry \(0, 1\)/,
    ],
    ['infinity in the mean', { mean: [0, Number.POSITIVE_INFINITY] }, 'NOT_FINITE', /entry 1 of the mean/],
    [
      'text in the covariance',
      {
        cov: [
          [1, '0'],
          [0, 1],
        ],
      },
      'INVALID_ARGUMENT',
      /entry \(0, 1\)/,
    ],
    ['a short mean', { mean: [1] }, 'SHAPE_MISMATCH', /1 entries, the models 2/],
    ['a small covariance', { cov: [[1]] }, 'SHAPE_MISMATCH', /\[2, 2\]/],
    ['a ragged covariance', { cov: [[1, 0], [0]] }, 'SHAPE_MISMATCH', /2 or 1 entries/],
    ['an empty covariance', { cov: [] }, 'SHAPE_MISMATCH', /0 rows/],
    [
      'a covariance of three axes',
      { cov: { data: new Float64Array(8), shape: [2, 2, 2] } },
      'SHAPE_MISMATCH',
      /\[2, 2, 2\]/,
    ],
    ['a shape that lies', { cov: { data: new Float64Array(3), shape: [2, 2] } }, 'INVALID_ARGUMENT', /entry \(1, 1\)/],
    ['a covariance that is a number', { cov: 3 }, 'INVALID_ARGUMENT', /neither a tensor nor a list/],
    ['a mean that is a number', { mean: 3 }, 'INVALID_ARGUMENT', /not a list/],
    ['a sigma of zero', { sigma: 0 }, 'INVALID_ARGUMENT', /sigma is 0/],
    ['an infinite sigma', { sigma: Number.POSITIVE_INFINITY }, 'INVALID_ARGUMENT', /sigma is Infinity/],
    ['a sigma and a mean', { sigma: 1, mean: [0, 0] }, 'INVALID_ARGUMENT', /"mean"/],
    ['a misspelt field', { covariance: [[1]] }, 'INVALID_ARGUMENT', /"covariance"/],
    ['an unknown name', 'uniform', 'INVALID_ARGUMENT', /"uniform"/],
    ['null', null, 'INVALID_ARGUMENT', /null/],
  ])('for %s', async (_, input, code, message) => {
    const error = await refusal(input);
    expect(error).toMatchObject({ name: 'TensimError', code });
    expect(error.message).toMatch(message);
  });

  it('when it is aborted, with the reason', async () => {
    const reason = new Error('enough');
    const cov = [
      [1, 0],
      [0, 1],
    ];
    await expect(whiten({ cov }, 2, AbortSignal.abort(reason))).rejects.toBe(reason);
  });
});

describe('a ridge', () => {
  const cov = tensorOf([
    [4, 2, 0],
    [2, 1, 0],
    [0, 0, 1],
  ]);

  it('takes the covariance towards the identity, and keeps its trace', async () => {
    const factor = await factorOf({ cov, ridge: 0.25 }, 3);
    expectClose(
      product(factor, transposed(factor)),
      [
        [3.5, 1.5, 0],
        [1.5, 1.25, 0],
        [0, 0, 1.25],
      ],
      1e-15,
    );
    expect((await whiten({ cov, ridge: 0.25, name: 'mine' }, 3)).name).toBe('mine, ridge 0.25');
  });

  it('of 0 and of 1 is the covariance itself, and the identity', async () => {
    const [none, all] = [await whiten({ cov, ridge: 0 }, 3), await whiten({ cov, ridge: 1 }, 3)];
    expect(none.digest).toBe((await whiten({ cov }, 3)).digest);
    expect(all.digest).toBe((await whiten({ cov: identity(3).map((row) => row.map((x) => 2 * x)) }, 3)).digest);
  });

  it('is from 0 to 1, and needs a covariance', async () => {
    for (const ridge of [-0.1, 1.1, Number.NaN, '0.1'])
      expect(await refusal({ cov, ridge }, 3)).toMatchObject({ code: 'INVALID_ARGUMENT' });
    const error = await refusal({ mean: [0, 0, 1], ridge: 0.1 }, 3);
    expect(error.message).toMatch(/a ridge needs a covariance/);
  });
});

describe('the extent of a law', () => {
  it('is the rank of its covariance, and as how many equal directions it is spread out', async () => {
    const { extent } = await whiten({ cov: covarianceRows([4, 1, 0, 0]) }, 4);
    expect(extent).toEqual({ inputs: 4, rank: 2, effectiveDimension: 25 / 17 });
    expect((await whiten({ cov: covarianceRows([0, 0]) }, 2)).extent).toEqual({
      inputs: 2,
      rank: 0,
      effectiveDimension: 0,
    });
    expect((await whiten({ mean: [0, 1] }, 2)).extent).toBeUndefined();
  });

  it('does not count what single precision leaves of a direction', async () => {
    const d = 6;
    const projection = Float32Array.from({ length: d * d }, (_, at) => (at % (d + 1) === 0 ? 1 : 0) - 1 / d);
    const { extent } = await whiten({ cov: { data: projection, shape: [d, d] } }, d);
    expect(extent!.rank).toBe(d - 1);
    expect(extent!.effectiveDimension).toBeCloseTo(d - 1, 5);
  });

  function covarianceRows(variances: readonly number[]): Rows {
    return variances.map((value, i) => variances.map((_, j) => (i === j ? value : 0)));
  }
});
