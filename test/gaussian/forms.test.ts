import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gaussian } from '../../lib/index.js';
import { runs } from '../support/campaign.js';
import { dot, type Rows } from '../support/oracles.js';
import { type Random, random } from '../support/random.js';
import { law } from './draws.js';
import { expectation } from './oracles.js';

function expectAll(found: ArrayLike<number>, wanted: readonly number[], tolerance = 1e-12) {
  expect(found.length).toBe(wanted.length);
  const scale = Math.max(...wanted.map(Math.abs), 1e-3);
  for (const [i, value] of wanted.entries()) expect(Math.abs(found[i] - value)).toBeLessThanOrEqual(tolerance * scale);
}

function form(size: number, { normal }: Random) {
  const list = () => Array.from({ length: size }, normal);
  return { quadratic: Array.from({ length: size }, list), linear: list(), constant: normal() };
}

function value({ quadratic, linear, constant }: ReturnType<typeof form>, x: readonly number[]): number {
  return (
    dot(
      quadratic.map((row) => dot(row, x)),
      x,
    ) +
    dot(linear, x) +
    constant
  );
}

describe('products of quadratic forms', () => {
  it('have the expectation that quadrature gives, for any law and non-symmetric matrices', async () => {
    const counts = fc.integer({ min: 0, max: 4 });
    await fc.assert(
      fc.asyncProperty(counts, fc.integer({ min: 1, max: 3 }), fc.integer(), async (count, size, seed) => {
        const draw = random(seed);
        const { mean, factor, cov } = law(size, draw.integer(1, size), draw);
        const forms = Array.from({ length: count }, () => form(size, draw));
        const product = (x: readonly number[]) => forms.reduce((all, f) => all * value(f, x), 1);
        const [wanted, size2] = expectation((x) => [product(x), Math.abs(product(x))], mean, factor);
        const found = await gaussian.quadraticForms(forms, mean, cov);
        expect(Math.abs(found - wanted)).toBeLessThanOrEqual(1e-11 * size2);
      }),
      { numRuns: runs(60) },
    );
  });

  it('of squares of linear forms are moments', async () => {
    const { mean, cov } = law(4, 4, random(3));
    const squares = [0, 1, 2, 3, 0, 2].map((i) => ({
      quadratic: mean.map((_, a) => mean.map((_, b) => (a === i && b === i ? 1 : 0))),
    }));
    const indices = [0, 1, 2, 3, 0, 2].flatMap((i) => [i, i]);
    expectAll([await gaussian.quadraticForms(squares, mean, cov)], [await gaussian.moment(indices, mean, cov)]);
  });

  it('of linear forms alone are moments, of constants alone their product', async () => {
    const { mean, cov } = law(3, 3, random(4));
    const unit = (i: number) => ({ linear: mean.map((_, j) => (i === j ? 1 : 0)) });
    expectAll(
      [await gaussian.quadraticForms([0, 1, 1, 2, 0].map(unit), mean, cov)],
      [await gaussian.moment([0, 1, 1, 2, 0], mean, cov)],
    );
    expect(await gaussian.quadraticForms([{ constant: 2 }, { constant: 3.5 }], mean, cov)).toBe(7);
  });

  it('do not depend on the order of the forms, and take a bare matrix for a form', async () => {
    const draw = random(5);
    const { mean, cov } = law(3, 3, draw);
    const matrices = Array.from({ length: 5 }, () => form(3, draw).quadratic);
    const first = await gaussian.quadraticForms(matrices, mean, cov);
    const other = await gaussian.quadraticForms(
      [...matrices].reverse().map((quadratic) => ({ quadratic })),
      mean,
      cov,
    );
    expectAll([other], [first], 1e-11);
  });
});

