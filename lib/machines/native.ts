import { availableParallelism } from 'node:os';
import type { Backend, ChainSource, Control, FeatureSource, PreparedModel } from '../backend/backend.js';
import type { ContractionPlan } from '../contraction/plan.js';
import { streamKey } from '../gaussian/threefry.js';
import type { DType } from '../tensor/tensor.js';
import { type Addon, loadAddon, type NativeCall, ownedData, ownedForward, ownedSource, runNative } from './addon.js';
import { nativeMachine } from './native_machine.js';

/** The native backend can also measure the ceiling that its rates are compared with. */
export interface NativeBackend extends Backend {
  /** Flops per second that one thread reaches with multiply-adds on registers alone, the best of `seconds`. */
  peak(dtype: DType, seconds: number): Promise<number>;
}

export type NativeLoad =
  | { readonly backend: NativeBackend; readonly details: Readonly<Record<string, string | number>> }
  | { readonly reason: string };

let loaded: NativeLoad | undefined;

/** The native backend, or the reason why there is none. Loaded once; never throws. */
export function loadNative(): NativeLoad {
  loaded ??= load();
  return loaded;
}

function load(): NativeLoad {
  const found = loadAddon();
  if ('reason' in found) return found;
  const { addon, info } = found;
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
}

function createNative(addon: Addon): NativeBackend {
  const run = <Result>(control: Control, call: NativeCall<Result>) => runNative(addon, control, call);

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

  function prepareAll(
    sources: readonly (ChainSource | FeatureSource)[],
    dtype: DType,
    control: Control = {},
  ): Promise<PreparedModel[]> {
    return run(control, (threads, nativeControl) =>
      addon.prepare(sources.map(ownedSource), dtype, threads, nativeControl),
    );
  }

  return {
    name: 'native',
    methods: new Set(['one-block', 'two-block', 'closure', 'tensor']),
    routes: new Set(['factor', 'unfolded', 'dense']),
    preparesAtOnce: 16, // small ones take less time than handing them over one by one
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
    prepare: async (source, dtype, control) => (await prepareAll([source], dtype, control))[0],
    prepareAll,
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
