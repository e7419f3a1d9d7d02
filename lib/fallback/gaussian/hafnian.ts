import type { Pacer } from '../../cooperate.js';
import { type PairedLegs, sieveWork } from '../../gaussian/sieve.js';
import {
  applyChange,
  changeEntries,
  gatherRows,
  type Level,
  multiplyAdd,
  SeriesScratch,
  turn,
} from './hafnian_level.js';

/**
 * The loop hafnian by a finite-difference sieve over pairs of legs (MATH.md section 4). With a weight x_p on every pair
 * p let
 *
 *     F(x) = E exp(Σ_p x_p u_2p u_2p+1),   u the formal Gaussian vector with covariance `edges` and mean `loops`.
 *
 * The loop hafnian is E Π_p (u_2p u_2p+1)^r_p: r_p! times the coefficient of Π x_p^r_p. Central differences of order
 * r_p in every x_p take it from the part f of F that is homogeneous of degree R = Σ r_p,
 *
 *     lhaf = Σ_ν Π_p (−1)^ν_p C(r_p, ν_p) f(r_1/2 − ν_1, …, r_P/2 − ν_P),       ν_p = 0 … r_p,
 *
 * and f(−x) = (−1)^R f(x) halves the sum. Nodes that are not symmetric (0 and 1: inclusion and exclusion) would do too,
 * but add up terms that are larger by many orders of magnitude.
 *
 * f(x) is the coefficient of z^R in F(x z). Pairs are integrated out one after the other: with power series in z as
 * entries,
 *
 *     W = (K^{-1} − B)^{-1},   K = x z (0 1; 1 0),   B = (p q; q s) the edges among the two legs
 *     edges'_jk = edges_jk + b_jᵀ W b_k,    loops'_j = loops_j + b_jᵀ W l,    F' = F · det(1 − K B)^{-1/2} exp(½ lᵀ W l)
 *
 * and the branches over x_p share all that was done for the pairs before: most of the work is done where few legs are
 * left, in all O(n² 2^{n/2}). Terms of degree beyond Σ r of the pairs done so far take some pair too often, and would
 * cancel: they are dropped. So for r_p = 1 all is linear in x_p, W = K, and both branches share one set of products.
 */
export async function loopHafnian(
  legs: PairedLegs,
  pacer: Pacer,
  onProgress: (done: number, total: number) => void,
): Promise<number> {
  const pairs = legs.repeats.length;
  if (pairs === 0) return 1;
  const split = splitLevel(legs.repeats);
  const prefixes = countPrefixes(legs.repeats, split);
  const work = sieveWork(legs.repeats) / prefixes;
  const sieve = new Sieve(legs);
  const sum = new Sum();
  for (let prefix = 0; prefix < prefixes; prefix++) {
    sum.add(prefixWeight(legs.repeats, split, prefix) * sieve.below(split, prefix));
    onProgress(prefix + 1, prefixes);
    if (pacer.due(work)) await pacer.pause();
  }
  return sum.value;
}

/** Multiply-adds that may be done in one go. */
const MOST_AT_ONCE = 1 << 19;

/**
 * The number of leading pairs whose branches are gone through from outside, so that what is below each takes little
 * time.
 */
function splitLevel(repeats: Uint32Array): number {
  const work = sieveWork(repeats);
  let split = 0;
  while (split < repeats.length - 1 && work / countPrefixes(repeats, split) > MOST_AT_ONCE) split++;
  return split;
}

/** Branches over the first `split` pairs; x_0 takes one value of each ± pair only. */
function countPrefixes(repeats: Uint32Array, split: number): number {
  return repeats.subarray(0, split).reduce((count, r, p) => count * branches(r, p), 1);
}

function branches(r: number, pair: number): number {
  return pair === 0 ? Math.floor(r / 2) + 1 : r + 1;
}

/** (−1)^ν C(r, ν), for the first pair doubled where it stands for ±x. */
function weight(r: number, nu: number, pair: number): number {
  let value = pair === 0 && 2 * nu !== r ? 2 : 1;
  for (let i = 0; i < nu; i++) value *= -(r - i) / (i + 1);
  return value;
}

