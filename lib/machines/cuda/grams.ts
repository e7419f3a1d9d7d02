import { DTYPES } from '../../backend/ability.js';
import type { ChainMethod, GramRoute, Grams, PreparedModel, RouteEfficiency } from '../../backend/grams.js';
import { TensimError } from '../../errors.js';
import type { DType } from '../../tensor/tensor.js';
import { type Addon, type CudaDevice, type CudaModel, ownedSource } from '../addon.js';
import { type CudaAccess, DEVICE } from './access.js';

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

/** A model on the device. */
export class CudaPrepared implements PreparedModel {
  readonly outputs: number;
  readonly #addon: Addon;
  readonly #held: CudaModel;
  #disposed = false;

  constructor(addon: Addon, held: CudaModel) {
    this.outputs = held.outputs;
    this.#addon = addon;
    this.#held = held;
  }

  get bytes(): number {
    return this.#disposed ? 0 : this.#held.bytes;
  }

  dispose(): void {
    this.#disposed = true;
    this.#addon.cudaDispose(this.#held.model);
  }

  static modelOf(model: PreparedModel): object {
    if (model instanceof CudaPrepared) return model.#held.model;
    throw new TensimError('INVALID_ARGUMENT', 'a model prepared by another backend was given to the backend "cuda"');
  }
}

export function gramsOf(access: CudaAccess): Grams {
  const { addon, library, run } = access;
  /** Measured once. */
  const peaks = new Map<DType, number>();

  return {
    methods: new Set(KINDS.keys()),
    kinds: new Set([...KINDS.values()].flatMap((kinds) => [...kinds])),
    kindsOf: KINDS,
    degrees: new Set(['hidden']),
    dtypes: DTYPES,
    routes: ROUTES,
    get arithmetic() {
      const capability = access.capability();
      return capability && `compute capability ${capability}`;
    },
    preparesAtOnce: 4,
    tilesAtOnce: 2,
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
    async prepare(source, dtype, control = {}) {
      await access.usable(control, { grams: source.kind === 'chain' ? { method: source.method } : {} });
      const held = await run(control, (threads, nativeControl) =>
        addon.cudaPrepare(library, DEVICE, ownedSource(source), dtype, threads, nativeControl),
      );
      return new CudaPrepared(addon, held);
    },
    async tile(job, rows, columns, control = {}) {
      const [rowModels, columnModels] = [rows.map(CudaPrepared.modelOf), columns.map(CudaPrepared.modelOf)];
      return run(control, (threads, nativeControl) =>
        addon.cudaGramTile(library, job, rowModels, columnModels, threads, nativeControl),
      );
    },
  };
}
