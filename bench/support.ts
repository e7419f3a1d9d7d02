import { cpus, loadavg } from 'node:os';

import type { TensorData } from '../lib/tensor/tensor.js';

/** The middle value, or the mean of the middle two. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Columns aligned to the right, under a rule. */
export function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column].length)));
  const line = (cells: readonly string[]) => cells.map((cell, column) => cell.padStart(widths[column])).join('  ');
  return [line(head), widths.map((width) => '─'.repeat(width)).join('  '), ...rows.map(line)].join('\n');
}

/** Fills with numbers in [−½, ½), the same in every run. */
export function fillPseudoRandom<Data extends Float64Array | Float32Array>(data: Data, seed: number): Data {
  let state = seed >>> 0 || 1;
  for (let i = 0; i < data.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data[i] = state / 2 ** 32 - 0.5;
  }
  return data;
}

/** A number with three significant digits for a cell of a table, or a dash if there is none. */
export function cell(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return '–';
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

/** A time for a cell of a table: `58.3 ms`. */
export function timeCell(seconds: number): string {
  if (seconds >= 1) return `${seconds.toPrecision(3)} s`;
  return seconds >= 1e-3 ? `${cell(seconds * 1e3)} ms` : `${cell(seconds * 1e6)} µs`;
}

/** Largest differences of right results: sums in other orders, some of them cancelling almost to nothing. */
export const TOLERANCE = { float64: 1e-9, float32: 1e-3 } as const;

/** The largest difference of two results, relative to the largest magnitude of the second. */
export function relativeDifference(result: TensorData, expected: TensorData): number {
  if (result.length !== expected.length) return Number.POSITIVE_INFINITY;
  let scale = 0;
  let difference = 0;
  for (let i = 0; i < expected.length; i++) {
    difference = Math.max(difference, Math.abs(result[i] - expected[i])); // NaN stays
    scale = Math.max(scale, Math.abs(expected[i]));
  }
  return difference / (scale || 1);
}

/** On what, how and in which company something is measured: the line above a table. */
export function conditions(instructions: string, threads: number, rounds: number): string {
  const processor = cpus()[0]?.model ?? 'unknown processor';
  // With more threads than idle cores, those of one product wait for each other: figures are worth as much as the
  // machine is quiet.
  const load = `load average before: ${loadavg()[0].toFixed(1)}`;
  return `${processor} (${instructions}), threads: ${threads}, medians of ${rounds} interleaved rounds, ${load}`;
}