describe('products of bilinear forms and vectors', () => {
  /** Forms over a vector of eight coordinates; parts may overlap. */
  function instance(forms: number, seed: number) {
    const draw = random(seed);
    const { mean, factor, cov } = law(8, 3, draw);
    const part = (length: number) => Array.from({ length }, () => draw.integer(0, 7));
    const items = Array.from({ length: forms }, () => {
      const width = draw.integer(1, 3);
      return { q: part(width), k: part(width) };
    });
    const product = (x: readonly number[]) =>
      items.reduce((all, { q, k }) => all * q.reduce((sum, at, j) => sum + x[at] * x[k[j]], 0), 1);
    return { mean, factor, cov, part, items, product };
  }
  const pick = (x: readonly number[], part: readonly number[]) => part.map((i) => x[i]);

  it.each([0, 1, 2, 3, 4])('%i forms: E Π F', async (forms) => {
    const { mean, factor, cov, items, product } = instance(forms, 20 + forms);
    const { data, shape } = await gaussian.bilinearForms(items, [], mean, cov);
    expect(shape).toEqual([]);
    expectAll(
      data,
      expectation((x) => [product(x)], mean, factor),
    );
  });

  it.each([0, 1, 2, 3, 4])('%i forms: E v Π F', async (forms) => {
    const { mean, factor, cov, items, part, product } = instance(forms, 30 + forms);
    const v = part(3);
    const { data, shape } = await gaussian.bilinearForms(items, [v], mean, cov);
    expect(shape).toEqual([3]);
    expectAll(
      data,
      expectation((x) => pick(x, v).map((a) => a * product(x)), mean, factor),
    );
  });

  it.each([0, 1, 2, 3])('%i forms: E v wᵀ Π F', async (forms) => {
    const { mean, factor, cov, items, part, product } = instance(forms, 40 + forms);
    const [v, w] = [part(2), part(3)];
    const { data, shape } = await gaussian.bilinearForms(items, [v, w], mean, cov);
    expect(shape).toEqual([2, 3]);
    const outer = (x: number[]) => pick(x, v).flatMap((a) => pick(x, w).map((b) => a * b * product(x)));
    expectAll(data, expectation(outer, mean, factor));
  });

  it('six forms agree with the same as quadratic forms', async () => {
    const { mean, cov, items } = instance(6, 50);
    const forms = items.map(({ q, k }) => {
      const quadratic: Rows = mean.map(() => mean.map(() => 0));
      for (const [j, i] of q.entries()) quadratic[i][k[j]] += 1;
      return { quadratic };
    });
    const { data } = await gaussian.bilinearForms(items, [], mean, cov);
    expectAll(data, [await gaussian.quadraticForms(forms, mean, cov)], 1e-11);
  });

  it('swapping the vectors transposes, swapping q and k changes nothing', async () => {
    const { mean, cov, items, part } = instance(4, 60);
    const [v, w] = [part(2), part(3)];
    const straight = (await gaussian.bilinearForms(items, [v, w], mean, cov)).data;
    const crossed = (
      await gaussian.bilinearForms(
        items.map(({ q, k }) => ({ q: k, k: q })),
        [w, v],
        mean,
        cov,
      )
    ).data;
    expectAll(
      crossed,
      [0, 3, 1, 4, 2, 5].map((i) => straight[i]),
      1e-11,
    );
  });
});

describe('what forms refuse', () => {
  const mean = [0, 0];
  const cov = [
    [1, 0],
    [0, 1],
  ];
  it.each([
    ['a form of another size', () => gaussian.quadraticForms([[[1]]], mean, cov), 'SHAPE_MISMATCH', /form 0.*1 rows/],
    [
      'a misspelt part',
      () => gaussian.quadraticForms([{ quadric: cov } as never], mean, cov),
      'INVALID_ARGUMENT',
      /"quadric"/,
    ],
    [
      'an infinite constant',
      () => gaussian.quadraticForms([{ constant: 1 / 0 }], mean, cov),
      'NOT_FINITE',
      /constant of form 0/,
    ],
    ['what is no form', () => gaussian.quadraticForms([3 as never], mean, cov), 'INVALID_ARGUMENT', /form 0 is 3/],
    ['what is no list', () => gaussian.quadraticForms(3 as never, mean, cov), 'INVALID_ARGUMENT', /forms/],
    [
      'too many quadratic forms',
      () => gaussian.quadraticForms(new Array(40).fill(cov), mean, cov),
      'MEMORY_LIMIT',
      /40 factors/,
    ],
    [
      'an asymmetric covariance',
      () =>
        gaussian.quadraticForms([], mean, [
          [1, 1],
          [0, 1],
        ]),
      'INVALID_COVARIANCE',
      /symmetric/,
    ],
    [
      'a result beyond the range',
      () => gaussian.quadraticForms([{ constant: 1e300 }, { constant: 1e300 }], mean, cov),
      'NOT_FINITE',
      /range/,
    ],
    [
      'halves of two lengths',
      () => gaussian.bilinearForms([{ q: [0], k: [0, 1] }], [], mean, cov),
      'SHAPE_MISMATCH',
      /form 0/,
    ],
    [
      'coordinates out of range',
      () => gaussian.bilinearForms([{ q: [0], k: [2] }], [], mean, cov),
      'INVALID_ARGUMENT',
      /k of form 0 holds 2/,
    ],
    ['three vectors', () => gaussian.bilinearForms([], [[0], [0], [0]], mean, cov), 'INVALID_ARGUMENT', /vectors/],
    [
      'what is no bilinear form',
      () => gaussian.bilinearForms([null as never], [], mean, cov),
      'INVALID_ARGUMENT',
      /form 0/,
    ],
    [
      'too many bilinear forms',
      () => gaussian.bilinearForms(new Array(40).fill({ q: [0], k: [1] }), [], mean, cov),
      'MEMORY_LIMIT',
      /40/,
    ],
  ])('%s', async (_, run, code, message) => {
    await expect(run()).rejects.toMatchObject({ name: 'TensimError', code, message: expect.stringMatching(message) });
  });

  it('an abort in the middle, with its reason', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const { mean: center, cov: spread } = law(8, 8, random(1));
    const many = new Array(15).fill(spread);
    const items = new Array(10).fill({ q: [0, 1, 2, 3], k: [4, 5, 6, 7] });
    const running = [
      gaussian.quadraticForms(many, center, spread, { signal: controller.signal }),
      gaussian.bilinearForms(items, [], center, spread, { signal: controller.signal }),
    ];
    setTimeout(() => controller.abort(reason), 2);
    for (const { status, ...rest } of await Promise.allSettled(running)) {
      expect([status, (rest as { reason?: unknown }).reason]).toEqual(['rejected', reason]);
    }
  });
});
