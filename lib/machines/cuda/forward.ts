import { DTYPES } from '../../backend/ability.js';
import type { Forward } from '../../backend/forward.js';
import type { Grams } from '../../backend/grams.js';
import { precisionOf } from '../../tensor/tensor.js';
import { ownedData, ownedForward } from '../owned.js';
import { type CudaAccess, DEVICE } from './access.js';
import { CudaPrepared } from './prepared.js';

/** The kinds of layers that native/addon/cuda/forward_source.h hands over. */
const KINDS: ReadonlySet<string> = new Set([
  'linear',
  'bilinear',
  'attention',
  'activation',
  'hidden',
  'gated',
  'rms_norm',
  'layer_norm',
  'batch_norm',
  'positions',
  'softmax_attention',
  'convolution',
  'pool',
  'parallel',
]);

/** So many bytes of outputs keep the device at work while they are multiplied; more would only take longer. */
const KEPT_BYTES = 2 ** 34;
/** Of its memory, beside packed models and what is worked with. */
const KEPT_PART = 1 / 4;

/**
 * @param grams whose tiles take what is kept
 * @param tf32 whether products of floats are one pass of TF32
 */
export function forwardOf({ addon, library, usable, memory, run }: CudaAccess, grams: Grams, tf32 = false): Forward {
  return {
    kinds: KINDS,
    dtypes: DTYPES,
    tf32: true,
    async prepare(source, dtype, control = {}) {
      await usable(control, { forward: {} });
      const elements = precisionOf(dtype, { tf32 });
      const { pass, bytes } = await run(control, (threads, nativeControl) =>
        addon.cudaPrepareForward(library, DEVICE, ownedForward(source), elements, threads, nativeControl),
      );
      let disposed = false;
      return {
        get bytes() {
          return disposed ? 0 : bytes;
        },
        async evaluate(inputs, evaluation = {}) {
          const outputs = await run(evaluation, (threads, nativeControl) =>
            addon.cudaEvaluate(pass, ownedData(inputs), threads, nativeControl),
          );
          evaluation.onProgress?.(inputs.length, inputs.length);
          return outputs;
        },
        async keep(inputs, { roots, perOutput }, keeping = {}) {
          const held = await run(keeping, (threads, nativeControl) =>
            addon.cudaKeep(pass, ownedData(inputs), roots && ownedData(roots), perOutput, threads, nativeControl),
          );
          return new CudaPrepared(addon, [held]);
        },
        dispose() {
          disposed = true;
          addon.cudaDisposeForward(pass);
        },
      };
    },
    kept: {
      grams,
      get bytes() {
        return Math.min(KEPT_BYTES, KEPT_PART * memory());
      },
      async combine(a, x, b, y, control = {}) {
        const models = CudaPrepared.modelsOf([a, b]);
        const held = await run(control, (threads, nativeControl) =>
          addon.cudaCombine(library, models, x, y, threads, nativeControl),
        );
        return new CudaPrepared(addon, [held]);
      },
      products(outputs, pairs, { count, positions, outputs: width }, perOutput, control = {}) {
        const models = CudaPrepared.modelsOf(outputs);
        const places = Uint32Array.from(pairs.flat());
        const size = { count, positions, outputs: width };
        return run(control, (threads, nativeControl) =>
          addon.cudaSampleProducts(library, models, places, size, perOutput, threads, nativeControl),
        );
      },
    },
  };
}
