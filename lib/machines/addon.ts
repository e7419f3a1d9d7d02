import type { Control } from '../backend/control.js';
import type { EigenPairs, SymmetricMatrices } from '../backend/eigen.js';
import type { GramJob, GramTile, PreparedModel } from '../backend/grams.js';
import type { ContractionPlan } from '../contraction/plan.js';
import { TensimError, type TensimErrorCode } from '../errors.js';
import type { PairedLegs } from '../gaussian/sieve.js';
import { processors } from '../processors.js';
import type { DType, Precision, TensorData } from '../tensor/tensor.js';
import type { CudaForwardFunctions } from './cuda/functions.js';
import { locateAddon, requireFrom } from './locate.js';

/** A control of native work: an abort flag and two counters, shared with the threads that do it. */
export interface NativeControl {
  abort(): void;
  /** Flops done and in all. */
  progress(): [done: number, total: number];
}

export interface AddonInfo {
  readonly instructionSet: string;
  readonly available: readonly string[];
  readonly processor: string;
  readonly l1: number;
  readonly l2: number;
  readonly nodeApi: number;
  readonly compiler?: string;
  /** How what callers give is kept safe from what they do to it meanwhile (native/addon/stores.h). */
  readonly arrays: 'held' | 'copied';
}

/** The kinds of layers that native/addon/layers reads. */
export const ADDON_KINDS: ReadonlySet<string> = new Set([
  'linear',
  'bilinear',
  'attention',
  'activation',
  'hidden',
  'gated',
  'rms_norm',
  'layer_norm',
  'batch_norm',
  'convolution',
  'pool',
  'softmax_attention',
  'positions',
  'parallel',
]);

/** The functions of native/addon/module.cc. */
export interface Addon extends CudaForwardFunctions {
  readonly Control: new () => NativeControl;
  info(): AddonInfo;
  prepare(sources: readonly object[], dtype: DType, threads: number, control: NativeControl): Promise<PreparedModel[]>;
  prepareCalm(
    sources: readonly object[],
    window: number,
    dtype: DType,
    threads: number,
    control: NativeControl,
  ): Promise<{ models: (PreparedModel | null)[]; levels: Float64Array }>;
  gramTile(
    job: GramJob,
    rows: readonly PreparedModel[],
    columns: readonly PreparedModel[],
    threads: number,
    control: NativeControl,
  ): Promise<GramTile>;
  prepareForward(source: object, dtype: DType, threads: number, control: NativeControl): Promise<NativeForwardPass>;
  evaluate(
    pass: NativeForwardPass,
    inputs: TensorData | Int32Array,
    threads: number,
    control: NativeControl,
  ): Promise<TensorData>;
  readonly Plan: new (plan: ContractionPlan) => object;
  contract(
    plan: object,
    operands: readonly TensorData[],
    threads: number,
    control: NativeControl,
  ): Promise<{ data: TensorData; exponent: number }>;
  loopHafnian(legs: PairedLegs, threads: number, control: NativeControl): Promise<number>;
  lowRankProducts(
    rows: object,
    columns: object | null,
    dtype: DType,
    threads: number,
    control: NativeControl,
  ): Promise<Float64Array>;
  normals(
    key0: number,
    key1: number,
    dimension: number,
    first: number,
    count: number,
    threads: number,
    control: NativeControl,
  ): Promise<Float64Array>;
  symmetricEigen(
    matrices: SymmetricMatrices,
    wanted: number,
    threads: number,
    control: NativeControl,
  ): Promise<EigenPairs>;
  cudaDevices(library: string): CudaDevice[];
  /** One on each of the devices. */
  cudaPrepare(
    library: string,
    devices: readonly number[],
    source: object,
    elements: Precision,
    threads: number,
    control: NativeControl,
  ): Promise<CudaModel[]>;
  cudaDispose(model: object): void;
  cudaPeak(library: string, device: number, dtype: DType, control: NativeControl): Promise<number>;
  cudaGramTile(
    library: string,
    job: GramJob,
    rows: readonly object[],
    columns: readonly object[],
    threads: number,
    control: NativeControl,
  ): Promise<GramTile>;
  cudaContract(
    library: string,
    device: number,
    tf32: boolean,
    plan: object,
    operands: readonly TensorData[],
    threads: number,
    control: NativeControl,
  ): Promise<{ data: TensorData; exponent: number }>;
  gemmWorkspace(m: number, n: number, k: number, dtype: DType): number;
  speed(dtype: DType): number;
  peak(dtype: DType, seconds: number, threads: number, control: NativeControl): Promise<number>;
}

/** A forward pass as the addon holds it. */
export interface NativeForwardPass {
  readonly bytes: number;
  dispose(): void;
}

/**
 * A device as the CUDA runtime describes it; memory is in bytes, `bandwidth` in bytes per second, 0 where it does not
 * tell.
 */
export interface CudaDevice {
  readonly name: string;
  readonly driver: string;
  readonly runtime: string;
  readonly capability: string;
  readonly freeMemory: number;
  readonly totalMemory: number;
  readonly bandwidth: number;
}

/** A model on a device, as the addon holds it. */
export interface CudaModel {
  readonly model: object;
  readonly outputs: number;
  readonly bytes: number;
}

/** How often running work is asked how far it has got, in milliseconds: the 20 reports a second of `Control`. */
const PROGRESS_INTERVAL = 50;

export type AddonLoad =
  | { readonly addon: Addon; readonly info: AddonInfo; readonly path: string }
  | { readonly reason: string };

/** An asynchronous function of the addon, with its last two arguments left open. */
export type NativeCall<Result> = (threads: number, control: NativeControl) => Promise<Result>;

let loaded: AddonLoad | undefined;

/** The addon and where it lies, or the reason why there is none. Loaded once; never throws. */
export function loadAddon(): AddonLoad {
  loaded ??= load();
  return loaded;
}

function load(): AddonLoad {
  try {
    const path = locateAddon();
    const addon = requireFrom(path)(path) as Addon;
    return { addon, info: addon.info(), path };
  } catch (error) {
    return { reason: (error as Error).message.trim().split('\n')[0] ?? 'the addon did not load' };
  }
}

/**
 * Runs one asynchronous call of the addon under a caller's control.
 * @param memoryHint what helps where there is not enough memory
 */
export async function runNative<Result>(
  addon: Addon,
  control: Control,
  call: NativeCall<Result>,
  memoryHint: string,
): Promise<Result> {
  const { signal, onProgress } = control;
  signal?.throwIfAborted();
  const nativeControl = new addon.Control();
  const abort = () => nativeControl.abort();
  signal?.addEventListener('abort', abort, { once: true });
  const timer =
    onProgress && setInterval(() => report(onProgress, nativeControl.progress()), PROGRESS_INTERVAL).unref();
  try {
    const result = await call(control.threads ?? processors(), nativeControl);
    const [, total] = nativeControl.progress();
    if (onProgress) report(onProgress, [total, total]);
    return result;
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (code === 'ABORTED') throw signal?.reason ?? error;
    if (code === undefined || error instanceof TensimError) throw error;
    throw new TensimError(code as TensimErrorCode, message, code === 'MEMORY_LIMIT' ? { hint: memoryHint } : {});
  } finally {
    clearInterval(timer);
    signal?.removeEventListener('abort', abort);
  }
}

function report(onProgress: NonNullable<Control['onProgress']>, [done, total]: [number, number]): void {
  if (total > 0) onProgress(done, total);
}
