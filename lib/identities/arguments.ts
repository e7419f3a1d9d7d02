import { TensimError, type TensimErrorCode } from '../errors.js';
import type { Square } from '../gaussian/sieve.js';
import { type Tensor, tensor } from '../tensor/tensor.js';

/** A vector: a list of numbers, a typed array, or a tensor of one axis. */
export type VectorInput = readonly number[] | Float64Array | Float32Array | Tensor;
/** A matrix: a list of rows, or a tensor of two axes. */
export type MatrixInput = readonly (readonly number[] | Float64Array | Float32Array)[] | Tensor;

/**
 * Two entries that ought to be equal may differ by so much of the scale of their rows: rounding, by the type they are
 * given in.
 */
const NOISE = { float64: 1e-9, float32: 1e-5 };

/**
 * @throws TensimError `SHAPE_MISMATCH` if its length is not the given one, `NOT_FINITE`; `INVALID_ARGUMENT` if it is no
 * list of numbers.
 */
export function readVector(input: VectorInput, what: string, length: number): Float64Array {
  const { data, extents, at } = open(input, what);
  if (extents.length !== 1) throw wrongShape(what, extents, `have one axis`);
  if (extents[0] !== length) throw wrongShape(what, extents, `have ${length} entries`);
  return Float64Array.from({ length }, (_, i) => finite(data[at(i, 0)], () => `entry ${i} of ${what}`));
}

/** @throws TensimError as `readVector`; `SHAPE_MISMATCH` also for what is not square, or not of the given size. */
export function readSquare(input: MatrixInput, what: string, size?: number): Square {
  if (Array.isArray(input)) return squareOfRows(input, what, size);
  const { data, extents, at } = open(input as Tensor, what);
  const [rows] = extents;
  if (extents.length !== 2 || rows !== extents[1]) throw wrongShape(what, extents, 'be square');
  if (size !== undefined && rows !== size) throw wrongShape(what, extents, `be (${size}, ${size})`);
  const entry = (i: number, j: number) => finite(data[at(i, j)], () => `entry (${i}, ${j}) of ${what}`);
  return {
    size: rows,
    data: Float64Array.from({ length: rows * rows }, (_, k) => entry(Math.floor(k / rows), k % rows)),
  };
}

/**
 * A square matrix that is symmetric up to rounding, made symmetric to the bit.
 * @throws TensimError as `readSquare`; `code` for one that is not symmetric, naming the two entries.
 */
export function readSymmetric(input: MatrixInput, what: string, code: TensimErrorCode, size?: number): Square {
  const square = readSquare(input, what, size);
  const { data, size: n } = square;
  const noise = !Array.isArray(input) && (input as Tensor).data instanceof Float32Array ? NOISE.float32 : NOISE.float64;
  const largest = Float64Array.from({ length: n }, (_, i) =>
    data.subarray(i * n, (i + 1) * n).reduce((most, value) => Math.max(most, Math.abs(value)), 0),
  );
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++) {
      const lower = data[i * n + j];
      const upper = data[j * n + i];
      if (Math.abs(lower - upper) > noise * Math.min(largest[i], largest[j])) {
        throw new TensimError(code, `${what} is not symmetric: (${i}, ${j}) is ${lower}, (${j}, ${i}) is ${upper}`, {
          hint: 'Give (A + Aᵀ)/2 if that is what is meant',
        });
      }
      data[i * n + j] = lower / 2 + upper / 2;
      data[j * n + i] = data[i * n + j];
    }
  }
  return square;
}

/**
 * The law N(mean, cov) of an identity. `cov` need not be positive semi-definite: the identities are polynomials in it.
 */
export function readLaw(mean: VectorInput, cov: MatrixInput): { readonly mean: Float64Array; readonly cov: Square } {
  const covariance = readSymmetric(cov, 'the covariance', 'INVALID_COVARIANCE');
  return { mean: readVector(mean, 'the mean', covariance.size), cov: covariance };
}

/**
 * A list of coordinates of a Gaussian vector of `size`.
 * @throws TensimError `INVALID_ARGUMENT` for what is no list, or holds something else than whole numbers from 0 below
 * `size`.
 */
export function readIndices(indices: readonly number[], what: string, size: number): readonly number[] {
  if (!isList(indices)) throw new TensimError('INVALID_ARGUMENT', `${what} must be a list of coordinates`);
  const list = Array.from(indices);
  for (const index of list) {
    if (Number.isSafeInteger(index) && index >= 0 && index < size) continue;
    throw new TensimError('INVALID_ARGUMENT', `${what} holds ${String(index)}`, {
      hint: size === 0 ? 'There are no coordinates' : `Coordinates are whole numbers from 0 to ${size - 1}`,
    });
  }
  return list;
}

export function isList(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || value instanceof Float64Array || value instanceof Float32Array;
}

/** @throws TensimError `INVALID_ARGUMENT` for an option that there is none of. */
export function checkOptions(options: object, known: readonly string[]): void {
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  throw new TensimError('INVALID_ARGUMENT', `there is no option "${unknown}"`, {
    hint: `Options are ${known.join(', ')}`,
  });
}

/** @throws TensimError `NOT_FINITE` for a result beyond the floating-point range. */
export function inRange(value: number, what: string): number {
  if (Number.isFinite(value)) return value;
  throw new TensimError('NOT_FINITE', `${what} is beyond the floating-point range`, {
    hint: 'Scale the input down; the result scales with a known power',
  });
}

function squareOfRows(rows: readonly unknown[], what: string, size?: number): Square {
  const n = rows.length;
  const widths = [...new Set(rows.map((row) => (isList(row) ? row.length : 'no')))];
  const wanted = size ?? n;
  if (n !== wanted || widths.some((width) => width !== wanted)) {
    const wide = n === 0 ? '' : ` of ${widths.join(' or ')} entries`;
    throw new TensimError('SHAPE_MISMATCH', `${what} has ${n} rows${wide}`, {
      hint: size === undefined ? 'It must be square' : `It must be (${size}, ${size})`,
    });
  }
  const data = new Float64Array(n * n);
  for (const [i, row] of (rows as readonly ArrayLike<unknown>[]).entries()) {
    for (let j = 0; j < n; j++) data[i * n + j] = finite(row[j], () => `entry (${i}, ${j}) of ${what}`);
  }
  return { size: n, data };
}

/** How to read a list or a tensor: its extents, and where element (i, j) lies in its data. */
function open(input: unknown, what: string) {
  if (isList(input)) return { data: input, extents: [input.length], at: (i: number, _: number) => i };
  const { data, shape, strides } = (input ?? {}) as Partial<Tensor>;
  if (!(data instanceof Float64Array || data instanceof Float32Array) || !Array.isArray(shape)) {
    throw new TensimError('INVALID_ARGUMENT', `${what} is neither a list of numbers nor a tensor`);
  }
  if (strides === undefined) tensor(data, shape);
  const [row, column] = strides ?? (shape.length === 1 ? [1, 0] : [shape[1], 1]);
  return { data, extents: shape as readonly number[], at: (i: number, j: number) => i * row + j * column };
}

function finite(value: unknown, place: () => string): number {
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw new TensimError(
    typeof value === 'number' ? 'NOT_FINITE' : 'INVALID_ARGUMENT',
    `${place()} is ${String(value)}`,
  );
}

function wrongShape(what: string, extents: readonly number[], must: string): TensimError {
  return new TensimError('SHAPE_MISMATCH', `${what} has the shape [${extents.join(', ')}]`, {
    hint: `It must ${must}`,
  });
}
