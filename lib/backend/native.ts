import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';

import type { ContractionPlan } from '../contraction/plan.js';
import { TensimError, type TensimErrorCode } from '../errors.js';
import type { PairedLegs } from '../gaussian/sieve.js';
import { streamKey } from '../gaussian/threefry.js';
import type { Layer } from '../model/model.js';
import type { DType, Tensor, TensorData } from '../tensor/tensor.js';
import type {
  Backend,
  ChainSource,
  Control,
  EigenPairs,
  FeatureSource,
  ForwardSource,
  GramJob,
  GramTile,
  PreparedModel,
  SymmetricMatrices,
} from './backend.js';
import { packageRoot } from './locate.js';
import { nativeMachine } from './native_machine.js';

/** A control of native work: an abort flag and two counters, shared with the threads that do it. */
interface NativeControl {
  abort(): void;
  /** Flops done and in all. */
  progress(): [done: number, total: number];
}

interface AddonInfo {
  readonly instructionSet: string;
  readonly available: readonly string[];
  readonly processor: string;
  readonly l1: number;
  readonly l2: number;
  readonly nodeApi: number;
  readonly compiler?: string;
}

/** The functions of native/addon/module.cc. */
interface Addon {
  readonly Control: new () => NativeControl;
  info(): AddonInfo;
  prepare(source: object, dtype: DType, threads: number, control: NativeControl): Promise<PreparedModel>;
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
  gemmWorkspace(m: number, n: number, k: number, dtype: DType): number;
  speed(dtype: DType): [flopsPerSecond: number, bytesPerSecond: number];
  peak(dtype: DType, seconds: number, threads: number, control: NativeControl): Promise<number>;
}

/** A forward pass as the addon holds it. */
interface NativeForwardPass {
  readonly bytes: number;
  dispose(): void;
}

/** The native backend can also measure the ceiling that its rates are compared with. */
export interface NativeBackend extends Backend {
  /** Flops per second that one thread reaches with multiply-adds on registers alone, the best of `seconds`. */
  peak(dtype: DType, seconds: number): Promise<number>;
}

export type NativeLoad =
  | { readonly backend: NativeBackend; readonly details: Readonly<Record<string, string | number>> }
  | { readonly reason: string };

/** How often running work is asked how far it has got, in milliseconds: the 20 reports a second of `Control`. */
const PROGRESS_INTERVAL = 50;

let loaded: NativeLoad | undefined;

/** The native backend, or the reason why there is none. Loaded once; never throws. */
export function loadNative(): NativeLoad {
  loaded ??= load();
  return loaded;
}

function load(): NativeLoad {
  try {
    const require = createRequire(import.meta.url);
    const addon = (require('node-gyp-build') as (directory: string) => Addon)(packageRoot());
    const info = addon.info();
    return {
      backend: createNative(addon),
      details: {
        'instruction set': info.instructionSet,
        'instruction sets available': info.available.join(', '),
        processor: info.processor === '' ? 'unknown' : info.processor,
        threads: availableParallelism(),
        'L1 data cache': `${info.l1 / 1024} KiB`,
        'L2 cache': `${info.l2 / 1024} KiB`,
        'Node-API': info.nodeApi,
        compiler: info.compiler ?? 'unknown',
      },
    };
  } catch (error) {
    return { reason: (error as Error).message.trim().split('\n')[0] ?? 'the addon did not load' };
  }
}