function prefixWeight(repeats: Uint32Array, split: number, prefix: number): number {
  let product = 1;
  for (let p = split - 1, rest = prefix; p >= 0; p--) {
    const count = branches(repeats[p], p);
    product *= weight(repeats[p], rest % count, p);
    rest = Math.floor(rest / count);
  }
  return product;
}

/** A sum with the rounding errors of its additions carried along (Neumaier). */
class Sum {
  #sum = 0;
  #rest = 0;
  add(term: number): void {
    const sum = this.#sum + term;
    this.#rest += Math.abs(this.#sum) >= Math.abs(term) ? this.#sum - sum + term : term - sum + this.#sum;
    this.#sum = sum;
  }
  get value(): number {
    return this.#sum + this.#rest;
  }
}

class Sieve {
  readonly #levels: readonly Level[];
  readonly #repeats: Uint32Array;
  /**
   * The branch of each leading pair that the levels below it were last computed for; prefixes come in ascending order.
   */
  readonly #digits: Int32Array;
  readonly #series: SeriesScratch;

  constructor({ repeats, edges, loops }: PairedLegs) {
    this.#repeats = repeats;
    this.#digits = new Int32Array(repeats.length).fill(-1);
    const degree = repeats.reduce((sum, r) => sum + r, 0);
    this.#series = new SeriesScratch(degree + 1);
    const firstRepeated = repeats.findIndex((r) => r > 1);
    const levels: Level[] = [];
    for (let level = 0, length = 1; level <= repeats.length; level++) {
      const legs = 2 * (repeats.length - level);
      const r = repeats[level] ?? 0;
      const next = length - 1 + r;
      const series = (count: number, size: number) => new Float64Array(count * size);
      levels.push({
        legs,
        length,
        repeats: r,
        diagonal: firstRepeated < 0 ? legs : Math.max(0, 2 * (firstRepeated - level)),
        edges: series(legs * legs, length),
        loops: loops && series(legs, length),
        value: series(1, length),
        change: { edges: series(legs * legs, next), loops: loops && series(legs, next), value: series(1, next) },
        rows: series(2 * legs, next),
        turned: series(2 * legs, next),
        pairLoops: series(2, next),
        turnedLoops: series(2, next),
      });
      length += r;
    }
    levels[0].edges.set(edges);
    levels[0].value[0] = 1;
    if (loops !== null) levels[0].loops?.set(loops);
    this.#levels = levels;
  }

