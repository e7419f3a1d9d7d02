import { Pacer } from '../cooperate.js';
import { TensimError } from '../errors.js';
import { largest } from '../extremes.js';
import { members, momentsOfCumulants, refuseTooManyFactors, type Subset } from '../gaussian/subsets.js';
import type { Tensor } from '../tensor/tensor.js';
import { checkOptions, inRange, type MatrixInput, readIndices, readLaw, type VectorInput } from './arguments.js';

/**
 * The bilinear form F = Σ_j x_(q[j]) x_(k[j]) in coordinates of a Gaussian vector x: the inner product of two parts of
 * it.
 */
export interface BilinearForm {
  /** Coordinates of x that make up the first part. */
  readonly q: readonly number[];
  /** Coordinates of the second part, as many. */
  readonly k: readonly number[];
}

/**
 * Expectations of products of bilinear forms F_i = q_i·k_i, and of vectors with them, for x ~ N(mean, cov): exactly,
 * with means. Every q_i, k_i and vector is a part of x, given as a list of coordinates.
 *
 *     const { data } = await bilinearForms([{ q: [0, 1], k: [2, 3] }], [], mean, cov);   // E (x₀x₂ + x₁x₃), shape []
 *     await bilinearForms(forms, [[4, 5]], mean, cov);                                 // E (x₄, x₅) Π F, shape [2]
 *     await bilinearForms(forms, [[4, 5], [6, 7, 8]], mean, cov);                      // E (x₄, x₅)ᵀ(x₆, x₇, x₈) Π F, shape [2, 3]
 *
 * It is what attention with quadratic scores needs, whose output is Σ (q1·k1)(q2·k2) v. The chain recursion of MATH.md
 * section 4 walks from form to form and sums over all orders of a subset at once: 2^m subsets of m forms instead of (2m
 * + 1)!! matchings, each some products of matrices as large as the parts.
 *
 * `cov` need only be symmetric, and may be singular. It is asynchronous because many forms take long; other work gets
 * its turn.
 *
 * @param forms m forms; q and k of one have the same length.
 * @param vectors none, one or two lists of coordinates.
 * @throws TensimError `INVALID_ARGUMENT` for coordinates out of range and more than two vectors, `SHAPE_MISMATCH`,
 * `NOT_FINITE`,
 *   `INVALID_COVARIANCE` for a covariance that is not symmetric; for too many forms `INVALID_ARGUMENT` with the time they would
 *   take, or `MEMORY_LIMIT`. An abort rejects with the signal's reason.
 */
export async function bilinearForms(
  forms: readonly BilinearForm[],
  vectors: readonly (readonly number[])[],
  mean: VectorInput,
  cov: MatrixInput,
  options: {
    /** Aborting rejects with `signal.reason`. */
    readonly signal?: AbortSignal | undefined;
  } = {},
): Promise<Tensor> {
  checkOptions(options, ['signal']);
  const law = readLaw(mean, cov);
  const size = law.cov.size;
  const items = readForms(forms, size);
  if (!Array.isArray(vectors) || vectors.length > 2) {
    throw new TensimError('INVALID_ARGUMENT', 'the vectors must be none, one or two lists of coordinates');
  }
  const parts = vectors.map((vector, i) => readIndices(vector, `vector ${i}`, size));
  checkReach(items, parts);

  const pacer = new Pacer(options.signal);
  const chains = new Chains(items, law.mean, law.cov.data, pacer);
  const moments = await momentsOfCumulants(await chains.cumulants(), pacer);
  const data = await expectations(chains, moments, parts, pacer);
  return { data: data.map((value) => inRange(value, 'the expectation')), shape: parts.map((part) => part.length) };
}