function createNative(addon: Addon): NativeBackend {
  /** Runs one asynchronous call of the addon under a caller's control. */
  async function run<Result>(
    control: Control,
    call: (threads: number, nativeControl: NativeControl) => Promise<Result>,
  ): Promise<Result> {
    const { signal, onProgress } = control;
    signal?.throwIfAborted();
    const nativeControl = new addon.Control();
    const abort = () => nativeControl.abort();
    signal?.addEventListener('abort', abort, { once: true });
    const timer =
      onProgress && setInterval(() => report(onProgress, nativeControl.progress()), PROGRESS_INTERVAL).unref();
    try {
      const result = await call(control.threads ?? availableParallelism(), nativeControl);
      const [, total] = nativeControl.progress();
      if (onProgress) report(onProgress, [total, total]);
      return result;
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      if (code === 'ABORTED') throw signal?.reason ?? error;
      throw code === undefined ? error : new TensimError(code as TensimErrorCode, message);
    } finally {
      clearInterval(timer);
      signal?.removeEventListener('abort', abort);
    }
  }

  /** Plans as the addon holds them: read and checked at their first run only. */
  const plans = new WeakMap<ContractionPlan, object>();
  function nativePlan(plan: ContractionPlan): object {
    let known = plans.get(plan);
    if (known === undefined) {
      known = new addon.Plan(plan);
      plans.set(plan, known);
    }
    return known;
  }

  return {
    name: 'native',
    methods: new Set(['one-block', 'two-block', 'closure', 'tensor']),
    machine: nativeMachine(addon),
    async contract(plan, operands, control = {}) {
      const { data, exponent } = await run(control, (threads, nativeControl) =>
        addon.contract(
          nativePlan(plan),
          operands.map((operand) => ownedData(operand.data)),
          threads,
          nativeControl,
        ),
      );
      const shape = Object.freeze([...plan.output.shape]);
      return plan.stripExponent ? { data, shape, exponent } : { data, shape };
    },
    prepare: (source, dtype, control = {}) =>
      run(control, (threads, nativeControl) => addon.prepare(owned(source), dtype, threads, nativeControl)),
    gramTile: (job, rows, columns, control = {}) =>
      run(control, (threads, nativeControl) => addon.gramTile(job, rows, columns, threads, nativeControl)),
    loopHafnian: (legs, control = {}) =>
      run(control, (threads, nativeControl) => addon.loopHafnian(legs, threads, nativeControl)),
    symmetricEigen: (matrices, wanted, control = {}) =>
      run(control, (threads, nativeControl) =>
        addon.symmetricEigen({ ...matrices, data: ownedData(matrices.data) }, wanted, threads, nativeControl),
      ),
    async prepareForward(source, dtype, control = {}) {
      const pass = await run(control, (threads, nativeControl) =>
        addon.prepareForward(ownedForward(source), dtype, threads, nativeControl),
      );
      return {
        get bytes() {
          return pass.bytes;
        },
        async evaluate(inputs, evaluation = {}) {
          const outputs = await run(evaluation, (threads, nativeControl) =>
            addon.evaluate(pass, ownedData(inputs), threads, nativeControl),
          );
          evaluation.onProgress?.(inputs.length, inputs.length);
          return outputs;
        },
        dispose: () => pass.dispose(),
      };
    },
    normals({ seed, stream, dimension }, first, count, control = {}) {
      const [key0, key1] = streamKey(seed, stream);
      return run(control, (threads, nativeControl) =>
        addon.normals(key0, key1, dimension, first, count, threads, nativeControl),
      );
    },
    peak: (dtype, seconds) => run({}, (_, nativeControl) => addon.peak(dtype, seconds, 1, nativeControl)),
  };
}

function report(onProgress: NonNullable<Control['onProgress']>, [done, total]: [number, number]): void {
  if (total > 0) onProgress(done, total);
}

/**
 * The source with every array in memory that stays where it is while threads read it: shared and resizable buffers, which
 * others may change or shrink meanwhile, are copied.
 */
function owned(source: ChainSource | FeatureSource): object {
  if (source.kind === 'features') return { ...source, segments: source.segments.map(ownedData) };
  const { mean, factor, sigma } = source.law;
  return {
    ...source,
    layers: source.layers.map(ownedLayer),
    law: {
      sigma,
      mean: mean && ownedData(mean),
      factor: factor && { ...factor, data: ownedData(factor.data) },
    },
  };
}

function ownedForward(source: ForwardSource): object {
  return { ...source, layers: source.layers.map(ownedLayer) };
}

function ownedLayer(layer: Layer): object {
  return Object.fromEntries(
    Object.entries(layer).map(([name, value]) => [
      name,
      isTensor(value) ? { ...value, data: ownedData(value.data) } : value,
    ]),
  );
}

function isTensor(value: unknown): value is Tensor {
  return typeof value === 'object' && value !== null && 'data' in value;
}

function ownedData<Data extends TensorData | Int32Array>(data: Data): Data {
  const { buffer } = data as { buffer: ArrayBufferLike & { resizable?: boolean } };
  const stays = buffer instanceof ArrayBuffer && buffer.resizable !== true;
  return stays ? data : (data.slice() as Data);
}
