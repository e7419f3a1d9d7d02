// What campaigns compare: checkpoints written byte by byte, so that nothing under test has a hand in them.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A whole number from `from` to `to`, and one of a list. */
export const between = (draw, from, to) => from + Math.floor(draw() * (to - from + 1));
export const oneOf = (draw, list) => list[Math.floor(draw() * list.length)];

/**
 * A network of one bilinear block as a safetensors file; of two layers before and behind it where `embedding` is given,
 * which is then the width of the block as well.
 */
export function blockFile({ inputs, hidden, outputs, embedding }, value) {
  if (embedding === undefined)
    return safetensors({
      'bi_linear.weight': tensor([2 * hidden, inputs], value),
      'projection.weight': tensor([outputs, hidden], value),
    });
  return safetensors({
    'embed.weight': tensor([embedding, inputs], value),
    'blocks.0.weight': tensor([2 * embedding, embedding], value),
    'head.weight': tensor([outputs, embedding], value),
  });
}

/** So many such files in a folder, of numbers that are drawn in turn: their paths. */
export function blockFiles(folder, count, field, draw, name = 'step') {
  return Array.from({ length: count }, (_, i) => {
    const path = join(folder, `${name}_${i}.safetensors`);
    writeFileSync(
      path,
      blockFile(field, () => draw() - 0.5),
    );
    return path;
  });
}

function tensor(shape, value) {
  return { shape, data: Float32Array.from({ length: shape.reduce((size, extent) => size * extent, 1) }, value) };
}

/** The bytes of a safetensors file of float32 tensors by name. */
export function safetensors(tensors, metadata) {
  let at = 0;
  const header = { ...(metadata && { __metadata__: metadata }) };
  for (const [name, { shape, data }] of Object.entries(tensors)) {
    header[name] = { dtype: 'F32', shape, data_offsets: [at, at + data.byteLength] };
    at += data.byteLength;
  }
  const text = JSON.stringify(header);
  const padded = Buffer.from(text.padEnd(8 * Math.ceil(text.length / 8)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  const pieces = Object.values(tensors).map(({ data }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength));
  return Buffer.concat([length, padded, ...pieces]);
}
