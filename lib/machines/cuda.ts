import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Backend, Control, PreparedModel } from '../backend/backend.js';
import type { Machine } from '../contraction/cost.js';
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

/** Names the library where it does not lie beside the addon. */
const VARIABLE = 'TENSIM_CUDA_LIBRARY';
const FILE = process.platform === 'win32' ? 'tensim_cuda.dll' : 'tensim_cuda.so';
/** The first that the environment variable CUDA_VISIBLE_DEVICES lets the runtime see. */
const DEVICE = 0;

export interface CudaBackend extends Backend {
  /** Flops per second that the device reaches on registers alone, by its tensor cores as the backend uses them. */
  peak(dtype: DType): Promise<number>;
}

export type CudaLoad =
  | { readonly backend: CudaBackend; readonly probe: () => Promise<CudaProbe> }
  | { readonly reason: string };

const loads = new Map<string, CudaLoad>();

/**
 * The CUDA backend, or the reason why there is none, as far as that can be told without trying it out. Its `prepare` does that first, once.
 * Never throws.
 */
export function loadCuda(): CudaLoad {
  const found = loadAddon();
  if ('reason' in found) return { reason: `it needs the native addon: ${found.reason}` };
  const library = process.env[VARIABLE] || join(dirname(found.path), FILE);
  const known = loads.get(library);
  if (known !== undefined) return known;
  if (!existsSync(library)) return { reason: `there is no library ${library}` };
  let tried: Promise<CudaProbe> | undefined;
  const probe = () => {
    tried ??= probeCuda(found.path, library);
    return tried;
  };
  const load = { backend: createCuda(found.addon, library, probe), probe };
  loads.set(library, load);
  return load;
}

/** What `doctor` tells of a device. */
export function cudaDetails(devices: readonly CudaDevice[]): Record<string, string | number> {
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

/**
 * Rates measured on an H200: of whole tiles of pairs, (784, 256, 10), and of copies within its memory. They decide between routes, where only their
 * ratio counts. The backend executes no contractions.
 */
const MACHINE: Readonly<Record<'float64' | 'float32', Machine>> = {
  float64: { flopsPerSecond: 6e13, bytesPerSecond: 4.2e12, secondsPerStep: 1e-5, workspaceBytes: () => 0 },
  float32: { flopsPerSecond: 7.1e13, bytesPerSecond: 4.2e12, secondsPerStep: 1e-5, workspaceBytes: () => 0 },
};

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

function createCuda(addon: Addon, library: string, probe: () => Promise<CudaProbe>): CudaBackend {
  async function checkUsable({ signal }: Control): Promise<void> {
    const result = await untilAborted(probe(), signal);
    if ('devices' in result) return;
    throw new TensimError('BACKEND_UNAVAILABLE', `the backend "cuda" is not available: ${result.reason}`, {
      hint: 'The backend "auto" takes the best there is',
    });
  }

  async function run<Result>(control: Control, call: NativeCall<Result>): Promise<Result> {
    try {
      return await runNative(addon, control, call);
    } catch (error) {
      if (!(error instanceof TensimError) || error.code !== 'MEMORY_LIMIT') throw error;
      throw new TensimError('MEMORY_LIMIT', error.message, {
        hint: 'Keep fewer models at a time by memoryLimit, use dtype "float32", or the backend "native"',
      });
    }
  }

  const missing = async (what: string): Promise<never> => {
    throw new TensimError('BACKEND_UNAVAILABLE', `the backend "cuda" is not available: it does not know ${what}`, {
      hint: 'Take the backend "auto" or "native"',
    });
  };

  return {
    name: 'cuda',
    methods: new Set(['one-block', 'closure']),
    routes: new Set(['factor', 'dense']),
    preparesAtOnce: 4,
    tilesAtOnce: 2,
    machine: (dtype) => MACHINE[dtype],
    async prepare(source, dtype, control = {}) {
      await checkUsable(control);
      const held = await run(control, (threads, nativeControl) =>
        addon.cudaPrepare(library, DEVICE, ownedSource(source), dtype, threads, nativeControl),
      );
      return new CudaPrepared(addon, held);
    },
    async gramTile(job, rows, columns, control = {}) {
      const [rowModels, columnModels] = [rows.map(CudaPrepared.modelOf), columns.map(CudaPrepared.modelOf)];
      return run(control, (threads, nativeControl) =>
        addon.cudaGramTile(library, job, rowModels, columnModels, threads, nativeControl),
      );
    },
    prepareForward: () => missing('the forward pass, which sampling and evaluating need'),
    normals: () => missing('random inputs, which sampling needs'),
    contract: () => missing('contractions'),
    loopHafnian: () => missing('hafnians'),
    symmetricEigen: () => missing('eigenpairs'),
    async peak(dtype) {
      await checkUsable({});
      return run({}, (_, nativeControl) => addon.cudaPeak(library, DEVICE, dtype, nativeControl));
    },
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
