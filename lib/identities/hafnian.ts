import type { BackendName } from '../backend/backend.js';
import type { Control } from '../backend/control.js';
import type { Hafnians } from '../backend/hafnians.js';
import { Pacer } from '../cooperate.js';
import { TensimError } from '../errors.js';
import { momentRecursion, recursionStates } from '../gaussian/recursion.js';
import { balance, pairUp, type RepeatedRows, sieveLoss, sieveWork, takenRows } from '../gaussian/sieve.js';
import { selectBackend } from '../machines/select.js';
import {
  checkOptions,
  inRange,
  isList,
  type MatrixInput,
  readIndices,
  readLaw,
  readSymmetric,
  readVector,
  type VectorInput,
} from './arguments.js';

/** Where and how an identity is computed. */
export interface IdentityOptions {
  /** Default `'auto'`: the environment variable TENSIM_BACKEND if set, else native if it loads, else fallback. */
  readonly backend?: 'auto' | BackendName | undefined;
  /** Default: as many as the process may use. Results do not depend on it. */
  readonly threads?: number | undefined;
  /** Aborting rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
  /** Called with units of work done and in all, at most 20 times a second. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** How a hafnian is computed, and how often its rows are taken. */
export interface HafnianOptions extends IdentityOptions {
  /** How often row and column i are taken; 0 leaves them out. Default: each once. */
  readonly repeats?: readonly number[] | undefined;
}

/** The options of `hafnian`, and what leaving a row alone counts. */
export interface LoopHafnianOptions extends HafnianOptions {
  /** Weight of leaving row i alone. Default: the diagonal of the matrix. */
  readonly loops?: VectorInput | undefined;
}

const IDENTITY_OPTIONS = ['backend', 'threads', 'signal', 'onProgress'];

/** Numbers that the recursion may fill (its memory, in units of 8 bytes) where the sieve is good too, */
const FEW_STATES = 1 << 17;
/** and where the sieve would lose digits: 128 MiB. */
const MOST_STATES = 1 << 24;
/**
 * Losses of the sieve (see `sieveLoss`) from which the recursion is preferred, and from which there is no going on. The
 * errors measured on random matrices are between one and 130 times the loss, in roundings of hafnian(|A|).
 */
const NOTABLE_LOSS = 100;
const GRAVE_LOSS = 1e6;
/** Multiply-adds of the sieve beyond which it is refused: a day at a thousand million a second. */
const MOST_WORK = 86_400e9;
/**
 * Rows, repeated ones counted as often: with more, the power of two that scales them may leave the floating-point
 * range.
 */
const MOST_COPIES = 1000;

/**
 * The hafnian of a symmetric matrix: the sum over all ways to join its rows into pairs of the product of the entries
 * (i, j) joined. The diagonal does not matter, except that with `repeats` the copies of row i are joined to each other
 * by (i, i).
 *
 *     await hafnian([[0, 1, 2, 3], [1, 0, 4, 5], [2, 4, 0, 6], [3, 5, 6, 0]]);   // 1·6 + 2·5 + 3·4 = 28
 *     await hafnian([[2]], { repeats: [4] });                                   // E x⁴ for x ~ N(0, 2): 3·2² = 12
 *
 * It is 1 for no rows and 0 for an odd number of them. It takes time of the order of n² 2^(n/2) for n different rows
 * (on one core n = 40 takes a tenth of a second natively and two seconds in the fallback, n = 60 some minutes and over
 * an hour); repeated rows take much less. That is why it is asynchronous: native threads do the work, or the fallback
 * in slices.
 *
 * Errors are measured by hafnian(|A|), the same sum with all signs made positive. Of different rows they are some
 * roundings of it (2e-15 at n = 44). Few multi-indices, Π (repeats + 1) up to 2^24, never lose more than that either;
 * where there are more, and many copies of many rows, the error grows to 1e-8 of hafnian(|A|), and what would lose more
 * is refused. Rows may differ in size by any factor: they are scaled by powers of two first.
 *
 * @param matrix (n, n), symmetric to about 1e-9 of its rows (1e-5 if given in float32).
 * @throws TensimError `SHAPE_MISMATCH` for a matrix that is not square, `INVALID_ARGUMENT` for one that is not
 * symmetric, for
 *   repeats that are not whole numbers, and for a size that would take days, with the time; `NOT_FINITE` for entries or a result
 *   that are not. An abort rejects with the signal's reason.
 */
export async function hafnian(matrix: MatrixInput, options: HafnianOptions = {}): Promise<number> {
  const settled = settle(options, ['repeats', ...IDENTITY_OPTIONS]);
  const edges = readSymmetric(matrix, 'the matrix', 'INVALID_ARGUMENT');
  return finish({ edges, loops: null, repeats: readRepeats(options.repeats, edges.size) }, settled, 'the hafnian');
}

/**
 * The loop hafnian of a symmetric matrix: as `hafnian`, but rows may also be left alone, which contributes the factor
 * `loops[i]`, by default the entry (i, i). With `repeats`, copies of row i are joined to each other by (i, i) and are
 * each left alone with `loops[i]`, so
 *
 *     await loopHafnian(cov, { loops: mean, repeats: [2, 0, 3] })               // E x₀² x₂³ for x ~ N(mean, cov)
 *
 * Time and errors are as for `hafnian`.
 * @throws TensimError as `hafnian`; `SHAPE_MISMATCH` for a list of loops of another length than the matrix.
 */
export async function loopHafnian(matrix: MatrixInput, options: LoopHafnianOptions = {}): Promise<number> {
  const settled = settle(options, ['loops', 'repeats', ...IDENTITY_OPTIONS]);
  const edges = readSymmetric(matrix, 'the matrix', 'INVALID_ARGUMENT');
  const { size, data } = edges;
  const loops =
    options.loops === undefined
      ? Float64Array.from({ length: size }, (_, i) => data[i * size + i])
      : readVector(options.loops, 'the list of loops', size);
  return finish({ edges, loops, repeats: readRepeats(options.repeats, size) }, settled, 'the loop hafnian');
}

/**
 * E Π_k x_(indices[k]) for x ~ N(mean, cov): a moment of a Gaussian, the loop hafnian of Σ with μ on its diagonal
 * (Isserlis' theorem with means, MATH.md section 4). An index may occur any number of times.
 *
 *     await moment([0, 0, 1], mean, cov);                       // E x₀² x₁
 *
 * `cov` need only be symmetric: a moment is a polynomial in its entries. Time and errors are those of `loopHafnian`.
 * @throws TensimError `INVALID_ARGUMENT` for an index out of range, `INVALID_COVARIANCE` for a covariance that is not
 * symmetric,
 *   and as `loopHafnian`.
 */
export async function moment(
  indices: readonly number[],
  mean: VectorInput,
  cov: MatrixInput,
  options: IdentityOptions = {},
): Promise<number> {
  const settled = settle(options, IDENTITY_OPTIONS);
  const law = readLaw(mean, cov);
  const repeats = new Array<number>(law.cov.size).fill(0);
  for (const index of readIndices(indices, 'the list of indices', law.cov.size)) repeats[index]++;
  return finish({ edges: law.cov, loops: law.mean, repeats }, settled, 'the moment');
}

interface Settled {
  readonly backend: IdentityOptions['backend'];
  readonly control: Control;
}

/** @throws TensimError `INVALID_ARGUMENT`; the signal's reason if it is aborted already. */
function settle(options: IdentityOptions, known: readonly string[]): Settled {
  checkOptions(options, known);
  const { backend, threads, signal, onProgress } = options;
  if (threads !== undefined && !(Number.isSafeInteger(threads) && threads >= 1)) {
    throw new TensimError('INVALID_ARGUMENT', `the option "threads" is ${String(threads)}`, {
      hint: 'It must be a whole number from 1',
    });
  }
  signal?.throwIfAborted();
  return { backend, control: { threads, signal, onProgress } };
}

async function finish(rows: RepeatedRows, { backend, control }: Settled, what: string): Promise<number> {
  const { hafnians } = await selectBackend(backend, { hafnians: {} }, control.signal);
  return inRange(await hafnianOfRows(rows, hafnians, control), what);
}

/** The loop hafnian of checked rows, by whichever way is good for them. Infinite where it is beyond the range. */
async function hafnianOfRows(given: RepeatedRows, hafnians: Hafnians, control: Control): Promise<number> {
  const { rows, exponent } = balance(takenRows(given));
  const copies = rows.repeats.reduce((sum, count) => sum + count, 0);
  if (rows.loops === null && copies % 2 === 1) return 0;
  if (copies > MOST_COPIES) {
    throw new TensimError('INVALID_ARGUMENT', `${copies} rows are more than the ${MOST_COPIES} that there may be`);
  }
  const states = recursionStates(rows.repeats);
  const byRecursion = async () => timesPowerOfTwo(await momentRecursion(rows, new Pacer(control.signal)), exponent);
  if (states <= FEW_STATES) return byRecursion();
  const legs = pairUp(copies % 2 === 0 ? rows : withLoner(rows));
  const loss = sieveLoss(legs.repeats);
  if (loss > NOTABLE_LOSS && states <= MOST_STATES) return byRecursion();
  refuseBeyondReach(sieveWork(legs.repeats), loss, copies);
  return timesPowerOfTwo(await hafnians.loopHafnian(legs, control), exponent);
}

/** One row more, which is always left alone and has weight 1: for an odd number of rows, of which at least one is. */
function withLoner({ edges: { size, data }, loops, repeats }: RepeatedRows): RepeatedRows {
  const more = size + 1;
  const wider = new Float64Array(more * more);
  for (let i = 0; i < size; i++) wider.set(data.subarray(i * size, (i + 1) * size), i * more);
  return {
    edges: { size: more, data: wider },
    loops: Float64Array.from([...(loops ?? []), 1]),
    repeats: [...repeats, 1],
  };
}

function readRepeats(repeats: readonly number[] | undefined, size: number): readonly number[] {
  if (repeats === undefined) return new Array<number>(size).fill(1);
  if (!isList(repeats)) throw new TensimError('INVALID_ARGUMENT', 'the repeats are not a list of numbers');
  if (repeats.length !== size) {
    throw new TensimError('SHAPE_MISMATCH', `there are ${repeats.length} repeats for ${size} rows`);
  }
  const list = Array.from(repeats);
  for (const count of list) {
    if (Number.isSafeInteger(count) && count >= 0) continue;
    throw new TensimError('INVALID_ARGUMENT', `a row is to be taken ${String(count)} times`, {
      hint: 'Repeats are whole numbers from 0',
    });
  }
  return list;
}

/** @throws TensimError `INVALID_ARGUMENT` with the time that it would take, or the digits that it would lose. */
function refuseBeyondReach(work: number, loss: number, copies: number): void {
  if (work > MOST_WORK) {
    throw new TensimError('INVALID_ARGUMENT', `${copies} rows are beyond reach: they would take ${timeOf(work)}`, {
      hint: 'Every two different rows more double the time; give equal rows once, with repeats',
    });
  }
  if (loss > GRAVE_LOSS) {
    const digits = Math.round(Math.log10(loss));
    throw new TensimError(
      'INVALID_ARGUMENT',
      `so many copies of so many rows are beyond reach: ${digits} or more of 16 digits would be lost`,
      {
        hint: 'Fewer copies, or fewer different rows, can be computed by recursion without loss',
      },
    );
  }
}

function timeOf(work: number): string {
  const days = work / MOST_WORK;
  if (days < 1000) return `about ${Math.ceil(days)} days on one core without vector instructions`;
  return days < 5e12
    ? `about ${(days / 365).toPrecision(2)} years on one core without vector instructions`
    : 'longer than the universe is old';
}

/** value · 2^exponent, rounded once unless it is subnormal. */
function timesPowerOfTwo(value: number, exponent: number): number {
  let result = value;
  let left = exponent;
  // A power of two beyond 2^±1000 may not exist while the product does.
  for (; Math.abs(left) > 1000 && result !== 0 && Number.isFinite(result); left -= Math.sign(left) * 1000) {
    result *= 2 ** (Math.sign(left) * 1000);
  }
  return result * 2 ** left;
}