  /** The sum over the branches of all pairs from `split` on, for one branch of each pair before. */
  below(split: number, prefix: number): number {
    const digits = new Int32Array(split);
    for (let p = split - 1, rest = prefix; p >= 0; p--) {
      const count = branches(this.#repeats[p], p);
      digits[p] = rest % count;
      rest = Math.floor(rest / count);
    }
    // Levels that the last call left as they are needed now stay.
    let level = digits.findIndex((digit, p) => digit !== this.#digits[p]);
    if (level < 0) level = split;
    for (; level < split; level++) {
      this.#descend(level, digits[level]);
      this.#digits[level] = digits[level];
    }
    return this.#sum(split);
  }

  #sum(level: number): number {
    const { repeats: r } = this.#levels[level];
    if (level === this.#levels.length - 2 && r === 1) return this.#lastPair(level);
    if (level === this.#levels.length - 1) return this.#levels[level].value.at(-1)!;
    let sum = 0;
    for (let nu = 0; nu < branches(r, level); nu++) {
      this.#descend(level, nu);
      sum += weight(r, nu, level) * this.#sum(level + 1);
    }
    return sum;
  }

  /** For one last pair that is taken once: the coefficient of z^R in F · z(q + l_0 l_1), without any difference. */
  #lastPair(level: number): number {
    const { length, edges, loops, value } = this.#levels[level];
    let sum = 0;
    for (let i = 0; i < length; i++) {
      const rest = length - 1 - i;
      let pair = edges[length + rest];
      if (loops !== null) for (let j = 0; j <= rest; j++) pair += loops[j] * loops[length + rest - j];
      sum += value[i] * pair;
    }
    return sum;
  }

  /** Fills the next level with the pair of this one integrated out in branch ν, x = r/2 − ν. */
  #descend(level: number, nu: number): void {
    const from = this.#levels[level];
    const x = from.repeats / 2 - nu;
    if (from.repeats === 1) {
      if (nu === 0) this.#prepareOnce(from);
      applyChange(from, this.#levels[level + 1], x);
    } else {
      this.#prepareRepeated(from, x);
      applyChange(from, this.#levels[level + 1], 1);
    }
  }

  /** The change per unit of x for a pair taken once: W = x z (0 1; 1 0), F' = F (1 + x z (q + l_0 l_1)). */
  #prepareOnce(level: Level): void {
    const { length, legs, loops, value, change, rows, pairLoops, edges } = level;
    gatherRows(level);
    const half = legs * length;
    changeEntries(level, rows, half, 0, pairLoops, length, 0);
    const pair = this.#series.a.fill(0, 0, length);
    for (let i = 0; i < length; i++) pair[i] = edges[length + i];
    if (loops !== null) multiplyAdd(length, pairLoops, 0, pairLoops, length, pair, 0);
    change.value.fill(0);
    multiplyAdd(length, value, 0, pair, 0, change.value, 0);
  }

  /** The change at a given x for a pair taken several times. */
  #prepareRepeated(level: Level, x: number): void {
    const { legs, length, loops, value, change, rows, turned, pairLoops, turnedLoops, edges } = level;
    const size = change.value.length;
    gatherRows(level);
    // Δ = det(1 − K B) = (1 − xz q)² − x²z² p s and its inverse, up to z^size.
    const { a: u, b: delta, c: inverse, d: log, e: factor, w00, w01, w11 } = this.#series;
    const p = (i: number) => (i < length ? edges[i] : 0);
    const q = (i: number) => (i < length ? edges[length + i] : 0);
    const s = (i: number) => (i < length ? edges[(legs + 1) * length + i] : 0);
    for (let i = 0; i <= size; i++) u[i] = i === 0 ? 1 : -x * q(i - 1);
    delta.fill(0, 0, size + 1);
    multiplyAdd(size + 1, u, 0, u, 0, delta, 0);
    for (let i = 2; i <= size; i++) {
      for (let j = 0; j <= i - 2; j++) delta[i] -= x * x * p(j) * s(i - 2 - j);
    }
    inverse[0] = 1;
    for (let i = 1; i <= size; i++) {
      inverse[i] = 0;
      for (let j = 1; j <= i; j++) inverse[i] -= delta[j] * inverse[i - j];
    }
    // W = xz/Δ · (xz s, 1 − xz q; 1 − xz q, xz p); its common factor z is left out, as in `change`.
    for (const w of [w00, w01, w11]) w.fill(0, 0, size);
    for (let i = 0; i < size; i++) {
      for (let j = 0; j <= i; j++) {
        if (j > 0) {
          w00[i] += x * x * s(j - 1) * inverse[i - j];
          w11[i] += x * x * p(j - 1) * inverse[i - j];
        }
        w01[i] += x * u[j] * inverse[i - j];
      }
    }
    turned.fill(0);
    for (let k = 2; k < legs; k++) turn(size, this.#series, rows, k * size, (legs + k) * size, turned);
    if (loops !== null) {
      turnedLoops.fill(0);
      turn(size, this.#series, pairLoops, 0, size, turnedLoops);
    }
    changeEntries(level, turned, 0, legs * size, turnedLoops, 0, size);

    // i times the coefficients of log(F'/F) = −½ log Δ + ½ lᵀ W l, then of F'/F by k f_k = Σ i·log_i f_{k−i}.
    for (let i = 1; i <= size; i++) {
      log[i] = 0;
      for (let j = 1; j <= i; j++) log[i] -= 0.5 * j * delta[j] * inverse[i - j];
      if (loops !== null) {
        for (let j = 0; j < i; j++) {
          const both = pairLoops[j] * turnedLoops[i - 1 - j] + pairLoops[size + j] * turnedLoops[size + i - 1 - j];
          log[i] += 0.5 * i * both;
        }
      }
    }
    factor[0] = 1;
    for (let k = 1; k <= size; k++) {
      factor[k] = 0;
      for (let i = 1; i <= k; i++) factor[k] += (log[i] * factor[k - i]) / k;
    }
    for (let k = 1; k <= size; k++) {
      change.value[k - 1] = 0;
      for (let i = 0; i < Math.min(k, length); i++) change.value[k - 1] += value[i] * factor[k - i];
    }
  }
}
