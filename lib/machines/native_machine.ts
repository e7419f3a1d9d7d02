import type { Machine, ProductSize, Strategy } from '../contraction/cost.js';
import { processors } from '../processors.js';
import type { DType } from '../tensor/tensor.js';

/** The functions of the addon that describe the machine. */
interface MachineFunctions {
  gemmWorkspace(m: number, n: number, k: number, dtype: DType): number;
  /** Flops per second of one thread on registers: measured for a moment. */
  speed(dtype: DType): number;
}

/**
 * Rates of one thread with each set of instructions: multiply-adds on registers alone, measured on server cores of the
 * 2020s, and bytes of main memory. Routes and paths are chosen by these and not by what is measured on the spot: two
 * runs would choose differently where two ways cost nearly the same, and their results would differ in their last bits.
 * Only the ratio of the two rates matters to a choice, and that is much the same on all processors of a class.
 */
const RATES: Readonly<Record<string, Readonly<Record<DType, number>>>> = {
  baseline: { float64: 23e9, float32: 45e9 },
  neon: { float64: 30e9, float32: 60e9 },
  avx2: { float64: 63e9, float32: 129e9 },
  avx512: { float64: 118e9, float32: 235e9 },
};
const MEMORY_RATE = 28.5e9;
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
 * Describes the native backend to the cost model. The pace of this machine is measured at the first use of a dtype.
 * @param instructionSet as the addon names it; one that is not known counts as the baseline.
 */
export function nativeMachine(
  addon: MachineFunctions,
  instructionSet: string,
): (dtype: DType, threads?: number) => Machine & { readonly pace: number } {
  const rates = RATES[instructionSet] ?? RATES.baseline;
  const paces = new Map<DType, number>();
  return (dtype, threads = processors()) => {
    const pace = paces.get(dtype) ?? addon.speed(dtype) / rates[dtype];
    paces.set(dtype, pace);
    return {
      flopsPerSecond: rates[dtype] * GEMM_EFFICIENCY * threads,
      bytesPerSecond: MEMORY_RATE * Math.min(threads, MEMORY_THREADS),
      secondsPerStep: SECONDS_PER_STEP,
      pace,
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
