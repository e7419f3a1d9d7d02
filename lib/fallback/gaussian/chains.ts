import type { Pacer } from '../../cooperate.js';
import { momentsOfCumulants } from '../../gaussian/subsets.js';
import { addTimesBlock, blockOf, isLinked, traceTimesBlock, type VectorSystem } from './vector_system.js';

/** A bilinear form F = x_q · x_k of two vectors of a system, given by their numbers. */
export type Item = readonly [q: number, k: number];

/**
 * A(S, i, o) for every subset S of the items as a bit mask, at index 2i + o (o: 0 for q, 1 for k); null where zero. The
 * first axis of each is the start of the chain, of `rows` rows.
 */
interface ChainStates {
  readonly rows: number;
  readonly of: readonly (readonly (Float64Array | null)[])[];
}

/**
 * The expectations of products of bilinear forms with vectors by the subset recursion of MATH.md section 4, exact for
 * jointly Gaussian vectors with any means. All forms of the products are those of `items`.
 *
 * Subsets are bit masks. "Start a chain at C[v, ·]" gives matrices with a row per entry of v; at the means it gives one
 * row.
 */
export class Chains {
  readonly #system: VectorSystem;
  readonly #items: readonly Item[];
  readonly #pacer: Pacer;
  /** Chains that start at a mean; null if all means are zero. */
  readonly #fromMeans: ChainStates | null;
  /** Z(S) = E Π_S F. */
  readonly #products: Float64Array;

  private constructor(
    system: VectorSystem,
    items: readonly Item[],
    pacer: Pacer,
    fromMeans: ChainStates | null,
    products: Float64Array,
  ) {
    this.#system = system;
    this.#items = items;
    this.#pacer = pacer;
    this.#fromMeans = fromMeans;
    this.#products = products;
  }

  static async over(system: VectorSystem, items: readonly Item[], pacer: Pacer): Promise<Chains> {
    const all = (1 << items.length) - 1;
    const centred = system.mean.every((value) => value === 0);
    const fromMeans = centred
      ? null
      : await chainStates(system, items, all, 1, (vector) => meanOf(system, vector), pacer);
    const cumulants = await jointCumulants(system, items, fromMeans, pacer);
    return new Chains(system, items, pacer, fromMeans, await momentsOfCumulants(cumulants, pacer));
  }

  /** E Π F over all items. */
  product(): number {
    return this.#products[this.#products.length - 1];
  }

