import { Pacer } from '../cooperate.js';
import { TensimError } from '../errors.js';
import { unitCoefficients } from '../gaussian/activations/coefficients.js';
import { kernel } from '../gaussian/activations/kernel.js';
import { type Activation, activationOf } from '../layers/activations.js';
import type { Tensor } from '../tensor/tensor.js';
import { checkOptions, inRange, isList, readVector, type VectorInput } from './arguments.js';

/**
 * An activation by its name, as layers have it: `'gelu'`, `'silu'`, `'relu'`, the names that torch, Keras and
 * transformers have for them; with a slope where it has one (`leaky_relu`, `elu`, and `prelu`, which needs it).
 */
export type ActivationInput =
  | string
  | {
      /** Its name. */
      readonly activation: string;
      /** Of a leaky one, below zero. */
      readonly slope?: number | undefined;
    };

/** Two correlated normals u ~ N(m, s²) and v ~ N(m', s'²). */
export interface NormalPair {
  /** [m, m'], default [0, 0]. */
  readonly mean?: readonly [number, number] | undefined;
  /** [s, s'], their standard deviations; 0 is a constant. Default [1, 1]. */
  readonly std?: readonly [number, number] | undefined;
  /** Of u and v, from −1 to 1. */
  readonly correlation: number;
  /** Aborting rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}

/** Many such pairs. Every entry is a list of that length, or one number for all. */
export interface NormalPairs {
  /** [m, m'], default [0, 0]. */
  readonly mean?: readonly [number | VectorInput, number | VectorInput] | undefined;
  /** [s, s'], default [1, 1]. */
  readonly std?: readonly [number | VectorInput, number | VectorInput] | undefined;
  /** One for each pair. */
  readonly correlation: VectorInput;
  /** Aborting rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * The dual of an activation, E φ(u) φ(v) of correlated normals; of two activations E φ(u) ψ(v). It is what the inner
 * product of two hidden layers is made of, and the kernel of infinitely wide ones.
 *
 *     await gaussian.dual('relu', { correlation: 0.5 });                                // 0.3045
 *     await gaussian.dual('gelu', { mean: [0, 1], std: [1, 2], correlation: -0.3 });
 *     await gaussian.dual(['relu', 'tanh'], { correlation: [0, 0.5, 1] });              // Float64Array, one each
 *
 * Exact at ρ = ±1 and for constants too: errors are some roundings of √(E φ(u)² E ψ(v)²). Sources: Y. Cho and L. K. Saul,
 * "Kernel methods for deep learning" (2009), for powers; C. K. I. Williams, "Computation with infinite neural networks"
 * (1998), for erf and trigonometric functions; MATH.md section 10 for all the others.
 *
 * @param activation one, or [φ, ψ].
 * @throws TensimError `INVALID_ARGUMENT` for a name that is none, a correlation beyond ±1 or a negative deviation;
 * `SHAPE_MISMATCH` for lists of different lengths; `NOT_FINITE` for numbers that are not finite and results beyond the
 * floating-point range.
 */
export function dual(
  activation: ActivationInput | readonly [ActivationInput, ActivationInput],
  pair: NormalPair,
): Promise<number>;
/** The same for many pairs at once; resolves to one number for each. */
export function dual(
  activation: ActivationInput | readonly [ActivationInput, ActivationInput],
  pairs: NormalPairs,
): Promise<Float64Array>;
export async function dual(
  activation: ActivationInput | readonly [ActivationInput, ActivationInput],
  pairs: NormalPair | NormalPairs,
): Promise<number | Float64Array> {
  const [phi, psi] = readActivations(activation);
  if (typeof pairs !== 'object' || pairs === null) {
    throw new TensimError('INVALID_ARGUMENT', 'the normals are missing', {
      hint: 'Give { mean: [m, m′], std: [s, s′], correlation }',
    });
  }
  checkOptions(pairs, ['mean', 'std', 'correlation', 'signal']);
  const single = typeof pairs.correlation === 'number';
  const count = single ? 1 : lengthOf(pairs.correlation as VectorInput, 'the correlation');
  const correlation = spread(pairs.correlation, 'the correlation', count);
  const [m, n] = both(pairs.mean ?? [0, 0], 'mean', count);
  const [s, t] = both(pairs.std ?? [1, 1], 'std', count);
  for (const value of correlation) checkCorrelation(value);
  for (const value of [...s, ...t]) checkDeviation(value);
  const pacer = new Pacer(pairs.signal);
  const values = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    const u = { activation: phi, mean: m[i], deviation: s[i] };
    const v = { activation: psi, mean: n[i], deviation: t[i] };
    values[i] = inRange(kernel(u, v, correlation[i]), 'the expected product');
    if (pacer.due(WORK_OF_KERNEL)) await pacer.pause();
  }
  return single ? values[0] : values;
}

/** About the multiply-adds of one. */
const WORK_OF_KERNEL = 1 << 14;

/**
 * The Hermite coefficients a_n = E φ(m + s z) h_n(z) of an activation, n = 0 … terms, with the orthonormal polynomials
 * h_n = He_n/√n! and z ~ N(0, 1); for lists of m and s those of every unit.
 *
 *     (await gaussian.hermiteCoefficients('relu', 0, 1, 4)).data;            // 0.3989, 0.5, 0.2821, 0, −0.0814
 *     (await gaussian.hermiteCoefficients('silu', [0, 1], [1, 2], 8)).shape;  // [2, 9]
 *
 * E φ(u) ψ(v) = Σ a_n b_n ρⁿ (F. G. Mehler, 1866); Σ a_n² = E φ². Errors are some roundings of √(E φ²). MATH.md section 10
 * has the closed forms, and the rule of quadrature where there is none.
 *
 * @param mean m, a number or a list.
 * @param std s ≥ 0, a number or a list of the same length.
 * @param terms the highest degree, a whole number from 0.
 * @throws TensimError as `dual`.
 */
export async function hermiteCoefficients(
  activation: ActivationInput,
  mean: number | VectorInput,
  std: number | VectorInput,
  terms: number,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<Tensor> {
  checkOptions(options, ['signal']);
  const phi = readActivation(activation);
  if (!Number.isSafeInteger(terms) || terms < 0 || terms > MOST_TERMS) {
    throw new TensimError('INVALID_ARGUMENT', `the highest degree is ${String(terms)}`, {
      hint: `It must be a whole number from 0 to ${MOST_TERMS}`,
    });
  }
  const lists = [mean, std].filter((value) => typeof value !== 'number');
  const count = lists.length === 0 ? 1 : lengthOf(lists[0] as VectorInput, 'the mean');
  const [m, s] = [spread(mean, 'the mean', count), spread(std, 'the deviation', count)];
  for (const value of s) checkDeviation(value);
  const pacer = new Pacer(options.signal);
  const data = new Float64Array(count * (terms + 1));
  const tables: Parameters<typeof unitCoefficients>[4] = new Map();
  for (let i = 0; i < count; i++) {
    unitCoefficients(phi, m[i], s[i], data.subarray(i * (terms + 1), (i + 1) * (terms + 1)), tables);
    if (pacer.due(WORK_OF_KERNEL + 256 * terms)) await pacer.pause();
  }
  for (const value of data) inRange(value, 'a Hermite coefficient');
  return { data, shape: lists.length === 0 ? [terms + 1] : [count, terms + 1] };
}

const MOST_TERMS = 10_000;

function readActivations(
  activation: ActivationInput | readonly [ActivationInput, ActivationInput],
): readonly [Activation, Activation] {
  if (!Array.isArray(activation)) {
    const one = readActivation(activation as ActivationInput);
    return [one, one];
  }
  if (activation.length !== 2) {
    throw new TensimError('INVALID_ARGUMENT', `there are ${activation.length} activations`, {
      hint: 'Give one, or two as [φ, ψ]',
    });
  }
  return [readActivation(activation[0]), readActivation(activation[1])];
}

function readActivation(input: ActivationInput): Activation {
  const { activation, slope } =
    typeof input === 'object' && input !== null ? input : { activation: input, slope: undefined };
  if (typeof input === 'object' && input !== null) checkOptions(input, ['activation', 'slope']);
  if (slope !== undefined && !Number.isFinite(slope)) {
    throw new TensimError('NOT_FINITE', `the slope is ${String(slope)}`);
  }
  const plain = activationOf({ activation, slope: null });
  if (plain.name !== 'prelu') return slope === undefined ? plain : activationOf({ activation, slope });
  if (slope !== undefined) return { name: 'prelu', slope };
  throw new TensimError('INVALID_ARGUMENT', 'the slope of "prelu" is missing', {
    hint: 'Give { activation: "prelu", slope }',
  });
}

function both(input: unknown, what: string, count: number): readonly [Float64Array, Float64Array] {
  if (!Array.isArray(input) || input.length !== 2) {
    throw new TensimError('INVALID_ARGUMENT', `${what} is no pair`, { hint: `Give one for each of the two normals` });
  }
  return [spread(input[0], `the first ${what}`, count), spread(input[1], `the second ${what}`, count)];
}

/** One number for every pair. */
function spread(input: number | VectorInput, what: string, count: number): Float64Array {
  if (typeof input !== 'number') return readVector(input, what, count);
  if (Number.isFinite(input)) return new Float64Array(count).fill(input);
  throw new TensimError('NOT_FINITE', `${what} is ${input}`);
}

function lengthOf(input: VectorInput, what: string): number {
  if (isList(input)) return input.length;
  const length = (input as Tensor | undefined)?.shape?.[0];
  if (length !== undefined) return length;
  throw new TensimError('INVALID_ARGUMENT', `${what} is neither a number nor a list of numbers`);
}

/** @throws TensimError `INVALID_ARGUMENT` beyond ±1. */
export function checkCorrelation(value: number): void {
  if (Math.abs(value) <= 1) return;
  throw new TensimError('INVALID_ARGUMENT', `a correlation is ${value}`, { hint: 'It must be from −1 to 1' });
}

function checkDeviation(value: number): void {
  if (value >= 0) return;
  throw new TensimError('INVALID_ARGUMENT', `a standard deviation is ${value}`, { hint: 'It must not be negative' });
}
