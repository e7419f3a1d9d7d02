import type { Control } from '../../backend/control.js';
import { finish, unhurried } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { type DType, dtypeOf, type ScaledTensor, type Tensor } from '../../tensor/tensor.js';
import { count } from '../../words/counts.js';
import { layoutOf } from '../layout.js';
import type { EquationInput } from '../parse.js';
import { compileWeighed } from './choose.js';
import { type CompiledContraction, compileSteps, runnable } from './compile.js';
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
 * The backend `auto` is native, or the fallback; of large contractions cuda, where that is expected to be done sooner,
 * transfers included. The last bits depend on it, and `contractionPathAsync` tells which it is, and why.
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
  return await contractBy(compileWeighed, equation, operands, options);
}

/**
 * The contraction of `contract` as a part of something larger, whose backend is chosen as a whole: `auto` weighs nothing.
 * @throws TensimError (rejects) as `contract`
 */
export async function contractAsPart(
  equation: EquationInput,
  operands: readonly Tensor[],
  options: ContractOptions = {},
): Promise<Tensor> {
  return (await contractBy(compileUnweighed, equation, operands, options)) as Tensor;
}

const compileUnweighed: typeof compileWeighed = (input, shapes, { signal, ...plan }) =>
  unhurried(compileSteps(input, shapes, plan), signal);

async function contractBy(
  compile: typeof compileWeighed,
  equation: EquationInput,
  operands: readonly Tensor[],
  options: ContractOptions,
): Promise<Tensor | ScaledTensor> {
  if (!Array.isArray(operands)) throw new TensimError('INVALID_ARGUMENT', 'the operands must be an array of tensors');
  const shapes = operands.map((operand, i) => layoutOf(operand, i).shape);
  const dtype = options.dtype ?? commonDType(operands);
  options.signal?.throwIfAborted();
  const compiled = await compileRecent(compile, equation, shapes, { ...options, dtype });
  return await compiled.run(operands, options);
}

/** Contractions planned lately, the last used at the end: `contract` in a loop plans once. They hold no tensors. */
const recent = new Map<string, CompiledContraction>();
const MOST_RECENT = 64;

async function compileRecent(
  compile: typeof compileWeighed,
  equation: EquationInput,
  shapes: readonly (readonly number[])[],
  options: ContractOptions,
): Promise<CompiledContraction> {
  const { signal, onProgress: _, ...plan } = options;
  const compileIt = async (): Promise<CompiledContraction> =>
    runnable(await compile(equation, shapes, { ...plan, signal }), {});
  // The key of a large one is as long as its equation, and what it is planned to is worth no place in memory.
  if (!isPlannedAtOnce(shapes)) return compileIt();
  const { TENSIM_BACKEND, TENSIM_CUDA_LIBRARY } = process.env;
  const key = JSON.stringify([compile === compileWeighed, equation, shapes, plan, TENSIM_BACKEND, TENSIM_CUDA_LIBRARY]);
  const known = recent.get(key);
  recent.delete(key);
  const compiled = known ?? (await compileIt());
  recent.set(key, compiled);
  if (recent.size > MOST_RECENT) recent.delete(recent.keys().next().value!);
  return compiled;
}

/**
 * What `contract` would do with operands of these shapes, without doing it. `String(info)` is a table.
 *
 *     console.log(String(contractionPath('hi,ki,hj,kj->hk', [[512, 256], [512, 256], [512, 256], [512, 256]])));
 *
 * The search runs at once and nothing else runs meanwhile: at most 1,024 operands and 16,384 axes are planned so. With
 * `random-greedy` it may take as long as a tenth of the contraction. `contractionPathAsync` finds the same path and
 * lets others run. No device is tried out: the path is that of native or the fallback unless another one is named.
 *
 * @throws TensimError as `contract`; `INVALID_ARGUMENT` for more operands or axes.
 */
export function contractionPath(
  equation: EquationInput,
  shapes: readonly (readonly number[])[],
  options: PlanOptions = {},
): PathInfo {
  checkPlannedAtOnce(shapes, 'contractionPathAsync');
  return finish(compileSteps(equation, shapes, options)).path;
}

/**
 * The path of `contractionPath`, the same for the same seed, of any number of operands: the search gives way to others
 * every few milliseconds.
 *
 *     const info = await contractionPathAsync(equation, shapes, { signal });
 *
 * @throws TensimError (rejects) as `contract`. An abort rejects with the signal's reason.
 */
export async function contractionPathAsync(
  equation: EquationInput,
  shapes: readonly (readonly number[])[],
  options: PlanOptions & Pick<Control, 'signal'> = {},
): Promise<PathInfo> {
  return (await compileWeighed(equation, shapes, options)).path;
}

/**
 * Plans a contraction once, to be run many times.
 *
 *     const layer = compileContraction('bi,oi,op->bp', shapes, { constants: { 1: w1, 2: w2 } });
 *     const y = await layer.run([x]);          // w1 and w2 are multiplied at the first run only, if that pays
 *
 * It is planned at once, as by `contractionPath`, with its bounds and its backend; `compileContractionAsync` lets others
 * run, and weighs the backends.
 *
 * Constants are not copied: leave them unchanged as long as it is used.
 *
 * @throws TensimError as `contractionPath`.
 */
export function compileContraction(
  equation: EquationInput,
  shapes: readonly (readonly number[])[],
  options: CompileOptions = {},
): CompiledContraction {
  checkPlannedAtOnce(shapes, 'compileContractionAsync');
  return runnable(finish(compileSteps(equation, shapes, options)), options);
}

/**
 * The contraction of `compileContraction`, of any number of operands: planning gives way to others every few
 * milliseconds.
 *
 *     const network = await compileContractionAsync(equation, shapes, { constants, signal });
 *     const result = await network.run(operands);
 *
 * @throws TensimError (rejects) as `contract`. An abort rejects with the signal's reason.
 */
export async function compileContractionAsync(
  equation: EquationInput,
  shapes: readonly (readonly number[])[],
  options: CompileOptions & Pick<Control, 'signal'> = {},
): Promise<CompiledContraction> {
  return runnable(await compileWeighed(equation, shapes, options), options);
}

/** Operands, and axes of all of them together, that are planned at once. */
const MOST_OPERANDS = 1024;
const MOST_AXES = 16_384;

function isPlannedAtOnce(shapes: readonly (readonly number[])[]): boolean {
  return shapes.length <= MOST_OPERANDS && axesOf(shapes) <= MOST_AXES;
}

function checkPlannedAtOnce(shapes: readonly (readonly number[])[], twin: string): void {
  if (!Array.isArray(shapes) || isPlannedAtOnce(shapes)) return;
  const given = `${count(shapes.length)} operands with ${count(axesOf(shapes))} axes`;
  throw new TensimError('INVALID_ARGUMENT', `${given} are too many to be planned at once`, {
    hint: `At most ${count(MOST_OPERANDS)} operands and ${count(MOST_AXES)} axes are; ${twin} plans any number and lets others run`,
  });
}

function axesOf(shapes: readonly (readonly number[])[]): number {
  return shapes.reduce((sum, shape) => sum + (shape?.length ?? 0), 0);
}

function commonDType(operands: readonly Tensor[]): DType {
  return operands.length > 0 && operands.every(({ data }) => dtypeOf(data) === 'float32') ? 'float32' : 'float64';
}
