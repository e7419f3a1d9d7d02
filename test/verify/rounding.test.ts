import { expect, test } from 'vitest';
import { decodeFloats, encodeFloats, type FloatFormat } from '../../lib/tensor/convert.js';
import { ROUNDINGS, RoundingTally } from '../../lib/verify/rounding.js';
import { random } from '../support/random.js';

const drawn = Float32Array.from({ length: 1000 }, random(3).normal);

function stored(values: ArrayLike<number>, format: FloatFormat): Float64Array {
  const narrow = new Float32Array(values.length);
  decodeFloats(encodeFloats(Float64Array.from(values), format), format, narrow);
  return Float64Array.from(narrow);
}

const found = (exact: ArrayLike<number>, rounded: Float64Array) => {
  const tally = new RoundingTally();
  // In pieces, as tensors are read.
  for (let at = 0; at < rounded.length; at += 300)
    tally.add(Float64Array.from(exact).subarray(at, at + 300), rounded.subarray(at, at + 300));
  return tally.found?.words;
};

test.each(['F16', 'BF16'] as const)('numbers that were rounded to %s are known for it', (format) => {
  expect(found(drawn, stored(drawn, format))).toBe(`to ${format}`);
});

test('rounding twice is told, and rounding once where that gives the same', () => {
  expect(found(drawn, stored(stored(drawn, 'F16'), 'BF16'))).toBe('to F16 and then to BF16');
  expect(found(drawn, stored(stored(drawn, 'BF16'), 'F16'))).toBe('to BF16');
  // Small numbers have fewer digits as F16 than as BF16.
  const small = drawn.map((value) => value * 1e-5);
  expect(found(small, stored(stored(small, 'BF16'), 'F16'))).toBe('to BF16 and then to F16');
});

test('digits that were cut off were not rounded', () => {
  const bits = new Uint32Array(drawn.slice().buffer).map((word) => word & 0xffff0000);
  const cut = Float64Array.from(new Float32Array(bits.buffer));
  expect(found(drawn, cut)).toBe('to BF16 by cutting digits off');
  expect(ROUNDINGS.find(({ words }) => words === found(drawn, cut))?.isFair).toBe(false);
});

test('one other number is enough to tell that it was none of these', () => {
  const rounded = stored(drawn, 'BF16');
  rounded[999] *= 1 + 2 ** -7;
  expect(found(drawn, rounded)).toBeUndefined();
});
