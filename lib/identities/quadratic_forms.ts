import { Pacer } from '../cooperate.js';
import { TensimError } from '../errors.js';
import { members, momentsOfCumulants, refuseTooManyFactors, smallest } from '../gaussian/subsets.js';
import {
  checkOptions,
  inRange,
  type MatrixInput,
  readLaw,
  readSquare,
  readVector,
  type VectorInput,
} from './arguments.js';

/** x ↦ xᵀ A x + a·x + e; a part left out is zero. A need not be symmetric: (A + Aᵀ)/2 gives the same form. */
export interface QuadraticForm {
  /** A, (d, d). */
  readonly quadratic?: MatrixInput | undefined;
  /** a, of length d. */
  readonly linear?: VectorInput | undefined;
  /** e. */
  readonly constant?: number | undefined;
}

/** A quadratic about the mean: y ↦ yᵀ A y + a·y + e with y = x − μ. */
interface Centred {
  /** A Σ, (d, d). */
  readonly spread: Float64Array;
  /** a. */
  readonly linear: Float64Array;
  /** Σ a. */
  readonly linearSpread: Float64Array;
  /** E Q = tr A Σ + e. */
  readonly mean: number;
}

/**
 * E Π_i Q_i(x) for quadratic forms Q_i and x ~ N(mean, cov), exactly: the sum over set partitions of products of joint
 * cumulants (MATH.md section 4),
 *
 *     κ(Q_1 … Q_m) = 2^(m−1) Σ_{(m−1)! cyclic orders} tr(A_1 Σ A_2 Σ … A_m Σ) + 2^(m−2) Σ_{m!/2 orders} a_1ᵀ Σ A_2 Σ … A_(m−1) Σ a_m
 *
 * where all orders of a subset are summed at once, by recursion over its subsets: for m forms in d variables m·2^(m−1)
 * products of d × d matrices and 3^m multiply-adds, instead of m! of them.
 *
 *     const square = { quadratic: [[1]] };                                       // x²
 *     await quadraticForms([square, { linear: [1], constant: 2 }], [1], [[3]]);  // E x² (x + 2) for x ~ N(1, 3) = 10 + 8
 *
 * `cov` need only be symmetric, and may be singular. It is asynchronous because many forms take long; other work gets
 * its turn.
 *
 * @param forms m forms in d variables; the product of none is 1.
 * @param mean (d)
 * @param cov (d, d)
 * @throws TensimError `SHAPE_MISMATCH`, `NOT_FINITE`, `INVALID_COVARIANCE` for a covariance that is not symmetric; for
 * too many
 *   forms `INVALID_ARGUMENT` with the time they would take, or `MEMORY_LIMIT`. An abort rejects with the signal's reason.
 */
