import { describe, expect, test } from 'vitest';
import { decodeBlocks, quantisedType } from '../../../lib/formats/gguf/quantised.js';
import { bestError } from '../../../lib/formats/quantised/best.js';
import { blockOf, PACKED_TYPES, quantise } from '../../support/quantise.js';
import { random } from '../../support/random.js';

const BLOCKS = 40;

/** Weights of blocks whose sizes differ, with a large one here and there. */
function weights(seed: number, count: number, block: number): Float64Array {
  const { normal, uniform } = random(seed);
  const sizes = Array.from({ length: count / block }, () => 0.02 * Math.exp(normal()));
  return Float64Array.from({ length: count }, (_, i) => {
    return Math.fround(sizes[Math.floor(i / block)] * normal() * (uniform() < 0.01 ? 6 : 1));
  });
}

describe('what is rounded to the nearest level is decoded near to what it was', () => {
  test.each(PACKED_TYPES)('%s: no better than the best, and not much worse', (dtype) => {
    const block = blockOf(dtype);
    const format = quantisedType(dtype)!;
    const values = weights(7, BLOCKS * block, block);
    const decoded = new Float32Array(values.length);
    decodeBlocks(dtype, quantise(dtype, values), decoded, 0);
    let [sum, best] = [0, 0];
    for (let from = 0; from < values.length; from += block) {
      const own = values.subarray(from, from + block);
      const error = own.reduce((all, value, i) => all + (value - decoded[from + i]) ** 2, 0);
      const least = bestError(own, format);
      // But for float32, in which what is decoded is rounded.
      expect(error).toBeGreaterThan(0.999 * least);
      sum += error;
      best += least;
    }
    expect(Math.sqrt(sum / best)).toBeLessThan(2);
  });

  test.each(PACKED_TYPES)('%s: zeros stay zeros', (dtype) => {
    const decoded = new Float32Array(blockOf(dtype)).fill(1);
    decodeBlocks(dtype, quantise(dtype, new Float64Array(blockOf(dtype))), decoded, 0);
    expect(decoded.every((value) => value === 0)).toBe(true);
  });
});
