import { Pacer } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import type { Tensor } from '../../tensor/tensor.js';
import { valueText } from '../../words/quoting.js';
import type { InputLaw } from '../terms/types.js';
import { pivotedCholesky } from './cholesky.js';
import { extentOf, type LawExtent } from './extent.js';
import { digestOfMoments, digestOfName } from './input_digest.js';
import type { LawOfInputs } from './onehot.js';

/** The laws that are Gaussians. */
export type GaussianLaw = Exclude<InputLaw, 'tokens'>;

/** An input law, whitened, with the name that results carry. */
export interface NamedLaw {
  readonly name: string;
  /** Of its content: equal for equal laws, whatever they are called. */
  readonly digest: string;
  readonly law: LawOfInputs;
  /** Of laws with a covariance of their own. */
  readonly extent?: LawExtent;
}

/** `{ mean, cov }` of the public options. */
type MeanAndCovariance = Exclude<InputLaw, string | { readonly sigma: number }>;

/** Relative errors that are taken for rounding, by the type of the numbers given. */
const NOISE = { float64: 1e-9, float32: 1e-5 };

/**
 * Checks an input law for d inputs and whitens it: x = μ + C z with C Cᵀ = Σ (MATH.md section 3). Singular covariances
 * are fine; C has as many columns as Σ has rank.
 * @throws TensimError `INVALID_ARGUMENT` for what is no law, `SHAPE_MISMATCH` for lengths other than d, `NOT_FINITE`,
 * and `INVALID_COVARIANCE` for a covariance that is not symmetric or not positive semi-definite.
 */
export async function whiten(input: GaussianLaw, inputs: number, signal?: AbortSignal): Promise<NamedLaw> {
  if (input === 'standard') return named(input, { sigma: 1 });
  if (input === 'onehot') return named(input, { onehot: inputs });
  checkFields(input);
  if ('sigma' in input) {
    const { sigma } = input;
    if (typeof sigma !== 'number' || !Number.isFinite(sigma) || sigma <= 0) {
      throw new TensimError('INVALID_ARGUMENT', `sigma is ${String(sigma)}`, { hint: 'It must be a positive number' });
    }
    return named(`sigma=${sigma}`, { sigma });
  }
  const { mean, cov, ridge, name = 'custom' } = input;
  const pacer = new Pacer(signal);
  if (ridge !== undefined) requireRidge(ridge, cov);
  const moments = {
    ...(mean !== undefined && { mean: readMean(mean, inputs) }),
    ...(cov !== undefined && { cov: await readCovariance(cov, inputs, pacer) }),
  };
  if (moments.cov && ridge !== undefined) await blend(moments.cov.values, inputs, ridge, pacer);
  const factor = moments.cov && (await pivotedCholesky(moments.cov.values, inputs, moments.cov.noise, pacer));
  return {
    name: ridge === undefined ? name : `${name}, ridge ${ridge}`,
    digest: await digestOfMoments({ mean: moments.mean, cov: moments.cov?.values }, inputs, pacer),
    law: { sigma: 1, ...(moments.mean && { mean: moments.mean }), ...(factor && { factor }) },
    ...(factor && { extent: await extentOf(moments.cov!.values, factor, inputs, moments.cov!.noise, pacer) }),
  };
}

/** A number that a covariance can be blended with the identity by. */
export const isRidge = (value: unknown): value is number => typeof value === 'number' && value >= 0 && value <= 1;

function requireRidge(ridge: unknown, cov: unknown): void {
  if (!isRidge(ridge)) {
    throw new TensimError('INVALID_ARGUMENT', `the ridge is ${valueText(ridge)}`, {
      hint: 'It is the part of the covariance that the identity takes over, from 0 to 1',
    });
  }
  if (cov === undefined) {
    throw new TensimError('INVALID_ARGUMENT', 'a ridge needs a covariance, and the input law has none of its own', {
      hint: 'Give moments: a file with "cov" as the input, or samples that it is computed from',
    });
  }
}

/** Σ becomes (1 − t) Σ + t · tr(Σ)/d · I, which has the same trace. */
async function blend(values: Float64Array, size: number, ridge: number, pacer: Pacer): Promise<void> {
  let trace = 0;
  for (let i = 0; i < size; i++) trace += values[i * (size + 1)];
  for (let i = 0; i < size; i++) {
    for (let at = i * size; at < (i + 1) * size; at++) values[at] *= 1 - ridge;
    values[i * (size + 1)] += (ridge * trace) / size;
    if (pacer.due(size)) await pacer.pause();
  }
}

/** A law whose name says all of it. */
const named = (name: string, law: LawOfInputs): NamedLaw => ({ name, digest: digestOfName(name)!, law });

