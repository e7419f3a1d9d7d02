/** A square matrix, contiguous and row-major. */
export interface Square {
  readonly size: number;
  readonly data: Float64Array;
}

/**
 * A loop hafnian as backends compute it: its rows, with their repetitions, grouped into pairs of *legs* (2p, 2p + 1),
 * each pair taken `repeats[p]` times. A leg is a copy of a row; what joins two legs is the matrix entry of their rows.
 */
export interface PairedLegs {
  /** Times that each pair is taken, ascending, all positive. */
  readonly repeats: Uint32Array;
  /**
   * (2P, 2P), symmetric; the diagonal joins copies of one leg, and counts only where the pair is taken more than once.
   */
  readonly edges: Float64Array;
  /** (2P) weight of a leg left alone; null for a hafnian, where none may be. */
  readonly loops: Float64Array | null;
}

/** Rows of a loop hafnian, each taken `repeats` times: copies of row i are joined to copies of row j by edges(i, j). */
export interface RepeatedRows {
  readonly edges: Square;
  readonly loops: Float64Array | null;
  readonly repeats: readonly number[];
}

/** Rows with their scale taken out: the true value is that of `rows` times 2^exponent. */
export interface ScaledRows {
  readonly rows: RepeatedRows;
  readonly exponent: number;
}

/** Rounds of balancing at most. A row far larger than all others shrinks by log₂(n)/2 bits a round only. */
const ROUNDS = 500;
/** Bits that a row's weight may be off in the end. */
const BALANCED = 0.5;
/** Scales stay within 2^±this, so that their products cannot leave the floating-point range. */
const MOST = 500;

/** Without the rows that are not taken at all. */
export function takenRows({ edges: { size, data }, loops, repeats }: RepeatedRows): RepeatedRows {
  const taken = repeats.flatMap((count, row) => (count > 0 ? [row] : []));
  return {
    edges: { size: taken.length, data: Float64Array.from(taken.flatMap((i) => taken.map((j) => data[i * size + j]))) },
    loops: loops && Float64Array.from(taken, (i) => loops[i]),
    repeats: taken.map((i) => repeats[i]),
  };
}

/**
 * Multiplies row and column i by a power of two, so that no row outweighs another. Every term of a loop hafnian has
 * each row once, so the value only gains the product of the scales, exactly; but the sieve's unwanted terms have some
 * rows several times and others not at all, and would drown the wanted ones if rows differed in size.
 */
export function balance({ edges, loops, repeats }: RepeatedRows): ScaledRows {
  const { size, data } = edges;
  const exponents = new Float64Array(size);
  for (let round = 0; round < ROUNDS; round++) {
    const scales = exponents.map((exponent) => 2 ** exponent);
    let worst = 0;
    for (let i = 0; i < size; i++) {
      let weight = loops === null ? 0 : (loops[i] * scales[i]) ** 2;
      for (let j = 0; j < size; j++) {
        const partners = repeats[j] - (i === j ? 1 : 0);
        if (partners > 0) weight += partners * Math.abs(data[i * size + j]) * scales[i] * scales[j];
      }
      if (weight === 0) continue;
      // Sinkhorn's step for a symmetric matrix: half of what would bring the row's weight to e, with which a hafnian of
      // equal entries, (n − 1)!! (e/n)^(n/2), is near one at any size.
      const excess = Math.log2(Math.min(weight, Number.MAX_VALUE) / Math.E);
      worst = Math.max(worst, Math.abs(excess));
      exponents[i] = Math.max(-MOST, Math.min(MOST, exponents[i] - excess / 2));
    }
    if (worst <= BALANCED) break;
  }
  const shifts = exponents.map((exponent) => Math.round(exponent));
  const scaled = data.map((value, k) => value * 2 ** (shifts[Math.floor(k / size)] + shifts[k % size]));
  return {
    rows: {
      edges: { size, data: scaled },
      loops: loops?.map((value, i) => value * 2 ** shifts[i]) ?? null,
      repeats,
    },
    exponent: -shifts.reduce((sum, shift, i) => sum + shift * repeats[i], 0),
  };
}

/**
 * Groups an even number of rows into pairs such that few distinct pairs, each taken many times, remain: the sieve costs
 * Π (repeats + 1). The two rows with the most copies left are joined, or copies of one row with each other where it has
 * more than twice as many as any other.
 */
export function pairUp({ edges, loops, repeats }: RepeatedRows): PairedLegs {
  const left = repeats.map((count, row) => ({ row, count })).filter(({ count }) => count > 0);
  const pairs: { readonly legs: readonly [number, number]; readonly count: number }[] = [];
  while (left.length > 0) {
    left.sort((a, b) => b.count - a.count || a.row - b.row);
    const [first, second] = left;
    const alone = second === undefined || first.count > 2 * second.count;
    const count = alone ? Math.floor(first.count / 2) : second.count;
    pairs.push({ legs: [first.row, alone ? first.row : second.row], count });
    first.count -= alone ? 2 * count : count;
    if (!alone) left.splice(1, 1);
    if (first.count === 0) left.shift();
  }
  // The pairs taken most often come last: most of the sieve's work is done below few branches.
  pairs.sort((a, b) => a.count - b.count);
  const legs = pairs.flatMap((pair) => pair.legs);
  const { size, data } = edges;
  return {
    repeats: Uint32Array.from(pairs, ({ count }) => count),
    edges: Float64Array.from(legs.flatMap((i) => legs.map((j) => data[i * size + j]))),
    loops: loops && Float64Array.from(legs, (i) => loops[i]),
  };
}

/** About how many multiply-adds the sieve over these pairs takes. */
export function sieveWork(repeats: ArrayLike<number>): number {
  let branches = 1;
  let degree = 0;
  let work = 0;
  for (let p = 0; p < repeats.length; p++) {
    const legs = 2 * (repeats.length - 1 - p);
    degree += repeats[p];
    // Series products at a node: two for every entry that is left, done once for both signs of a pair taken once.
    const products = legs * (legs + 1) + 4;
    const shared = repeats[p] === 1 ? 1 : repeats[p] + 1;
    work += branches * shared * products * (degree * (degree + 1)) * 0.5;
    branches *= repeats[p] + 1;
    if (p === 0) branches /= 2;
  }
  return work;
}

/**
 * How many times larger the terms of the sieve are than what they add up to, about: the factor Σ_ν C(r, ν) |r/2 − ν|^r
 * / r! that central differences of order r have on x^r, for every pair. It is 1 for pairs taken once or twice, 13 for
 * ten times, 550 for twenty.
 */
export function sieveLoss(repeats: ArrayLike<number>): number {
  return Array.from(repeats).reduce((product, r) => product * differenceLoss(r), 1);
}

function differenceLoss(r: number): number {
  let sum = 0;
  for (let nu = 0; nu <= r; nu++) {
    // C(r, ν) |r/2 − ν|^r / r! = |r/2 − ν|^r / (ν! (r − ν)!), factor by factor so that nothing overflows.
    let term = 1;
    for (let i = 1; i <= r; i++) term *= Math.abs(r / 2 - nu) / (i <= nu ? i : i - nu);
    sum += term;
  }
  return sum;
}
