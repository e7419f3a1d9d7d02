import type { OperandLayout } from '../../contraction/plan.js';
import { exponentOf as floorOfLog } from '../../tensor/power.js';
import type { TensorData } from '../../tensor/tensor.js';
import { fillOffsets } from './bundle.js';

/** Elements looked at between two yields. */
const BLOCK = 1 << 16;

/** The lowest exponent used: 2^1022 is the largest power whose product with anything below 1 is safe. */
const LOWEST = -1022;

/** The e with 2^(e−1) ≤ x < 2^e, no lower than −1022; 0 for 0, infinity and NaN, which no scaling helps. */
export function exponentOf(x: number): number {
  if (!(x > 0) || x === Number.POSITIVE_INFINITY) return 0;
  return Math.max(LOWEST, floorOfLog(x) + 1);
}

/** The largest magnitude in a contiguous buffer; NaN counts as nothing. */
export function* largest(data: TensorData): Generator<void, number> {
  let most = 0;
  for (let start = 0; start < data.length; start += BLOCK) {
    const end = Math.min(data.length, start + BLOCK);
    for (let i = start; i < end; i++) {
      const value = Math.abs(data[i]);
      if (value > most) most = value;
    }
    yield;
  }
  return most;
}

/** The largest magnitude that a strided operand shows. */
export function* largestOfView(data: TensorData, layout: OperandLayout): Generator<void, number> {
  const total = layout.shape.reduce((size, extent) => size * extent, 1);
  const offsets = new Int32Array(Math.min(BLOCK, Math.max(1, total)));
  let most = 0;
  for (let start = 0; start < total; start += BLOCK) {
    const count = Math.min(BLOCK, total - start);
    fillOffsets(layout.shape, layout.strides, start, count, offsets);
    for (let i = 0; i < count; i++) {
      const value = Math.abs(data[layout.offset + offsets[i]]);
      if (value > most) most = value;
    }
    yield;
  }
  return most;
}

/** Multiplies a buffer by 2^exponent. */
export function* scale(data: TensorData, exponent: number): Generator<void, void> {
  if (exponent === 0) return;
  // In two steps where one power would leave the range of a double.
  const first = 2 ** Math.max(-1000, Math.min(1000, exponent));
  const second = 2 ** (exponent - Math.max(-1000, Math.min(1000, exponent)));
  for (let start = 0; start < data.length; start += BLOCK) {
    const end = Math.min(data.length, start + BLOCK);
    for (let i = start; i < end; i++) data[i] = data[i] * first * second;
    yield;
  }
}
