import { describe, expect, test } from 'vitest';
import { decodeFloats, encodeFloats, FLOAT_BYTES, type FloatFormat, floatArray } from '../../lib/tensor/convert.js';
import { StoredFloats } from '../../lib/tensor/stored.js';
import { random } from '../support/random.js';

const COUNT = 9000;
const { normal } = random(4);
const numbers = Float64Array.from({ length: COUNT }, (_, i) => (i % 7 === 0 ? -0 : normal() * 2 ** ((i % 40) - 25)));

describe.each<FloatFormat>(['F64', 'F32', 'F16', 'BF16'])('elements that are stored as %s', (format) => {
  const bytes = encodeFloats(numbers, format);
  const expected = floatArray(format, COUNT);
  decodeFloats(bytes, format, expected);

  test.each([
    [0, COUNT, 1],
    [5, 4100, 1],
    [17, 3000, 2],
    [3, 2, 4000],
    [8999, 1, 1],
  ])('are numbers from element %i on, %i of them, every %i', (at, count, step) => {
    const into = new Float64Array(count + 2).fill(7);
    new StoredFloats(bytes, format, [COUNT]).copy(at, count, step, into, 1);
    const wanted = Float64Array.from({ length: count }, (_, i) => expected[at + i * step]);
    expect(into.subarray(1, count + 1)).toEqual(wanted);
    expect([into[0], into[count + 1]]).toEqual([7, 7]);
  });

  test('wherever their bytes begin', () => {
    const moved = new Uint8Array(bytes.length + 1);
    moved.set(bytes, 1);
    const into = new Float64Array(COUNT);
    new StoredFloats(moved.subarray(1), format, [COUNT]).copy(0, COUNT, 1, into, 0);
    expect(into).toEqual(Float64Array.from(expected));
    expect(moved.length).toBe(COUNT * FLOAT_BYTES[format] + 1);
  });
});
