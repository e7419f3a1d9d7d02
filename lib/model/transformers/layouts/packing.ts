import type { Runs } from '../network.js';

/** What tensors do not tell of an attention layer. */
export interface Geometry {
  readonly heads: number;
  readonly groups: number;
  /** Of a head. */
  readonly width: number;
}

/** Which rows of one matrix are queries, keys and values. */
export interface Packing {
  readonly query: Runs;
  readonly key: Runs;
  readonly value: Runs;
}

/** All queries, then all keys, then all values. */
export function inBlocks({ heads, groups, width }: Geometry): Packing {
  const block = (start: number, of: number): Runs => ({
    start: start * width,
    run: of * width,
    stride: of * width,
    count: 1,
  });
  return { query: block(0, heads), key: block(heads, groups), value: block(heads + groups, groups) };
}

/** Head by head, or group by group: its queries, its key, its value. */
export function byGroup({ heads, groups, width }: Geometry): Packing {
  const queries = heads / groups;
  const stride = (queries + 2) * width;
  const run = (first: number, of: number): Runs => ({ start: first * width, run: of * width, stride, count: groups });
  return { query: run(0, queries), key: run(queries, 1), value: run(queries + 1, 1) };
}
