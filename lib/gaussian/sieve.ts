import type { Square } from './arguments.js';

/**
 * A loop hafnian as backends compute it: its rows, with their repetitions, grouped into pairs of *legs* (2p, 2p + 1), each
 * pair taken `repeats[p]` times. A leg is a copy of a row; what joins two legs is the matrix entry of their rows.
 */
export interface PairedLegs {
  /** Times that each pair is taken, ascending, all positive. */
  readonly repeats: Uint32Array;
  /** (2P, 2P), symmetric; the diagonal joins copies of one leg, and counts only where the pair is taken more than once. */
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

const ROUNDS = 12;
/** Scales stay within 2^±this, so that their products cannot leave the floating-point range. */
const MOST = 500;

/**
 * Multiplies row and column i by a power of two, so that no row outweighs another. Every term of a loop hafnian has each row
 * once, so the value only gains the product of the scales, exactly; but the sieve's unwanted terms have some rows several times
 * and others not at all, and would drown the wanted ones if rows differed in size.
 */
export function balance({ edges, loops, repeats }: RepeatedRows): ScaledRows {
  const { size, data } = edges;
  const exponents = new Float64Array(size);
  for (let round = 0; round < ROUNDS; round++) {
    const weights = exponents.map((own, i) => {
      let sum = loops === null ? 0 : (loops[i] * 2 ** own) ** 2;
      for (let j = 0; j < size; j++) {
        const partners = repeats[j] - (i === j ? 1 : 0);
        if (partners > 0) sum += partners * Math.abs(data[i * size + j]) * 2 ** (own + exponents[j]);
      }
      return sum;
    });
    // Sinkhorn's step for a symmetric matrix: half of what would bring the row's sum to one.
    for (let i = 0; i < size; i++) {
      if (weights[i] > 0 && Number.isFinite(weights[i])) {
        exponents[i] = Math.max(-MOST, Math.min(MOST, exponents[i] - Math.log2(weights[i]) / 2));
      }
    }
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
 * Π (repeats + 1). The two rows with the most copies left are joined, or copies of one row with each other where it has more
 * than twice as many as any other.
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
