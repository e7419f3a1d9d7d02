import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DTYPES } from '../backend/ability.js';
import type { BackendWith } from '../backend/backend.js';
import type { Control } from '../backend/control.js';
import type { GramRoute, PreparedModel, RouteEfficiency } from '../backend/grams.js';
import { TensimError } from '../errors.js';
import type { DType } from '../tensor/tensor.js';
import { bytesIn } from '../words/bytes.js';
import {
  type Addon,
  type CudaDevice,
  type CudaModel,
  loadAddon,
  type NativeCall,
  ownedSource,
  runNative,
} from './addon.js';
import { type CudaProbe, probeCuda } from './cuda_probe.js';
import type { Loaded } from './loaded.js';

/** Names the library where it does not lie beside the addon. */
const VARIABLE = 'TENSIM_CUDA_LIBRARY';
const FILE = process.platform === 'win32' ? 'tensim_cuda.dll' : 'tensim_cuda.so';
/** The first that the environment variable CUDA_VISIBLE_DEVICES lets the runtime see. */
const DEVICE = 0;

export interface CudaBackend extends BackendWith<'grams'> {
  readonly name: 'cuda';
  /** Flops per second that the device reaches on registers alone, by its tensor cores as the backend uses them. */
  peak(dtype: DType): Promise<number>;
}

const loads = new Map<string, Loaded<CudaBackend>>();

/**
 * The CUDA backend, or the reason why there is none, as far as that can be told without trying it out. Whatever is
 * asked of it does that first, once. Never throws.
 */
export function loadCuda(): Loaded<CudaBackend> {
  const found = loadAddon();
  if ('reason' in found) return { reason: `it needs the native addon: ${found.reason}` };
  const library = process.env[VARIABLE] || join(dirname(found.path), FILE);
  const known = loads.get(library);
  if (known !== undefined) return known;
  if (!existsSync(library)) return { reason: `there is no library ${library}` };
  let tried: Promise<CudaProbe> | undefined;
  const probe = (signal?: AbortSignal) => {
    tried ??= probeCuda(found.path, library);
    return untilAborted(tried, signal);
  };
  const tryOut = async (signal?: AbortSignal) => {
    const result = await probe(signal);
    return 'reason' in result ? result : { details: cudaDetails(result.devices) };
  };
  const load = { backend: createCuda(found.addon, library, probe), details: {}, tryOut };
  loads.set(library, load);
  return load;
}

function cudaDetails(devices: readonly CudaDevice[]): Record<string, string | number> {
  const [{ name, driver, runtime, capability, freeMemory, totalMemory }] = devices as [CudaDevice];
  return {
    device: devices.length > 1 ? `${name} (the first of ${devices.length})` : name,
    'compute capability': capability,
    memory: `${bytesIn('GiB', freeMemory)} of ${bytesIn('GiB', totalMemory)} GiB free`,
    driver: `CUDA ${driver}`,
    runtime: `CUDA ${runtime}`,
    status: 'used only when asked for by name',
  };
}

const MEMORY_HINT = 'Keep fewer models at a time by memoryLimit, use dtype "float32", or the backend "native"';

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

/** Shares of that rate: those of the native backend, the only ones that are measured for every part of every route. */
const ROUTES: ReadonlyMap<GramRoute, RouteEfficiency> = new Map([
  ['factor', { prepare: 0.3, pair: 0.8 }],
  ['dense', { prepare: 0.5, pair: 0.6 }],
]);

/** A model on the device. */
class CudaPrepared implements PreparedModel {
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

function createCuda(addon: Addon, library: string, probe: (signal?: AbortSignal) => Promise<CudaProbe>): CudaBackend {
  /** The device, once it has been tried out. */
  async function usableDevice({ signal }: Control): Promise<CudaDevice> {
    const result = await probe(signal);
    if ('devices' in result) return result.devices[DEVICE];
    throw new TensimError('BACKEND_UNAVAILABLE', `the backend "cuda" is not available: ${result.reason}`, {
      hint: 'The backend "auto" takes the best there is',
    });
  }

  const run = <Result>(control: Control, call: NativeCall<Result>): Promise<Result> =>
    runNative(addon, control, call, MEMORY_HINT);

  async function peak(dtype: DType): Promise<number> {
    await usableDevice({});
    return run({}, (_, nativeControl) => addon.cudaPeak(library, DEVICE, dtype, nativeControl));
  }

  /** Measured once. */
  const peaks = new Map<DType, number>();

  return {
    name: 'cuda',
    grams: {
      methods: new Set(['one-block', 'closure']),
      kinds: new Set(['linear', 'bilinear', 'attention']),
      dtypes: DTYPES,
      routes: ROUTES,
      preparesAtOnce: 4,
      tilesAtOnce: 2,
      async machine(dtype) {
        const { freeMemory, totalMemory, bandwidth } = await usableDevice({}); // as they were when it was tried out
        const flops = peaks.get(dtype) ?? (await peak(dtype));
        peaks.set(dtype, flops);
        const bytesPerSecond = COPIES * (bandwidth > 0 ? bandwidth : BANDWIDTH);
        const flopsPerSecond = BALANCE[dtype] * bytesPerSecond;
        return {
          flopsPerSecond,
          bytesPerSecond,
          pace: (PAIRS[dtype] * flops) / flopsPerSecond,
          memory: { total: totalMemory, free: freeMemory },
        };
      },
      async prepare(source, dtype, control = {}) {
        await usableDevice(control);
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
    },
    peak,
  };
}

/** The promise, or a rejection with the signal's reason if that comes first. */
function untilAborted<Result>(promise: Promise<Result>, signal: AbortSignal | undefined): Promise<Result> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
