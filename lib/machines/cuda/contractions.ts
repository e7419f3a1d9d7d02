import type { Contractions } from '../../backend/contractions.js';
import type { Machine, ProductSize, Strategy } from '../../contraction/cost.js';
import type { DType } from '../../tensor/tensor.js';
import { runNative } from '../addon.js';
import { contractionsBy } from '../contractions.js';
import { type CudaAccess, DEVICE } from './access.js';

/**
 * Rates of large products on tensor cores and of what copies reach, on an H100. Paths are chosen by these and not by
 * what is measured on the spot, so that they are the same in every run; only their ratio matters to a choice, and that
 * is much the same on all devices of a class.
 */
const FLOPS: Readonly<Record<DType, number>> = { float64: 55e12, float32: 60e12 };
const BYTES = 2.9e12;
/** From the call to the first element of a step: vectors of offsets, working memory, launches. */
const SECONDS_PER_STEP = 2e-5;

/** How native/cuda/contraction cuts a product: sides of a tile, and elements of the depth of a stage. */
const TILE = 128;
const STAGE: Readonly<Record<DType, number>> = { float64: 16, float32: 32 };
/** Tiles that keep a device busy: fewer are cut along the depth, into parts of so many stages at least. */
const TILES = 264;
const PART_STAGES = 8;
/** Products with no extent above this go element by element. */
const SMALL = 32;
/** Sums of vectors: terms of a part at least, blocks that keep a device busy, and the elements of one at most. */
const SUM_PART = 16384;
const SUM_PARTS = 512;
const SUM_BLOCKS = 2112;
const SUM_LANES = 32;
const PARTIAL_SUM = 8;
/** An offset of a vector, in bytes. */
const OFFSET = 8;

const MEMORY_HINT = 'A memoryLimit, smaller results or dtype "float32" need less, or the backend "native"';

/** @param tf32 whether products of floats are one pass of TF32. */
export function contractionsOf({ addon, library, usable }: CudaAccess, tf32 = false): Contractions {
  const contractions = contractionsBy(addon, cudaMachine, async (plan, operands, control) => {
    await usable(control, { contractions: {} });
    return runNative(
      addon,
      control,
      (threads, nativeControl) => addon.cudaContract(library, DEVICE, tf32, plan, operands, threads, nativeControl),
      MEMORY_HINT,
    );
  });
  return { ...contractions, tf32: true };
}

/** Describes a device to the cost model; what it allocates is taken from its own memory. */
function cudaMachine(dtype: DType): Machine {
  return {
    flopsPerSecond: FLOPS[dtype],
    bytesPerSecond: BYTES,
    secondsPerStep: SECONDS_PER_STEP,
    workspaceBytes: (size, strategy, itemBytes) => workspaceBytes(size, strategy, itemBytes, dtype),
  };
}

function workspaceBytes(size: ProductSize, strategy: Strategy, itemBytes: number, dtype: DType): number {
  const { batch, m, n, k } = size;
  if (k === 1) return 0; // element-wise
  if (strategy === 'ttgt') {
    return batch * (m * k + k * n + m * n) * itemBytes + tiledBytes(size, itemBytes, dtype);
  }
  if (strategy === 'blocked' && (m === 1 || n === 1)) return sumsBytes(batch * Math.max(m, n), k);
  if (strategy === 'loops' || Math.max(m, n, k) <= SMALL) return 2 * k * OFFSET;
  return tiledBytes(size, itemBytes, dtype);
}

/** Vectors of offsets, and partial products where there are too few tiles. */
function tiledBytes({ batch, m, n, k }: ProductSize, itemBytes: number, dtype: DType): number {
  const offsets = (3 * batch + 2 * (m + n + k)) * OFFSET;
  const tiles = batch * Math.ceil(m / TILE) * Math.ceil(n / TILE);
  const wanted = Math.min(Math.ceil(TILES / tiles), Math.floor(Math.ceil(k / STAGE[dtype]) / PART_STAGES));
  if (2 * tiles > TILES || wanted < 2) return offsets;
  return offsets + wanted * batch * m * n * itemBytes + (batch + m + n) * OFFSET;
}

/** Partial sums. */
function sumsBytes(kept: number, terms: number): number {
  const parts = Math.min(SUM_PARTS, Math.floor(terms / SUM_PART), Math.floor(SUM_BLOCKS / Math.ceil(kept / SUM_LANES)));
  return parts > 1 ? parts * kept * PARTIAL_SUM : 0;
}
