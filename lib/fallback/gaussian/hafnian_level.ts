/**
 * What is left when the pairs before a level are integrated out. Series have `length` coefficients. Entry (j, k), j ≤
 * k, of the 2(P − level) legs left begins at ((j · legs) + k) · length; the diagonal is kept up for legs ≥ `diagonal`
 * only.
 */
export interface Level {
  readonly legs: number;
  /** Σ r of the pairs done, plus one: coefficients of a series. */
  readonly length: number;
  /** r of the pair to be integrated out here. */
  readonly repeats: number;
  /** First leg of a pair that is taken more than once. */
  readonly diagonal: number;
  readonly edges: Float64Array;
  readonly loops: Float64Array | null;
  readonly value: Float64Array;
  /**
   * How the next level differs, without its constant coefficients, which do not change: series of its length less one.
   */
  readonly change: { readonly edges: Float64Array; readonly loops: Float64Array | null; readonly value: Float64Array };
  /** Rows of the pair's two legs, filled up to the length of `change`: (2, legs, length), and W times them. */
  readonly rows: Float64Array;
  readonly turned: Float64Array;
  /** The pair's loops, (2, length), and W times them. */
  readonly pairLoops: Float64Array;
  readonly turnedLoops: Float64Array;
}

/** Room for single series at a node. */
export class SeriesScratch {
  readonly a: Float64Array;
  readonly b: Float64Array;
  readonly c: Float64Array;
  readonly d: Float64Array;
  readonly e: Float64Array;
  readonly w00: Float64Array;
  readonly w01: Float64Array;
  readonly w11: Float64Array;
  constructor(length: number) {
    [this.a, this.b, this.c, this.d, this.e, this.w00, this.w01, this.w11] = Array.from(
      { length: 8 },
      () => new Float64Array(length),
    );
  }
}

/** Copies rows and loops of the pair's legs to series of the length of `change`, the new coefficients zero. */
export function gatherRows({ legs, length, edges, loops, change, rows, pairLoops }: Level): void {
  const size = change.value.length;
  for (let k = 2 * legs; k-- > 0; ) {
    const to = k * size;
    const at = k * length;
    for (let i = 0; i < size; i++) rows[to + i] = i < length ? edges[at + i] : 0;
  }
  if (loops === null) return;
  for (let i = 0; i < size; i++) {
    pairLoops[i] = i < length ? loops[i] : 0;
    pairLoops[size + i] = i < length ? loops[length + i] : 0;
  }
}

/**
 * change = b_jᵀ (W b)_k for all legs j ≤ k left and b_jᵀ (W l); (W b)_k are the series at `w0` and `w1` + k of
 * `turned`.
 */
export function changeEntries(
  level: Level,
  turned: Float64Array,
  w0: number,
  w1: number,
  turnedLoops: Float64Array,
  l0: number,
  l1: number,
): void {
  const { legs, diagonal, loops, change, rows } = level;
  const size = change.value.length;
  change.edges.fill(0);
  change.loops?.fill(0);
  for (let j = 2; j < legs; j++) {
    const row0 = j * size;
    const row1 = (legs + j) * size;
    for (let k = j < diagonal ? j + 1 : j; k < legs; k++) {
      const at = (j * legs + k) * size;
      multiplyAdd(size, rows, row0, turned, w0 + k * size, change.edges, at);
      multiplyAdd(size, rows, row1, turned, w1 + k * size, change.edges, at);
    }
    if (loops === null) continue;
    multiplyAdd(size, rows, row0, turnedLoops, l0, change.loops!, j * size);
    multiplyAdd(size, rows, row1, turnedLoops, l1, change.loops!, j * size);
  }
}

/** (W b) of one pair of series at `b0` and `b1`, into the same places of `target`. */
export function turn(
  size: number,
  { w00, w01, w11 }: SeriesScratch,
  source: Float64Array,
  b0: number,
  b1: number,
  target: Float64Array,
): void {
  multiplyAdd(size, w00, 0, source, b0, target, b0);
  multiplyAdd(size, w01, 0, source, b1, target, b0);
  multiplyAdd(size, w01, 0, source, b0, target, b1);
  multiplyAdd(size, w11, 0, source, b1, target, b1);
}

/** The next level is this one plus z times `factor` times its change. */
export function applyChange(from: Level, to: Level, factor: number): void {
  const { legs, length, change } = from;
  const size = change.value.length;
  for (let j = 2; j < legs; j++) {
    for (let k = j < from.diagonal ? j + 1 : j; k < legs; k++) {
      const source = j * legs + k;
      const target = ((j - 2) * to.legs + k - 2) * to.length;
      shiftAdd(from.edges, source * length, length, change.edges, source * size, size, factor, to.edges, target);
    }
    if (from.loops !== null) {
      const target = (j - 2) * to.length;
      shiftAdd(from.loops, j * length, length, change.loops!, j * size, size, factor, to.loops!, target);
    }
  }
  shiftAdd(from.value, 0, length, change.value, 0, size, factor, to.value, 0);
}

function shiftAdd(
  series: Float64Array,
  at: number,
  length: number,
  change: Float64Array,
  changeAt: number,
  size: number,
  factor: number,
  target: Float64Array,
  to: number,
): void {
  target[to] = series[at];
  for (let i = 0; i < size; i++) {
    const added = factor * change[changeAt + i];
    target[to + i + 1] = i + 1 < length ? series[at + i + 1] + added : added;
  }
}

/** out += a · b, series of n coefficients, without what goes beyond. */
export function multiplyAdd(
  n: number,
  a: Float64Array,
  aAt: number,
  b: Float64Array,
  bAt: number,
  out: Float64Array,
  outAt: number,
): void {
  for (let i = 0; i < n; i++) {
    let sum = out[outAt + i];
    for (let j = 0; j <= i; j++) sum += a[aAt + j] * b[bAt + i - j];
    out[outAt + i] = sum;
  }
}
