import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { decodeBlocks, quantisedType } from '../../../lib/formats/gguf/quantised.js';

/**
 * Blocks of random bytes, with scales that are subnormal, negative, the largest, infinite and NaN among them, and what
 * others decode them to: gguf-py's quants.py with NumPy, and for Q8_K, which that does not have, ggml's C.
 */
interface Golden {
  readonly by: string;
  readonly blocks: number;
  /** The blocks, in base64. */
  readonly bytes: string;
  /** The float32 bits of what is in the first block, in base64, … */
  readonly first: string;
  /** … and the SHA-256 of those of all, any NaN as 7FC00000. */
  readonly sha256: string;
}
const golden: Readonly<Record<string, Golden>> = JSON.parse(
  readFileSync(new URL('../../golden/gguf_blocks.json', import.meta.url), 'utf8'),
);
const types = Object.entries(golden);

/** The bits of float32 numbers, little-endian, with one form of NaN. */
function bitsOf(values: Float32Array): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  const word = new DataView(values.buffer, values.byteOffset);
  for (let i = 0; i < values.length; i++)
    bytes.writeUInt32LE(Number.isNaN(values[i]) ? 0x7fc00000 : word.getUint32(4 * i, true), 4 * i);
  return bytes;
}

describe('blocks of GGUF are decoded to the bits that llama.cpp makes of them', () => {
  test.each(types)('%s', (dtype, { blocks, bytes, first, sha256 }) => {
    const stored = Buffer.from(bytes, 'base64');
    const [, columns] = quantisedType(dtype)!.block;
    // Neither the bytes nor the place of the elements are aligned to anything.
    const moved = new Uint8Array(stored.length + 1).subarray(1);
    moved.set(stored);
    const into = new Float32Array(blocks * columns + 3).fill(7);
    decodeBlocks(dtype, moved, into, 2);
    expect([...into.subarray(0, 2), into.at(-1)]).toEqual([7, 7, 7]);
    const values = into.slice(2, -1);
    const begin = bitsOf(values.subarray(0, columns));
    expect(begin.toString('hex')).toBe(Buffer.from(first, 'base64').toString('hex'));
    expect(createHash('sha256').update(bitsOf(values)).digest('hex')).toBe(sha256);
  });

  test('of all types that are decoded', () => {
    expect(types.map(([dtype]) => dtype).sort()).toEqual(
      ['IQ4_NL', 'IQ4_XS', 'MXFP4', 'Q2_K', 'Q3_K', 'Q4_0', 'Q4_1', 'Q4_K']
        .concat(['Q5_0', 'Q5_1', 'Q5_K', 'Q6_K', 'Q8_0', 'Q8_K', 'TQ1_0', 'TQ2_0'])
        .sort(),
    );
  });
});

describe('what a block may hold', () => {
  test.each(types)('%s: every element is a level times the scale of its part', (dtype, { bytes, blocks }) => {
    const { levels, offset, block, inner = block[1] } = quantisedType(dtype)!;
    expect([...levels]).toEqual([...levels].sort((a, b) => a - b));
    // Numbers of 2 bits that are less by 1 could be 2, which none writes.
    const possible = dtype === 'TQ2_0' ? [...levels, 2] : [...levels];
    const values = new Float32Array(blocks * block[1]);
    decodeBlocks(dtype, Buffer.from(bytes, 'base64'), values, 0);
    const parts = Array.from({ length: values.length / inner }, (_, i) => [
      ...values.subarray(i * inner, (i + 1) * inner),
    ]).filter((part) => part.every(Number.isFinite) && part.some((value) => value !== 0));
    expect(parts.length).toBeGreaterThan(4);
    for (const part of parts) {
      const from = offset ? Math.min(...part) : 0;
      const largest = part.reduce((most, value) => (Math.abs(value - from) > Math.abs(most) ? value - from : most), 0);
      const fits = possible.some((level) => {
        const scale = largest / level;
        return part.every((value) =>
          possible.some(
            (one) => Math.abs(value - from - scale * one) <= 1e-6 * Math.max(Math.abs(value), Math.abs(from)),
          ),
        );
      });
      expect(fits).toBe(true);
    }
  });

  test('is not known of types that are not decoded', () => {
    for (const dtype of ['F32', 'Q8_1', 'IQ2_XXS', 'IQ1_M', 'no such']) expect(quantisedType(dtype)).toBeUndefined();
  });
});