export async function quadraticForms(
  forms: readonly (QuadraticForm | MatrixInput)[],
  mean: VectorInput,
  cov: MatrixInput,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<number> {
  checkOptions(options, ['signal']);
  if (!Array.isArray(forms)) throw new TensimError('INVALID_ARGUMENT', 'the forms must be an array of quadratic forms');
  const law = readLaw(mean, cov);
  const count = forms.length;
  const size = law.cov.size;
  // Chains are kept for the subsets without the first form.
  const work = count * 2 ** (count - 2) * (size ** 3 + 2 * size ** 2) + 3 ** count;
  refuseTooManyFactors(count, work, 8 * 2 ** (count - 1) * (size ** 2 + size + 4));
  const pacer = new Pacer(options.signal);
  // Copied, all before the first pause: what becomes of the arrays then changes nothing.
  const read = forms.map((form, i) => readForm(form, i, size));
  const centred: Centred[] = [];
  for (const form of read) centred.push(await centre(form, law.mean, law.cov.data, pacer));
  const moments = await momentsOfCumulants(await cumulants(centred, size, pacer), pacer);
  return inRange(moments[moments.length - 1], 'the expected product');
}

/** xᵀ A x + a·x + e, with A symmetric. */
interface ReadForm {
  readonly matrix: Float64Array;
  readonly linear: Float64Array;
  readonly constant: number;
}

function readForm(form: QuadraticForm | MatrixInput, index: number, size: number): ReadForm {
  const { quadratic, linear: given, constant = 0 } = partsOf(form, index);
  const matrix =
    quadratic === undefined
      ? new Float64Array(size * size)
      : symmetrised(readSquare(quadratic, `the matrix of form ${index}`, size).data, size);
  const linear =
    given === undefined ? new Float64Array(size) : readVector(given, `the linear part of form ${index}`, size);
  if (typeof constant !== 'number' || !Number.isFinite(constant)) {
    throw new TensimError('NOT_FINITE', `the constant of form ${index} is ${String(constant)}`);
  }
  return { matrix, linear, constant };
}

/** Moves the origin to the mean: a → a + 2 A μ, e → e + a·μ + μᵀ A μ. */
async function centre(
  { matrix, linear, constant }: ReadForm,
  mean: Float64Array,
  cov: Float64Array,
  pacer: Pacer,
): Promise<Centred> {
  const size = mean.length;
  let value = constant;
  const shifted = linear.slice();
  for (let i = 0; i < size; i++) {
    let half = 0;
    for (let j = 0; j < size; j++) half += matrix[i * size + j] * mean[j];
    shifted[i] += 2 * half;
    value += mean[i] * (linear[i] + half);
  }
  const spread = new Float64Array(size * size);
  await addProduct(matrix, cov, size, size, spread, pacer);
  for (let i = 0; i < size; i++) value += spread[i * (size + 1)];
  const linearSpread = new Float64Array(size);
  await addProduct(shifted, cov, 1, size, linearSpread, pacer);
  return { spread, linear: shifted, linearSpread, mean: value };
}

function partsOf(form: QuadraticForm | MatrixInput, index: number): QuadraticForm {
  if (typeof form !== 'object' || form === null) {
    throw new TensimError('INVALID_ARGUMENT', `form ${index} is ${String(form)}`, {
      hint: 'It must be { quadratic, linear, constant } or a matrix',
    });
  }
  if (Array.isArray(form) || 'shape' in form) return { quadratic: form as MatrixInput };
  checkOptions(form, ['quadratic', 'linear', 'constant']);
  return form as QuadraticForm;
}

function symmetrised(matrix: Float64Array, size: number): Float64Array {
  return matrix.map((value, k) => value / 2 + matrix[(k % size) * size + Math.floor(k / size)] / 2);
}

/**
 * κ(S) of every subset S of the forms. For subsets T let P(T) be the sum over all orders of T of the products of A_i Σ,
 * and c(T) that of the row vectors a_1ᵀ Σ A_2 Σ … A_k Σ; each comes from the subsets with one form less, the last in
 * the order. Cycles are cut at the smallest form of S, so P is needed without form 0 only, and the paths are those that
 * end in each form in turn.
 */
async function cumulants(forms: readonly Centred[], size: number, pacer: Pacer): Promise<Float64Array> {
  const subsets = 2 ** forms.length;
  const kappa = new Float64Array(subsets);
  const chains: Float64Array[] = [identity(size)];
  const starts: Float64Array[] = [new Float64Array(size)];
  for (let subset = 1; subset < subsets; subset++) {
    const list = members(subset);
    const first = smallest(subset);
    const start = new Float64Array(size);
    let path = 0;
    for (const i of list) {
      const rest = subset ^ (1 << i);
      if (rest === 0) {
        start.set(forms[i].linearSpread);
        continue;
      }
      await addProduct(starts[rest], forms[i].spread, 1, size, start, pacer);
      path += dot(starts[rest], forms[i].linear);
    }
    starts.push(start);
    // P(T) is kept at T/2, which leaves out the bit of form 0.
    if ((subset & 1) === 0) {
      const chain = new Float64Array(size * size);
      for (const i of list) {
        await addProduct(chains[(subset ^ (1 << i)) >> 1], forms[i].spread, size, size, chain, pacer);
      }
      chains.push(chain);
    }
    if (list.length === 1) {
      kappa[subset] = forms[first].mean;
    } else {
      const cycle = traceOfProduct(forms[first].spread, chains[(subset ^ (1 << first)) >> 1], size);
      // Both directions of each order are among the paths: hence half of 2^(m−2).
      kappa[subset] = 2 ** (list.length - 1) * cycle + 2 ** (list.length - 3) * path;
    }
    if (pacer.due(size * size)) await pacer.pause();
  }
  return kappa;
}

/** out += a · b with a (rows, size), b (size, size). */
async function addProduct(
  a: Float64Array,
  b: Float64Array,
  rows: number,
  size: number,
  out: Float64Array,
  pacer: Pacer,
): Promise<void> {
  for (let i = 0; i < rows; i++) {
    for (let k = 0; k < size; k++) {
      const factor = a[i * size + k];
      for (let j = 0; j < size; j++) out[i * size + j] += factor * b[k * size + j];
    }
    if (pacer.due(size * size)) await pacer.pause();
  }
}

function traceOfProduct(a: Float64Array, b: Float64Array, size: number): number {
  let sum = 0;
  for (let i = 0; i < size; i++) for (let j = 0; j < size; j++) sum += a[i * size + j] * b[j * size + i];
  return sum;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

function identity(size: number): Float64Array {
  return Float64Array.from({ length: size * size }, (_, k) => (k % (size + 1) === 0 ? 1 : 0));
}
