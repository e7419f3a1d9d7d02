import { expect, it } from 'vitest';
import { mantissaOf, toMantissas } from '../../lib/tensor/power.js';

it('numbers lose their powers of two where they lie, whatever these are', () => {
  const values = [1, -3, 0.1, 2 ** -1074, 3 * 2 ** -1070, -(2 ** 1023), 0, -0, Number.POSITIVE_INFINITY, Number.NaN];
  const within = Float64Array.of(7, ...values, 7);
  toMantissas(within.subarray(1, -1));
  expect([...within]).toEqual([7, 1, -1.5, 1.6, 1, 1.5, -1, 0, -0, Number.POSITIVE_INFINITY, Number.NaN, 7]);
  expect([...within.subarray(1, -1)]).toEqual(values.map(mantissaOf));
});
