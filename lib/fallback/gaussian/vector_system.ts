/** Some jointly Gaussian vectors as one: what the chain recursion of MATH.md section 4 runs on. */
export interface VectorSystem {
  /** Length of each vector. */
  readonly sizes: readonly number[];
  /** Where each vector starts in the whole. */
  readonly offsets: readonly number[];
  /** Length of the whole. */
  readonly length: number;
  /** Covariance of the whole, (length, length), row-major. */
  readonly cov: Float64Array;
  /** (vectors, vectors): 1 where the block C[x, y] may differ from zero; other blocks are never read. */
  readonly linked: Uint8Array;
  /** Mean of the whole. */
  readonly mean: Float64Array;
}

/** A system of independent vectors without mean, to be filled. */
export function emptySystem(sizes: readonly number[]): VectorSystem {
  const offsets: number[] = [];
  let length = 0;
  for (const size of sizes) {
    offsets.push(length);
    length += size;
  }
  return {
    sizes,
    offsets,
    length,
    cov: new Float64Array(length * length),
    linked: new Uint8Array(sizes.length ** 2),
    mean: new Float64Array(length),
  };
}

/**
 * Writes C[x, y] and C[y, x] from a row-major matrix that holds C[x, y] from row `row` and column `column` on; null is
 * zero.
 */
export function setBlock(
  system: VectorSystem,
  x: number,
  y: number,
  source: Float64Array | null,
  columns: number,
  row: number,
  column: number,
): void {
  const { sizes, offsets, length, cov, linked } = system;
  const flag = source === null ? 0 : 1;
  linked[x * sizes.length + y] = flag;
  linked[y * sizes.length + x] = flag;
  if (source === null) return;
  for (let i = 0; i < sizes[x]; i++) {
    const from = (row + i) * columns + column;
    const to = (offsets[x] + i) * length + offsets[y];
    let mirror = offsets[y] * length + offsets[x] + i;
    for (let j = 0; j < sizes[y]; j++, mirror += length) {
      cov[to + j] = source[from + j];
      cov[mirror] = source[from + j];
    }
  }
}

export function setMean({ offsets, sizes, mean }: VectorSystem, x: number, source: Float64Array, at: number): void {
  mean.set(source.subarray(at, at + sizes[x]), offsets[x]);
}

export function isLinked({ linked, sizes }: VectorSystem, x: number, y: number): boolean {
  return linked[x * sizes.length + y] === 1;
}

/**
 * `out` (rows, |y|) += a (rows, |x|) · C[x, y], row-major. Every number takes its terms in the order of x, after what it
 * was. Nearly all of the chain recursion is here: sums of four rows and two columns stay in registers, for all else is
 * loads and stores (1.7 GFLOP/s without, 5.7 with, on blocks of 16 and 32).
 */
export function addTimesBlock(
  a: Float64Array,
  rows: number,
  { sizes, offsets, length, cov }: VectorSystem,
  x: number,
  y: number,
  out: Float64Array,
): void {
  const [inner, columns] = [sizes[x], sizes[y]];
  const start = offsets[x] * length + offsets[y];
  const [whole, even] = [rows - (rows % 4), columns - (columns % 2)];
  for (let i = 0; i < whole; i += 4) {
    for (let j = 0; j < even; j += 2) addTile(a, i, inner, cov, start + j, length, out, i * columns + j, columns);
  }
  for (let i = 0; i < rows; i++) {
    for (let j = i < whole ? even : 0; j < columns; j++) {
      let sum = out[i * columns + j];
      for (let k = 0, from = start + j; k < inner; k++, from += length) sum += a[i * inner + k] * cov[from];
      out[i * columns + j] = sum;
    }
  }
}

/** Four rows of `out` from `to` on, two numbers of each. */
function addTile(
  a: Float64Array,
  row: number,
  inner: number,
  cov: Float64Array,
  start: number,
  length: number,
  out: Float64Array,
  to: number,
  columns: number,
): void {
  const [row0, row1, row2, row3] = [row * inner, (row + 1) * inner, (row + 2) * inner, (row + 3) * inner];
  const [to1, to2, to3] = [to + columns, to + 2 * columns, to + 3 * columns];
  let s00 = out[to];
  let s01 = out[to + 1];
  let s10 = out[to1];
  let s11 = out[to1 + 1];
  let s20 = out[to2];
  let s21 = out[to2 + 1];
  let s30 = out[to3];
  let s31 = out[to3 + 1];
  for (let k = 0, from = start; k < inner; k++, from += length) {
    const c0 = cov[from];
    const c1 = cov[from + 1];
    const a0 = a[row0 + k];
    const a1 = a[row1 + k];
    const a2 = a[row2 + k];
    const a3 = a[row3 + k];
    s00 += a0 * c0;
    s01 += a0 * c1;
    s10 += a1 * c0;
    s11 += a1 * c1;
    s20 += a2 * c0;
    s21 += a2 * c1;
    s30 += a3 * c0;
    s31 += a3 * c1;
  }
  out[to] = s00;
  out[to + 1] = s01;
  out[to1] = s10;
  out[to1 + 1] = s11;
  out[to2] = s20;
  out[to2 + 1] = s21;
  out[to3] = s30;
  out[to3 + 1] = s31;
}

/** A copy of C[x, y], or null if it is zero. */
export function blockOf(system: VectorSystem, x: number, y: number): Float64Array | null {
  if (!isLinked(system, x, y)) return null;
  const { sizes, offsets, length, cov } = system;
  const block = new Float64Array(sizes[x] * sizes[y]);
  for (let i = 0; i < sizes[x]; i++) {
    const from = (offsets[x] + i) * length + offsets[y];
    block.set(cov.subarray(from, from + sizes[y]), i * sizes[y]);
  }
  return block;
}

/** tr(a · C[x, y]) for a of shape (|y|, |x|). */
export function traceTimesBlock(
  a: Float64Array,
  { sizes, offsets, length, cov }: VectorSystem,
  x: number,
  y: number,
): number {
  let sum = 0;
  for (let i = 0; i < sizes[y]; i++) {
    let from = offsets[x] * length + offsets[y] + i;
    for (let k = 0; k < sizes[x]; k++, from += length) sum += a[i * sizes[x] + k] * cov[from];
  }
  return sum;
}
