import { DTYPES } from '../../backend/ability.js';
import type { ChainMethod, GramRoute, Grams, RouteEfficiency } from '../../backend/grams.js';
import type { DType } from '../../tensor/tensor.js';
import type { CudaDevice } from '../addon.js';
import { type CudaAccess, DEVICE } from './access.js';
import { preparedOn, TILES_AT_ONCE, tileBy } from './prepared.js';
import { sharedBy } from './shared.js';

/** What whole tiles of pairs reach of the peak, as the instructions for each type let them. */
const PAIRS: Readonly<Record<DType, number>> = { float64: 0.9, float32: 0.66 };

/** What copies reach of what the clock and the width of the memory promise. */
const COPIES = 0.87;

/**
 * Flops per byte of its memory that a device reaches in whole tiles of pairs: those of an H100. Routes are chosen by
 * it, since the rate of a device that is measured is never twice the same.
 */
const BALANCE: Readonly<Record<DType, number>> = { float64: 20, float32: 24 };
/** Where a device does not tell the rate of its memory, that of an H100. */
const BANDWIDTH = 3.35e12;

/** Bytes per second that copies within a device reach. */
export const copyRate = ({ bandwidth }: CudaDevice): number => COPIES * (bandwidth > 0 ? bandwidth : BANDWIDTH);

/** The kinds of layers that each method takes. */
const KINDS: ReadonlyMap<ChainMethod, ReadonlySet<string>> = new Map([
  ['one-block', new Set(['linear', 'bilinear'])],
  ['two-block', new Set(['linear', 'bilinear'])],
  ['tensor', new Set(['linear', 'bilinear'])],
  ['hidden', new Set(['linear', 'bilinear', 'activation', 'hidden', 'gated'])],
  ['closure', new Set(['linear', 'bilinear', 'attention'])],
]);

/** Shares of that rate: those of the native backend, the only ones that are measured for every part of every route. */
const ROUTES: ReadonlyMap<GramRoute, RouteEfficiency> = new Map([
  ['factor', { prepare: 0.3, pair: 0.8 }],
  ['dense', { prepare: 0.5, pair: 0.6 }],
]);

/** The methods whose products tensor cores take. */
const ON_TENSOR_CORES: ReadonlySet<ChainMethod> = new Set(['one-block', 'hidden']);

/** @param tf32 whether products of floats are one pass of TF32. */
export function gramsOf(access: CudaAccess, tf32 = false): Grams {
  /** Measured once. */
  const peaks = new Map<DType, number>();

  const grams: Grams = {
    methods: new Set(KINDS.keys()),
    kinds: new Set([...KINDS.values()].flatMap((kinds) => [...kinds])),
    kindsOf: KINDS,
    tf32: ON_TENSOR_CORES,
    degrees: new Set(['hidden']),
    dtypes: DTYPES,
    routes: ROUTES,
    get arithmetic() {
      const capability = access.capability();
      return capability && `compute capability ${capability}${tf32 ? ', TF32' : ''}`;
    },
    preparesAtOnce: 4,
    tilesAtOnce: TILES_AT_ONCE,
    async machine(dtype) {
      const device = await access.usable({}); // as it was when it was tried out
      const { freeMemory, totalMemory } = device;
      const flops = peaks.get(dtype) ?? (await access.peak(dtype));
      peaks.set(dtype, flops);
      const bytesPerSecond = copyRate(device);
      const flopsPerSecond = BALANCE[dtype] * bytesPerSecond;
      return {
        flopsPerSecond,
        bytesPerSecond,
        pace: (PAIRS[dtype] * flops) / flopsPerSecond,
        memory: { total: totalMemory, free: freeMemory },
      };
    },
    prepare: preparedOn(access, [DEVICE], tf32),
    tile: (job, rows, columns, control) => tileBy(access, 0, job, rows, columns, control),
    async shared(tiles, control = {}) {
      await access.usable(control);
      return sharedBy(access, grams, access.alike().slice(0, Math.max(1, tiles)), tf32);
    },
  };
  return grams;
}
