import { DTYPES } from '../backend/ability.js';
import type { Abilities } from '../backend/backend.js';
import type { Control } from '../backend/control.js';
import type { Forward } from '../backend/forward.js';
import type { ChainSource, FeatureSource, GramRoute, Grams, PreparedModel, RouteEfficiency } from '../backend/grams.js';
import { streamKey } from '../gaussian/threefry.js';
import { layerKinds } from '../layers/table.js';
import { processors } from '../processors.js';
import type { DType } from '../tensor/tensor.js';
import { ADDON_KINDS, type Addon, loadAddon, type NativeCall, runNative } from './addon.js';
import { contractionsBy } from './contractions.js';
import { whyNotInstalled } from './installed.js';
import type { Loaded } from './loaded.js';
import { nativeMachine } from './native_machine.js';
import { ownedData, ownedForward, ownedMatrices, ownedSource } from './owned.js';

/** The native backend has every ability. It can also measure the ceiling that its rates are compared with. */
export interface NativeBackend extends Abilities {
  readonly name: 'native';
  /** Flops per second that one thread reaches with multiply-adds on registers alone, the best of `seconds`. */
  peak(dtype: DType, seconds: number): Promise<number>;
}

/** The kinds of layers that the closure takes natively; affine ones come as linear layers. */
const CLOSURE_KINDS: ReadonlySet<string> = new Set(['linear', 'bilinear', 'attention']);
/** Those that inner products are computed of by some method. */
const KINDS: ReadonlySet<string> = new Set([...CLOSURE_KINDS, 'activation', 'hidden', 'gated']);

/** Measured with AVX-512 on one thread. */
const ROUTES: ReadonlyMap<GramRoute, RouteEfficiency> = new Map([
  ['factor', { prepare: 0.3, pair: 0.8 }],
  ['unfolded', { prepare: 0.3, pair: 0.75 }],
  ['dense', { prepare: 0.5, pair: 0.6 }],
]);

/** Which sums the kernels take, in what order and precision: another number wherever bits of products change. */
const SUMS = 2;

const MEMORY_HINT = 'Smaller results, fewer models or inputs at a time, dtype "float32" or a memoryLimit need less';

let loaded: Loaded<NativeBackend> | undefined;

/** The native backend, or the reason why there is none. Loaded once; never throws. */
export function loadNative(): Loaded<NativeBackend> {
  loaded ??= load();
  return loaded;
}

function load(): Loaded<NativeBackend> {
  const found = loadAddon();
  if ('reason' in found) return { reason: whyNotInstalled(found.reason) };
  const { addon, info } = found;
  return {
    backend: createNative(addon, info.instructionSet),
    details: {
      'instruction set': info.instructionSet,
      'instruction sets available': info.available.join(', '),
      processor: info.processor === '' ? 'unknown' : info.processor,
      threads: processors(),
      'L1 data cache': `${info.l1 / 1024} KiB`,
      'L2 cache': `${info.l2 / 1024} KiB`,
      'Node-API': info.nodeApi,
      compiler: info.compiler ?? 'unknown',
      "callers' arrays": info.arrays,
    },
  };
}

type Run = <Result>(control: Control, call: NativeCall<Result>) => Promise<Result>;

function createNative(addon: Addon, instructionSet: string): NativeBackend {
  const run: Run = (control, call) => runNative(addon, control, call, MEMORY_HINT);
  const machine = nativeMachine(addon, instructionSet);
  return {
    name: 'native',
    grams: gramsOf(addon, run, machine, `${instructionSet}, sums v${SUMS}`),
    forward: forwardOf(addon, run),
    normals: {
      draw({ seed, stream, dimension }, first, count, control = {}) {
        const [key0, key1] = streamKey(seed, stream);
        return run(control, (threads, nativeControl) =>
          addon.normals(key0, key1, dimension, first, count, threads, nativeControl),
        );
      },
    },
    // Algebra on two small models, which takes no time beside what is then done with their forms.
    forms: {
      get kinds() {
        return new Set(layerKinds.types);
      },
      fold: async (source, control) =>
        (await import('./fallback.js')).loadFallback().backend.forms.fold(source, control),
    },
    contractions: contractionsBy(addon, machine, (plan, operands, control) =>
      run(control, (threads, nativeControl) => addon.contract(plan, operands, threads, nativeControl)),
    ),
    hafnians: {
      loopHafnian: (legs, control = {}) =>
        run(control, (threads, nativeControl) => addon.loopHafnian(legs, threads, nativeControl)),
    },
    lowRank: {
      dtypes: DTYPES,
      products: (rows, columns, dtype, control = {}) =>
        run(control, (threads, nativeControl) =>
          addon.lowRankProducts(ownedMatrices(rows), columns && ownedMatrices(columns), dtype, threads, nativeControl),
        ),
    },
    eigen: {
      symmetricEigen: (matrices, wanted, control = {}) =>
        run(control, (threads, nativeControl) =>
          addon.symmetricEigen({ ...matrices, data: ownedData(matrices.data) }, wanted, threads, nativeControl),
        ),
    },
    peak: (dtype, seconds) => run({}, (_, nativeControl) => addon.peak(dtype, seconds, 1, nativeControl)),
  };
}

function gramsOf(addon: Addon, run: Run, machine: ReturnType<typeof nativeMachine>, arithmetic: string): Grams {
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
    methods: new Set(['one-block', 'hidden', 'two-block', 'closure', 'tensor']),
    degrees: new Set(['one-block', 'hidden']),
    kinds: KINDS,
    kindsOf: new Map([['closure', CLOSURE_KINDS]]),
    dtypes: DTYPES,
    routes: ROUTES,
    once: true,
    arithmetic,
    preparesAtOnce: 48, // small ones take less time than handing them over one by one
    async machine(dtype, threads = processors()) {
      const { flopsPerSecond, bytesPerSecond, pace } = machine(dtype, 1);
      return { flopsPerSecond, bytesPerSecond, pace: pace * threads };
    },
    prepare: async (source, dtype, control) => (await prepareAll([source], dtype, control))[0],
    prepareAll,
    async prepareCalm(sources, window, dtype, control = {}) {
      const { models, levels } = await run(control, (threads, nativeControl) =>
        addon.prepareCalm(sources.map(ownedSource), window, dtype, threads, nativeControl),
      );
      let at = 0;
      return models.map((model) => {
        if (model === null) return null;
        const level = levels[at++];
        const sliceLevels = levels.subarray(at, at + model.outputs);
        at += model.outputs;
        return { model, level, sliceLevels };
      });
    },
    tile: (job, rows, columns, control = {}) =>
      run(control, (threads, nativeControl) => addon.gramTile(job, rows, columns, threads, nativeControl)),
  };
}

function forwardOf(addon: Addon, run: Run): Forward {
  return {
    kinds: ADDON_KINDS,
    dtypes: DTYPES,
    async prepare(source, dtype, control = {}) {
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
  };
}
