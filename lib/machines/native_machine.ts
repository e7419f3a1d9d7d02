import { availableParallelism } from 'node:os';

import type { Machine, ProductSize, Strategy } from '../contraction/cost.js';
import type { DType } from '../tensor/tensor.js';

/** The functions of the addon that describe the machine. */
interface MachineFunctions {
  gemmWorkspace(m: number, n: number, k: number, dtype: DType): number;
  speed(dtype: DType): [flopsPerSecond: number, bytesPerSecond: number];
}

/** What large packed products reach of the rate on registers alone. */
const GEMM_EFFICIENCY = 0.85;
/** Cores beyond this many wait for the same memory. */
const MEMORY_THREADS = 4;
/** From the call to the first element of a step: finding the loops, handing out the tasks. */
const SECONDS_PER_STEP = 4e-6;
/** Products with no extent above this are not packed. */
const SMALL = 32;
/** Long sums are cut into parts of this many terms, whose sums are kept in double. */
const SUM_PART = 1 << 16;
const PARTIAL_SUM = 8;
/** An offset of a scatter vector, in bytes. */
const OFFSET = 8;

/**
 * Describes the native backend to the cost model. The speed of this machine is measured at the first use of a dtype:
 * some milliseconds.
 */
export function nativeMachine(addon: MachineFunctions): (dtype: DType, threads?: number) => Machine {
  const speeds = new Map<DType, [number, number]>();
  return (dtype, threads = availableParallelism()) => {
    const speed = speeds.get(dtype) ?? addon.speed(dtype);
    speeds.set(dtype, speed);
    const [flops, bytes] = speed;
    return {
      flopsPerSecond: flops * GEMM_EFFICIENCY * threads,
      bytesPerSecond: bytes * Math.min(threads, MEMORY_THREADS),
      secondsPerStep: SECONDS_PER_STEP,
      workspaceBytes: (size, strategy, itemBytes) => workspaceBytes(addon, size, strategy, itemBytes, dtype, threads),
    };
  };
}

function workspaceBytes(
  addon: MachineFunctions,
  { batch, m, n, k }: ProductSize,
  strategy: Strategy,
  itemBytes: number,
  dtype: DType,
  threads: number,
): number {
  if (k === 1) return 0; // element-wise
  if (strategy === 'blocked' && (m === 1 || n === 1)) {
    return k > SUM_PART ? batch * Math.ceil(k / SUM_PART) * Math.max(m, n) * PARTIAL_SUM : 0;
  }
  const offsets = (3 * batch + 2 * (m + n + k)) * OFFSET;
  if (strategy === 'loops') return offsets;
  // Entries of a batch are worked on side by side.
  const atOnce = Math.min(batch, threads);
  const copies = strategy === 'ttgt' ? (m * k + k * n + m * n) * itemBytes : 0;
  if (strategy === 'blocked' && Math.max(m, n, k) <= SMALL) return offsets;
  return offsets + atOnce * (addon.gemmWorkspace(m, n, k, dtype) + copies);
}
