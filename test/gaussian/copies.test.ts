import { describe, expect, it } from 'vitest';
import { gaussian } from '../../lib/index.js';

/** Arguments of every function, made anew, and what calls it; large enough that it pauses. */
const SIZE = 160;
const covariance = () =>
  Array.from({ length: SIZE }, (_, i) =>
    Float64Array.from({ length: SIZE }, (_, j) => (i === j ? 1 : 1 / (SIZE + i + j))),
  );
const mean = () => Float64Array.from({ length: SIZE }, (_, i) => Math.sin(i));

const CALLS: [name: string, call: () => { arrays: (Float64Array | number[])[]; result: Promise<unknown> }][] = [
  [
    'moment',
    () => {
      const [indices, mu, cov] = [[0, 0, 1, 1, 2, 2, 3, 3], mean(), covariance()];
      return { arrays: [indices, mu, ...cov], result: gaussian.moment(indices, mu, cov) };
    },
  ],
  [
    'hafnian',
    () => {
      const rows = covariance()
        .slice(0, 20)
        .map((row) => row.slice(0, 20));
      return { arrays: rows, result: gaussian.hafnian(rows) };
    },
  ],
  [
    'loopHafnian',
    () => {
      const rows = covariance()
        .slice(0, 16)
        .map((row) => row.slice(0, 16));
      const [loops, repeats] = [mean().slice(0, 16), new Array<number>(16).fill(1)];
      return { arrays: [...rows, loops, repeats], result: gaussian.loopHafnian(rows, { loops, repeats }) };
    },
  ],
  [
    'quadraticForms',
    () => {
      const [mu, cov] = [mean(), covariance()];
      const forms = [1, 2, 3].map(() => ({ quadratic: covariance(), linear: mean() }));
      const arrays = [mu, ...cov, ...forms.flatMap(({ quadratic, linear }) => [...quadratic, linear])];
      return { arrays, result: gaussian.quadraticForms(forms, mu, cov) };
    },
  ],
  [
    'bilinearForms',
    () => {
      const [mu, cov] = [mean(), covariance()];
      const coordinates = (start: number) => Array.from({ length: 40 }, (_, i) => start + i);
      const forms = [0, 1, 2].map((i) => ({ q: coordinates(i), k: coordinates(40 + i) }));
      const vectors = [coordinates(80)];
      const arrays = [mu, ...cov, ...forms.flatMap(({ q, k }) => [q, k]), ...vectors];
      return { arrays, result: gaussian.bilinearForms(forms, vectors, mu, cov) };
    },
  ],
];

describe('the arguments of gaussian', () => {
  it.each(CALLS)('%s are copied: what becomes of them later changes nothing', async (_, call) => {
    const wanted = await call().result;
    const { arrays, result } = call();
    for (const array of arrays) array.fill(0);
    expect(await result).toEqual(wanted);
    expect(JSON.stringify(wanted)).toMatch(/[1-9]/);
  });
});
