import fc from 'fast-check';
import { expect, it } from 'vitest';
import { count } from '../../lib/words/counts.js';

it('separates thousands as the language does', () => {
  const value = fc.oneof(fc.maxSafeInteger(), fc.bigInt(), fc.integer({ min: -2000, max: 2000 }), fc.double());
  fc.assert(
    fc.property(value, (one) => {
      fc.pre(!Object.is(one, -0)); // "-0"
      expect(count(one)).toBe(one.toLocaleString('en-US'));
    }),
  );
  expect([0, 999, 1000, 1_234_567, -1000, 1234.5].map(count)).toEqual([
    '0',
    '999',
    '1,000',
    '1,234,567',
    '-1,000',
    '1,234.5',
  ]);
});