  /** E[v Π F]. */
  async vector(v: number): Promise<Float64Array> {
    const sum = new Float64Array(this.#system.sizes[v]);
    if (this.#fromMeans === null) return sum;
    const all = this.#products.length - 1;
    const ends = this.#meanEnds(v);
    for (let set = 0; set <= all; set++) addScaled(sum, ends[set], this.#products[all ^ set]);
    return sum;
  }

  /** E[v wᵀ Π F], (|v|, |w|), row-major. */
  async pair(v: number, w: number): Promise<Float64Array> {
    const system = this.#system;
    const [rows, columns] = [system.sizes[v], system.sizes[w]];
    const all = this.#products.length - 1;
    const start = (vector: number) => blockOf(system, v, vector);
    const states = await chainStates(system, this.#items, all, rows, start, this.#pacer);
    const sum = new Float64Array(rows * columns);
    addScaled(sum, blockOf(system, v, w), this.#products[all]);
    for (let set = 1; set <= all; set++) {
      const chains = new Float64Array(rows * columns);
      this.#addEnds(states, set, w, chains);
      addScaled(sum, chains, this.#products[all ^ set]);
      if (this.#pacer.due(2 * this.#items.length * rows * columns * columns)) await this.#pacer.pause();
    }
    if (this.#fromMeans === null) return sum;
    const [left, right] = [this.#meanEnds(v), this.#meanEnds(w)];
    for (let set = 0; set <= all; set++) {
      // V_v(S) takes every Σ_S' V_w(S') Z(rest) over the subsets S' of what S leaves.
      const others = all ^ set;
      const weighted = new Float64Array(columns);
      for (let other = others; ; other = (other - 1) & others) {
        addScaled(weighted, right[other], this.#products[others ^ other]);
        if (other === 0) break;
      }
      for (let i = 0; i < rows; i++) {
        for (let j = 0; j < columns; j++) sum[i * columns + j] += left[set][i] * weighted[j];
      }
    }
    return sum;
  }

  /** V(S) of vector `v` for every S: the chains between it and a mean; V(∅) is its own mean. */
  #meanEnds(v: number): Float64Array[] {
    const { sizes } = this.#system;
    return Array.from(this.#products, (_, set) => {
      if (set === 0) return meanOf(this.#system, v);
      const sum = new Float64Array(sizes[v]);
      this.#addEnds(this.#fromMeans!, set, v, sum);
      return sum;
    });
  }

  /** Adds Σ_{i,o} A(S, i, o) C[o_i, w]. */
  #addEnds({ rows, of }: ChainStates, set: number, w: number, sum: Float64Array): void {
    for (const [index, state] of of[set].entries()) {
      const half = this.#items[index >> 1][index & 1];
      if (state !== null && isLinked(this.#system, half, w)) addTimesBlock(state, rows, this.#system, half, w, sum);
    }
  }
}

/**
 * A({i}, o) = start(ō_i) and A(S, i, o) = Σ_{j∈S∖i, p} A(S∖i, j, p) C[p_j, ō_i] for every subset S of `within`.
 * @param start the block between the start of the chain and a vector, null if zero.
 */
async function chainStates(
  system: VectorSystem,
  items: readonly Item[],
  within: number,
  rows: number,
  start: (vector: number) => Float64Array | null,
  pacer: Pacer,
): Promise<ChainStates> {
  const of: (Float64Array | null)[][] = [[]];
  for (let set = 1; set <= within; set++) {
    const states: (Float64Array | null)[] = new Array(2 * items.length).fill(null);
    of.push(states);
    if ((set & within) !== set) continue;
    for (let i = 0; i < items.length; i++) {
      if ((set & (1 << i)) === 0) continue;
      const before = set ^ (1 << i);
      for (let o = 0; o < 2; o++) {
        const entry = items[i][1 - o];
        states[2 * i + o] = before === 0 ? start(entry) : extend(of[before], items, system, rows, entry);
        const work = 2 * items.length * rows * system.sizes[entry] ** 2;
        if (pacer.due(work)) await pacer.pause();
      }
    }
  }
  return { rows, of };
}

/** Σ_{j,p} A(S, j, p) C[p_j, entry], null if every term is zero. */
function extend(
  states: readonly (Float64Array | null)[],
  items: readonly Item[],
  system: VectorSystem,
  rows: number,
  entry: number,
): Float64Array | null {
  let sum: Float64Array | null = null;
  for (const [index, state] of states.entries()) {
    const half = items[index >> 1][index & 1];
    if (state === null || !isLinked(system, half, entry)) continue;
    sum ??= new Float64Array(rows * system.sizes[entry]);
    addTimesBlock(state, rows, system, half, entry, sum);
  }
  return sum;
}

/** κ(S) = cycle(S) + ½ path(S) for every non-empty S: the joint cumulants of the forms. */
async function jointCumulants(
  system: VectorSystem,
  items: readonly Item[],
  fromMeans: ChainStates | null,
  pacer: Pacer,
): Promise<Float64Array> {
  const cumulants = new Float64Array(1 << items.length);
  for (const [first, [q, k]] of items.entries()) {
    // The cycles of the subsets of which this item is the first: out of it by q, through the rest, back to its k.
    const later = ((1 << items.length) - 1) & ~((2 << first) - 1);
    const start = (vector: number) => blockOf(system, q, vector);
    const { of } = await chainStates(system, items, later, system.sizes[q], start, pacer);
    for (let rest = later; ; rest = (rest - 1) & later) {
      cumulants[rest | (1 << first)] = rest === 0 ? selfTrace(system, q, k) : closing(of[rest], items, system, k);
      if (rest === 0) break;
    }
  }
  if (fromMeans === null) return cumulants;
  for (let set = 1; set < cumulants.length; set++) {
    for (const [index, state] of fromMeans.of[set].entries()) {
      if (state !== null) cumulants[set] += 0.5 * dot(state, meanOf(system, items[index >> 1][index & 1]));
    }
  }
  return cumulants;
}

function selfTrace(system: VectorSystem, q: number, k: number): number {
  if (!isLinked(system, q, k)) return 0;
  const { offsets, sizes, length, cov } = system;
  let sum = 0;
  for (let i = 0; i < sizes[q]; i++) sum += cov[(offsets[q] + i) * length + offsets[k] + i];
  return sum;
}

/** Σ_{i,o} tr(A(S, i, o) C[o_i, k]). */
function closing(
  states: readonly (Float64Array | null)[],
  items: readonly Item[],
  system: VectorSystem,
  k: number,
): number {
  let sum = 0;
  for (const [index, state] of states.entries()) {
    const half = items[index >> 1][index & 1];
    if (state !== null && isLinked(system, half, k)) sum += traceTimesBlock(state, system, half, k);
  }
  return sum;
}

function meanOf({ mean, offsets, sizes }: VectorSystem, vector: number): Float64Array {
  return mean.subarray(offsets[vector], offsets[vector] + sizes[vector]);
}

/** sum += factor · term; null is zero. */
function addScaled(sum: Float64Array, term: Float64Array | null, factor: number): void {
  if (term === null || factor === 0) return;
  for (let i = 0; i < sum.length; i++) sum[i] += factor * term[i];
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}