/** Misspelt fields would silently mean 0 or I. */
function checkFields(input: unknown): asserts input is Exclude<InputLaw, string> {
  if (typeof input !== 'object' || input === null) {
    throw new TensimError('INVALID_ARGUMENT', `the input law is ${valueText(input)}`, {
      hint: "It may be 'standard', 'onehot', 'tokens', { sigma } or { mean, cov }",
    });
  }
  const allowed = 'sigma' in input ? ['sigma'] : ['mean', 'cov', 'name', 'ridge'];
  const unknown = Object.keys(input).find((field) => !allowed.includes(field));
  if (unknown !== undefined) {
    throw new TensimError('INVALID_ARGUMENT', `the input law has the field "${unknown}" beside ${allowed.join(', ')}`, {
      hint: "It may be 'standard', 'onehot', { sigma } or { mean, cov, name, ridge }",
    });
  }
}

function readMean(mean: NonNullable<MeanAndCovariance['mean']>, inputs: number): Float64Array {
  if (!isList(mean)) throw new TensimError('INVALID_ARGUMENT', 'the mean of the input law is not a list of numbers');
  if (mean.length !== inputs) {
    throw new TensimError(
      'SHAPE_MISMATCH',
      `the mean of the input law has ${mean.length} entries, the models ${inputs} inputs`,
    );
  }
  const values = Float64Array.from(mean);
  for (const [i, value] of values.entries()) requireFinite(value, () => `entry ${i} of the mean of the input law`);
  return values;
}

async function readCovariance(cov: NonNullable<MeanAndCovariance['cov']>, inputs: number, pacer: Pacer) {
  const { at, noise } = accessor(cov, inputs);
  const values = new Float64Array(inputs * inputs);
  for (let i = 0; i < inputs; i++) {
    for (let j = 0; j < inputs; j++) {
      const value = at(i, j);
      requireFinite(value, () => `entry (${i}, ${j}) of the covariance of the input law`);
      values[i * inputs + j] = value;
    }
    if (pacer.due(inputs)) await pacer.pause();
  }
  await symmetrise(values, inputs, noise, pacer);
  return { values, noise };
}

/** How to read entry (i, j), once the shape is known to be (d, d). */
function accessor(cov: NonNullable<MeanAndCovariance['cov']>, inputs: number) {
  if (isList(cov)) {
    const widths = new Set(cov.map((row) => (isList(row) ? row.length : 'no list')));
    requireShape(`${cov.length} rows of ${[...widths].join(' or ')} entries`, cov.length, [...widths], inputs);
    return { at: (i: number, j: number) => cov[i][j], noise: NOISE.float64 };
  }
  const { data, shape, strides } = cov as Tensor;
  if (!(data instanceof Float64Array || data instanceof Float32Array) || !isList(shape)) {
    throw new TensimError('INVALID_ARGUMENT', 'the covariance of the input law is neither a tensor nor a list of rows');
  }
  requireShape(`the shape [${shape.join(', ')}]`, shape[0], shape.slice(1), inputs);
  const [rowStride, columnStride] = strides ?? [inputs, 1];
  return {
    at: (i: number, j: number) => data[i * rowStride + j * columnStride],
    noise: data instanceof Float64Array ? NOISE.float64 : NOISE.float32,
  };
}

function requireShape(has: string, rows: number, widths: readonly (number | string)[], inputs: number): void {
  if (rows === inputs && widths.length === 1 && widths[0] === inputs) return;
  throw new TensimError('SHAPE_MISMATCH', `the covariance of the input law has ${has}, the models ${inputs} inputs`, {
    hint: `It must have the shape [${inputs}, ${inputs}]`,
  });
}

/** Replaces both of a pair of entries by their mean, after making sure that they differ by no more than rounding. */
async function symmetrise(values: Float64Array, size: number, noise: number, pacer: Pacer): Promise<void> {
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < i; j++) {
      const lower = values[i * size + j];
      const upper = values[j * size + i];
      const tolerance = noise * Math.max(Math.abs(lower), Math.abs(upper), scaleOf(values, size, i, j));
      if (Math.abs(lower - upper) > tolerance) {
        throw new TensimError(
          'INVALID_COVARIANCE',
          `the covariance is not symmetric: (${i}, ${j}) is ${lower}, (${j}, ${i}) is ${upper}`,
        );
      }
      const middle = lower / 2 + upper / 2;
      values[i * size + j] = middle;
      values[j * size + i] = middle;
    }
    if (pacer.due(i + 1)) await pacer.pause();
  }
}

/** √(Σ_ii Σ_jj), the largest covariance that the two variances allow. */
function scaleOf(values: Float64Array, size: number, i: number, j: number): number {
  return Math.sqrt(Math.abs(values[i * size + i])) * Math.sqrt(Math.abs(values[j * size + j]));
}

function isList(value: unknown): value is ArrayLike<unknown> & readonly unknown[] {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}

function requireFinite(value: unknown, place: () => string): void {
  if (typeof value === 'number' && Number.isFinite(value)) return;
  const code = typeof value === 'number' ? 'NOT_FINITE' : 'INVALID_ARGUMENT';
  throw new TensimError(code, `${place()} is ${String(value)}`);
}
