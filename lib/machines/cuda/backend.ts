import type { BackendWith } from '../../backend/backend.js';
import type { Faults } from '../../backend/task.js';
import type { DType } from '../../tensor/tensor.js';
import { bytesIn } from '../../words/bytes.js';
import { timeText } from '../../words/times.js';
import { loadAddon } from '../addon.js';
import type { Details, Loaded } from '../loaded.js';
import { accessTo, type CudaAccess, DEVICE } from './access.js';
import { contractionsOf } from './contractions.js';
import { forwardOf } from './forward.js';
import { copyRate, gramsOf } from './grams.js';
import { findLibrary } from './library.js';
import { normalsOf } from './normals.js';
import { type CudaProbe, probeCuda } from './probe.js';
import { type CudaRates, knownRates, ratesOf } from './rates.js';

export interface CudaBackend extends BackendWith<'grams' | 'forward' | 'normals' | 'contractions'> {
  readonly name: 'cuda';
  /** Flops per second that the device reaches on registers alone, by its tensor cores as the backend uses them. */
  peak(dtype: DType): Promise<number>;
  /**
   * What choices go by: rates, and the memory that was free when it was tried out; or why it cannot be used. Rejects
   * with the signal's reason alone.
   */
  weighed(signal?: AbortSignal): Promise<Weighed | { readonly reason: string }>;
}

interface Weighed {
  readonly rates: CudaRates;
  readonly freeMemory: number;
  /** How many devices share tiles. */
  readonly devices: number;
  /** Bytes per second of copies within its memory. */
  readonly copies: number;
  readonly faults: Faults;
}

/** A library that has been tried out, and the seconds that took. */
interface Trial {
  readonly probe: CudaProbe;
  readonly seconds: number;
}

const loads = new Map<string, Loaded<CudaBackend>>();

/**
 * The CUDA backend, or the reason why there is none, as far as that can be told without trying it out. Whatever is
 * asked of it does that first, once. Never throws.
 */
export function loadCuda(): Loaded<CudaBackend> {
  const addon = loadAddon();
  if ('reason' in addon) return { reason: `it needs the native addon: ${addon.reason}` };
  const found = findLibrary(addon.path);
  if ('reason' in found) return found;
  const { library, from } = found;
  const known = loads.get(library);
  if (known !== undefined) return known;
  let trial: Promise<Trial> | undefined;
  let outcome: CudaProbe | undefined;
  const tried = (signal?: AbortSignal) => {
    trial ??= tryLibrary(addon.path, library).then((result) => {
      outcome = result.probe;
      return result;
    });
    return untilAborted(trial, signal);
  };
  const tryOut = async (signal?: AbortSignal) => {
    const { probe } = await tried(signal);
    if ('reason' in probe) return probe;
    return { details: await cudaDetails(probe, library, from), faults: probe.faults };
  };
  const access = accessTo(
    addon.addon,
    library,
    async (signal) => (await tried(signal)).probe,
    () => outcome,
  );
  const load = { backend: createCuda(access, tried), details: {}, tryOut };
  loads.set(library, load);
  return load;
}

async function tryLibrary(addonPath: string, library: string): Promise<Trial> {
  const start = performance.now();
  const probe = await probeCuda(addonPath, library);
  return { probe, seconds: (performance.now() - start) / 1e3 };
}

async function cudaDetails(
  { devices, alike, faults }: Extract<CudaProbe, { readonly faults: Faults }>,
  library: string,
  from: string,
): Promise<Details> {
  const device = devices[DEVICE];
  const { name, driver, runtime, capability, freeMemory, totalMemory } = device;
  return {
    device: devices.length > 1 ? `${name} (the first of ${devices.length})` : name,
    ...(devices.length > 1 && { devices: `${alike.length} of ${devices.length} share the tiles of a matrix` }),
    'compute capability': capability,
    memory: `${bytesIn('GiB', freeMemory)} of ${bytesIn('GiB', totalMemory)} GiB free`,
    driver: `CUDA ${driver}`,
    runtime: `CUDA ${runtime}`,
    library: `${library} (${from})`,
    rates: ratesText(await knownRates(library, device)),
    ...(Object.keys(faults).length > 0 && { refused: Object.values(faults).join('; ') }),
    status: 'taken by auto for large work that it is expected to do sooner; else when asked for by name',
  };
}

function ratesText(rates: CudaRates | undefined): string {
  if (rates === undefined) return 'measured when auto first weighs it';
  const { peak, upload, start } = rates;
  const flops = (dtype: DType) => `${(peak[dtype] / 1e12).toPrecision(3)} TFLOP/s in ${dtype}`;
  const bytes = `${(upload / 1e9).toPrecision(3)} GB/s to the device`;
  return `${flops('float64')}, ${flops('float32')}, ${bytes}, ready after ${timeText(start)}`;
}

function createCuda(access: CudaAccess, tried: (signal?: AbortSignal) => Promise<Trial>): CudaBackend {
  let rates: Promise<CudaRates> | undefined;
  const normals = normalsOf(access);
  const abilities = (tf32: boolean) => {
    const grams = gramsOf(access, tf32);
    return { grams, forward: forwardOf(access, grams, tf32), normals, contractions: contractionsOf(access, tf32) };
  };
  return {
    name: 'cuda',
    ...abilities(false),
    inTf32: { name: 'cuda', tf32: true, ...abilities(true) },
    peak: access.peak,
    async weighed(signal) {
      const { probe, seconds } = await tried(signal);
      if ('reason' in probe) return probe;
      const device = probe.devices[DEVICE];
      rates ??= ratesOf(access, device, seconds);
      const measured = rates.catch((error: Error) => ({ reason: `measuring it failed: ${error.message}` }));
      const result = await untilAborted(measured, signal);
      if ('reason' in result) return result;
      const { freeMemory } = device;
      const { alike, faults } = probe;
      return { rates: result, freeMemory, devices: alike.length, copies: copyRate(device), faults };
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
