import type { BackendName } from '../backend/backend.js';
import type { Control } from '../backend/control.js';
import { kindsOf } from '../backend/task.js';
import { checkTf32 } from '../backend/tf32.js';
import { TensimError } from '../errors.js';
import { type PassedOver, takeBackend } from '../machines/select.js';
import type { Model } from '../model/model.js';
import { steadily } from '../tensor/steady.js';
import { type DType, type Tensor, tensor } from '../tensor/tensor.js';
import { valueText } from '../words/quoting.js';
import { type ModelInputs, readInputs } from './inputs.js';
import { passWork } from './work.js';

/** How a model is run. */
export interface EvaluateOptions {
  /** Compute type and type of the result, default `'float64'`. */
  readonly dtype?: DType | undefined;
  /**
   * Let products of float32 be one pass of TF32, of factors rounded to 11 bits: about three times as quick on the backend
   * `cuda`, and only that exact, layer by layer. As in `SimilarityOptions`. Default false.
   */
  readonly tf32?: boolean | undefined;
  /**
   * Default `'auto'`: the environment variable TENSIM_BACKEND if set, else native if it loads, else fallback; of large work
   * cuda, where that is expected to do it sooner. The last bits depend on it.
   */
  readonly backend?: 'auto' | BackendName | undefined;
  /** Default: as many as the process may use. Results do not depend on it. */
  readonly threads?: number | undefined;
  /** Aborting rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
  /** Called with work done and in all, at most 20 times a second. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /**
   * Called once with the backend that runs the model, those that are there and were passed over with the reasons, and
   * whether products are one pass of TF32.
   */
  readonly onBackend?: ((name: BackendName, passedOver: readonly PassedOver[], tf32: boolean) => void) | undefined;
}

const KNOWN = ['dtype', 'tf32', 'backend', 'threads', 'signal', 'onProgress', 'onBackend'];

/**
 * The outputs of a model on a batch of inputs, its forward pass (MATH.md section 1).
 *
 *     const logits = await evaluate(model, tensor(images, [100, 784]));          // (100, 10)
 *     const next = await evaluate(tokenModel, [[3, 1, 4, 1], [5, 9, 2, 6]]);      // (2, 4, vocabulary)
 *
 * Weights and inputs are not copied: leave them unchanged until the promise settles.
 *
 * @returns the leading axes of the inputs, then the outputs. Numbers beyond the range of the dtype come out infinite or
 * NaN.
 * @throws TensimError (rejects) `SHAPE_MISMATCH` for inputs of another size than the model's, `INVALID_ARGUMENT` for a
 * token that is none, `UNSUPPORTED_LAYER` for tokens given to a model without an embedding, `BACKEND_UNAVAILABLE`; the
 * signal's reason.
 */
export async function evaluate(model: Model, inputs: ModelInputs, options: EvaluateOptions = {}): Promise<Tensor> {
  const unknown = Object.keys(options).find((name) => !KNOWN.includes(name));
  if (unknown !== undefined)
    throw new TensimError('INVALID_ARGUMENT', `there is no option "${unknown}"`, {
      hint: `Options are ${KNOWN.join(', ')}`,
    });
  const { dtype = 'float64', tf32: asked, backend, onBackend, ...control } = options;
  if (dtype !== 'float64' && dtype !== 'float32')
    throw new TensimError('INVALID_ARGUMENT', `the option "dtype" is ${valueText(dtype)}`, {
      hint: 'It may be float64, float32',
    });
  const tf32 = checkTf32({ tf32: asked, dtype, backend });
  return steadily([model, inputs], () => run(model, inputs, { dtype, tf32, backend, onBackend }, control));
}

async function run(
  model: Model,
  inputs: ModelInputs,
  {
    dtype,
    tf32,
    backend,
    onBackend,
  }: Pick<EvaluateOptions, 'tf32' | 'backend' | 'onBackend'> & { readonly dtype: DType },
  control: Control,
): Promise<Tensor> {
  const { signal, threads } = control;
  const { values, kind, leading } = await readInputs(model, inputs, signal);
  const kinds = kindsOf([model]);
  const work = () => passWork(model, values.length, { kind, dtype, threads });
  const taken = await takeBackend(backend, { forward: { kinds, dtype, tf32 } }, signal, work);
  onBackend?.(taken.backend.name, taken.passedOver, taken.backend.tf32 === true);
  const { forward } = taken.backend;
  const [positions, features] = model.inputShape;
  const pass = await forward.prepare({ layers: model.layers, positions, features, input: kind }, dtype, {
    ...control,
    onProgress: undefined,
  });
  try {
    return tensor(await pass.evaluate(values, control), [...leading, model.outputShape[1]]);
  } finally {
    pass.dispose();
  }
}
