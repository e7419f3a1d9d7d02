import { unhurried } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { type DType, dtypeOf, type ScaledTensor, type Tensor } from '../../tensor/tensor.js';
import { layoutOf } from '../layout.js';
import type { EquationInput } from '../parse.js';
import { type CompiledContraction, compileSteps, runnable } from './compile.js';
import { finish } from './engine.js';
import type { CompileOptions, ContractOptions, PlanOptions } from './options.js';
import type { PathInfo } from './path_info.js';

/**
 * Contracts tensors by an equation in the notation of numpy's einsum, in a good order.
 *
 *     await contract('ij,jk->ik', [a, b]);                               // matrix product
 *     await contract('hi,ki,hj,kj->hk', [L, L2, R, R2]);                 // (L L2ᵀ) ⊙ (R R2ᵀ)
 *     await contract('ii->', [a]);                                       // trace
 *     await contract('...ij,...jk->...ik', [a, b]);                      // a batch of products, with broadcasting
 *     await contract({ inputs: [[0, 1], [1, 2]], output: [0, 2] }, [a, b]);
 *
 * Operands may have any strides: 0 repeats an axis, and a view with a negative stride begins at the lowest element it
 * touches, so `{ data, shape: [n], strides: [-1] }` is `data` reversed. If all are float32, so is the result; otherwise
 * everything is computed in float64 (or as `dtype` says). The result is contiguous, its axes as in the equation.
 *
 * With `stripExponent` the result is a `ScaledTensor`: true values are data · 2^exponent, and no intermediate
 * overflows.
 *
 * Operands are not copied: leave them unchanged until the promise settles.
 *
 * @throws TensimError `INVALID_EQUATION` or `SHAPE_MISMATCH`, quoting the equation and marking the place;
 * `INVALID_ARGUMENT`
 *   for options and paths that cannot be; `MEMORY_LIMIT` with the numbers, before anything is allocated. An abort rejects
 *   with the signal's reason.
 */
export function contract(
  equation: EquationInput,
  operands: readonly Tensor[],
  options: ContractOptions & { readonly stripExponent: true },
): Promise<ScaledTensor>;
export function contract(
  equation: EquationInput,
  operands: readonly Tensor[],
  options?: ContractOptions,
): Promise<Tensor>;
export async function contract(
  equation: EquationInput,
  operands: readonly Tensor[],
  options: ContractOptions = {},
): Promise<Tensor | ScaledTensor> {
  if (!Array.isArray(operands)) throw new TensimError('INVALID_ARGUMENT', 'the operands must be an array of tensors');
  const shapes = operands.map((operand, i) => layoutOf(operand, i).shape);
  const dtype = options.dtype ?? commonDType(operands);
  options.signal?.throwIfAborted();
  const compiled = await compileRecent(equation, shapes, { ...options, dtype });
  return await compiled.run(operands, options);
}

/** Contractions planned lately, the last used at the end: `contract` in a loop plans once. They hold no tensors. */
const recent = new Map<string, CompiledContraction>();
const MOST_RECENT = 64;

async function compileRecent(
  equation: EquationInput,
  shapes: readonly (readonly number[])[],
  options: ContractOptions,
): Promise<CompiledContraction> {
  const { signal, onProgress: _, ...plan } = options;
  const key = JSON.stringify([equation, shapes, plan, process.env.TENSIM_BACKEND]);
  const known = recent.get(key);
  recent.delete(key);
  const compiled = known ?? runnable(await unhurried(compileSteps(equation, shapes, plan), signal), {});
  recent.set(key, compiled);
  if (recent.size > MOST_RECENT) recent.delete(recent.keys().next().value!);
  return compiled;
}

/**
 * What `contract` would do with operands of these shapes, without doing it. `String(info)` is a table.
 *
 *     console.log(String(contractionPath('hi,ki,hj,kj->hk', [[512, 256], [512, 256], [512, 256], [512, 256]])));
 *
 * The search runs at once; with many operands and `random-greedy` it may take as long as a tenth of the contraction.
 *
 * @throws TensimError as `contract`.
 */
export function contractionPath(
  equation: EquationInput,
  shapes: readonly (readonly number[])[],
  options: PlanOptions = {},
): PathInfo {
  return finish(compileSteps(equation, shapes, options)).path;
}

/**
 * Plans a contraction once, to be run many times.
 *
 *     const layer = compileContraction('bi,oi,op->bp', shapes, { constants: { 1: w1, 2: w2 } });
 *     const y = await layer.run([x]);          // w1 and w2 are multiplied at the first run only, if that pays
 *
 * Constants are not copied: leave them unchanged as long as it is used.
 *
 * @throws TensimError as `contract`.
 */
export function compileContraction(
  equation: EquationInput,
  shapes: readonly (readonly number[])[],
  options: CompileOptions = {},
): CompiledContraction {
  return runnable(finish(compileSteps(equation, shapes, options)), options);
}

function commonDType(operands: readonly Tensor[]): DType {
  return operands.length > 0 && operands.every(({ data }) => dtypeOf(data) === 'float32') ? 'float32' : 'float64';
}
