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

/** `out` (rows, |y|) += a (rows, |x|) · C[x, y], row-major. */
export function addTimesBlock(
  a: Float64Array,
  rows: number,
  { sizes, offsets, length, cov }: VectorSystem,
  x: number,
  y: number,
  out: Float64Array,
): void {
  const [inner, columns] = [sizes[x], sizes[y]];
  for (let i = 0; i < rows; i++) {
    const to = i * columns;
    for (let k = 0; k < inner; k++) {
      const factor = a[i * inner + k];
      const from = (offsets[x] + k) * length + offsets[y];
      for (let j = 0; j < columns; j++) out[to + j] += factor * cov[from + j];
    }
  }
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