function readForms(forms: readonly BilinearForm[], size: number): readonly BilinearForm[] {
  if (!Array.isArray(forms)) throw new TensimError('INVALID_ARGUMENT', 'the forms must be an array of { q, k }');
  return forms.map((form, i) => {
    if (typeof form !== 'object' || form === null) {
      throw new TensimError('INVALID_ARGUMENT', `form ${i} is ${String(form)}`, { hint: 'It must be { q, k }' });
    }
    checkOptions(form, ['q', 'k']);
    const q = readIndices(form.q, `q of form ${i}`, size);
    const k = readIndices(form.k, `k of form ${i}`, size);
    if (q.length !== k.length) {
      throw new TensimError('SHAPE_MISMATCH', `q of form ${i} has ${q.length} coordinates, k has ${k.length}`);
    }
    return { q, k };
  });
}

function checkReach(forms: readonly BilinearForm[], vectors: readonly (readonly number[])[]): void {
  const count = forms.length;
  const widest = forms.reduce((most, { q }) => Math.max(most, q.length), 1);
  const rows = largest(
    vectors.map((vector) => vector.length),
    Math.max(widest, 1),
  );
  const states = count * 2 ** count;
  const second = vectors.length === 2 ? 4 ** count : 0;
  refuseTooManyFactors(count, states * count * 4 * rows * widest ** 2 + second * rows, 16 * states * rows * widest);
}

/** E Π F, E v Π F or E v wᵀ Π F from the sums over chains. Z: the moments of every subset of the forms. */
async function expectations(
  chains: Chains,
  moments: Float64Array,
  vectors: readonly (readonly number[])[],
  pacer: Pacer,
): Promise<Float64Array> {
  const all = moments.length - 1;
  const [v, w] = vectors;
  if (v === undefined) return Float64Array.of(moments[all]);
  const fromV = await chains.from(v, all);
  const toMean = (from: ChainStates, subset: Subset) => chains.toMean(from, subset);
  if (w === undefined) {
    const sums = new Float64Array(v.length);
    for (let subset = 0; subset <= all; subset++) addScaled(sums, moments[all ^ subset], toMean(fromV, subset));
    return sums;
  }
  const fromW = await chains.from(w, all);
  const meansOfV = Array.from(moments, (_, subset) => toMean(fromV, subset));
  const meansOfW = Array.from(moments, (_, subset) => toMean(fromW, subset));
  const sums = new Float64Array(v.length * w.length);
  for (let subset = 0; subset <= all; subset++) {
    const rest = all ^ subset;
    addScaled(sums, moments[rest], await chains.to(fromV, subset, w));
    // Σ over S' within the rest of Z(rest∖S') V_w(S')
    const others = new Float64Array(w.length);
    for (let part = rest; ; part = (part - 1) & rest) {
      addScaled(others, moments[rest ^ part], meansOfW[part]);
      if (part === 0) break;
    }
    for (let i = 0; i < v.length; i++) {
      for (let j = 0; j < w.length; j++) sums[i * w.length + j] += meansOfV[subset][i] * others[j];
    }
    if (pacer.due(2 ** members(rest).length * w.length)) await pacer.pause();
  }
  return sums;
}

/** Chains that leave their last form by one half of it: its coordinates, and the sum over them, (rows, coordinates). */
interface ChainState {
  readonly half: readonly number[];
  readonly sums: Float64Array;
}

/**
 * Sums over the chains from one vector through every form of a subset, in any order: at [subset] the A(S, i, o) for
 * every form i of the subset and both its halves o. `mean` instead of coordinates starts at the mean, with one row.
 */
interface ChainStates {
  readonly start: readonly number[] | 'mean';
  readonly at: readonly (readonly ChainState[])[];
}

class Chains {
  readonly forms: readonly BilinearForm[];
  readonly mean: Float64Array;
  readonly cov: Float64Array;
  readonly pacer: Pacer;

  constructor(forms: readonly BilinearForm[], mean: Float64Array, cov: Float64Array, pacer: Pacer) {
    this.forms = forms;
    this.mean = mean;
    this.cov = cov;
    this.pacer = pacer;
  }

  /** A(S, i, o) for every S within `all`: A({i}, o) = C[start, ō_i], A(S, i, o) = Σ_{j, p} A(S∖i, j, p) C[p_j, ō_i]. */
  async from(start: readonly number[] | 'mean', all: Subset): Promise<ChainStates> {
    const at: ChainState[][] = [];
    for (let subset = 0; subset <= all; subset++) {
      const states: ChainState[] = [];
      at.push(states);
      if ((subset & ~all) !== 0) continue;
      for (const i of members(subset)) {
        const { q, k } = this.forms[i];
        const before = subset ^ (1 << i);
        states.push({ half: q, sums: await this.to({ start, at }, before, k) });
        states.push({ half: k, sums: await this.to({ start, at }, before, q) });
      }
    }
    return { start, at };
  }

  /** K(S) = Σ_{i, o} A(S, i, o) C[o_i, end], shape (rows, end); K(∅) = C[start, end], or the mean of `end`. */
  async to({ start, at }: ChainStates, subset: Subset, end: readonly number[]): Promise<Float64Array> {
    if (subset === 0) return start === 'mean' ? this.meanOf(end) : this.covariance(start, end);
    const rows = start === 'mean' ? 1 : start.length;
    const sums = new Float64Array(rows * end.length);
    for (const { half, sums: state } of at[subset]) {
      for (let a = 0; a < rows; a++) {
        for (let b = 0; b < half.length; b++) {
          const factor = state[a * half.length + b];
          const row = half[b] * this.mean.length;
          for (let c = 0; c < end.length; c++) sums[a * end.length + c] += factor * this.cov[row + end[c]];
        }
        if (this.pacer.due(half.length * end.length)) await this.pacer.pause();
      }
    }
    return sums;
  }

  /**
   * V(S) = Σ_{i, o} A(S, i, o) m_(o_i); V(∅) = the mean of the start. A chain from the mean back to the mean: of one
   * row.
   */
  toMean({ start, at }: ChainStates, subset: Subset): Float64Array {
    if (subset === 0) return start === 'mean' ? Float64Array.of(1) : this.meanOf(start);
    const sums = new Float64Array(start === 'mean' ? 1 : start.length);
    for (const { half, sums: state } of at[subset]) {
      for (let a = 0; a < sums.length; a++) {
        for (let b = 0; b < half.length; b++) sums[a] += state[a * half.length + b] * this.mean[half[b]];
      }
    }
    return sums;
  }

  /** κ(S) = cycle(S) + ½ path(S), the joint cumulant of the forms in S. */
  async cumulants(): Promise<Float64Array> {
    const kappa = new Float64Array(2 ** this.forms.length);
    const paths = await this.from('mean', kappa.length - 1);
    for (let subset = 1; subset < kappa.length; subset++) kappa[subset] = this.toMean(paths, subset)[0] / 2;
    for (const [first, { q, k }] of this.forms.entries()) {
      // Cycles whose smallest form is `first`: leave it by q, return to its k. Larger forms only are on the way.
      const larger = kappa.length - 2 ** (first + 1);
      const cycles = await this.from(q, larger);
      for (let subset = larger; ; subset = (subset - 1) & larger) {
        const closed = await this.to(cycles, subset, k);
        for (let i = 0; i < k.length; i++) kappa[subset | (1 << first)] += closed[i * (k.length + 1)];
        if (subset === 0) break;
      }
    }
    return kappa;
  }

  meanOf(part: readonly number[]): Float64Array {
    return Float64Array.from(part, (i) => this.mean[i]);
  }

  covariance(rows: readonly number[], columns: readonly number[]): Float64Array {
    return Float64Array.from(rows.flatMap((i) => columns.map((j) => this.cov[i * this.mean.length + j])));
  }
}

function addScaled(sums: Float64Array, factor: number, terms: Float64Array): void {
  for (let i = 0; i < sums.length; i++) sums[i] += factor * terms[i];
}
