import type { Pacer } from '../../cooperate.js';
import type { SampleProducts } from './batch.js';
import { FEWEST_EFFECTIVE } from './jackknife.js';
import { type GroupTails, Tails } from './tails.js';

/** A similarity and the norms of the two models, as an earlier stage knows them. */
export interface Known {
  readonly cosine: number;
  readonly normA: number;
  readonly normB: number;
}

/** What watching over the samples of one group has told: plain data. */
export interface GroupWatched {
  readonly norms: GroupTails;
  readonly influences: GroupTails;
}

/** Pairs that are watched at most, evenly spread over all. */
const MOST_PAIRS = 64;

/** Effective samples that carry what is to be trusted: a norm, that of an output, and the variance of a similarity. */
const FEWEST = { norm: FEWEST_EFFECTIVE, slice: 250, variance: 40 } as const;
/** Of what an influence is made of. */
const ROUNDING = 1e-12;
/** Indices of tails. */
const MOST_INDEX = { norm: 0.5, influence: 0.5 } as const;

/**
 * Watches over the samples of an estimate: which of them carry the norms of models, and which the error of the
 * similarities, in all and per output. What few samples carry may be carried by one that was not drawn.
 */
export class Monitor {
  readonly pairs: readonly (readonly [number, number])[];
  readonly #models: number;
  /** 1, or with every output 1 + o. */
  readonly #slices: number;
  readonly #norms: Tails;
  readonly #influences: Tails;
  readonly #known: readonly (readonly Known[])[] | null;

  /**
   * @param known of every pair and slice, from samples of another stage; null: only norms are watched.
   * @param groups that samples belong to.
   */
  constructor(models: number, slices: number, known: readonly (readonly Known[])[] | null, groups = 1) {
    this.pairs = watchedPairs(models);
    this.#models = models;
    this.#slices = slices;
    this.#norms = new Tails(models * slices, groups);
    this.#influences = new Tails(this.pairs.length * slices, groups);
    this.#known = known;
  }

  async add(samples: SampleProducts, pacer: Pacer, group = 0): Promise<void> {
    const { count, width } = samples;
    const slices = this.#slices;
    this.#norms.counted(count);
    this.#influences.counted(count);
    const squares = new Float64Array(this.#models * slices);
    const products = new Float64Array(slices);
    const added = samples.controlled === undefined ? squares : new Float64Array(squares.length);
    for (let s = 0; s < count; s++) {
      samples.squares(s, squares);
      for (let quantity = 0; quantity < squares.length; quantity++) this.#norms.add(quantity, squares[quantity], group);
      if (this.#known !== null) {
        samples.controlled?.(s, added);
        for (const [p, [i, j]] of this.pairs.entries()) {
          samples.product(s, p, products);
          for (let c = 0; c < slices; c++) {
            const { cosine, normA, normB } = this.#known[p][c];
            const part = (of: Float64Array) => of[i * slices + c] / normA ** 2 + of[j * slices + c] / normB ** 2;
            const influence = products[c] / (normA * normB) - (cosine / 2) * part(added);
            // Where two outputs are multiples of each other it is all rounding.
            const real = Math.abs(influence) > ROUNDING * part(squares);
            this.#influences.add(p * slices + c, real ? influence * influence : 0, group);
          }
        }
      }
      if (pacer.due((this.#models + this.pairs.length) * (width + 4 * slices))) await pacer.pause();
    }
  }

  /** Where there is one group: what is known of it. */
  state(): GroupWatched {
    return { norms: this.#norms.state(), influences: this.#influences.state() };
  }

  /** Takes what is known of a group that has had no samples yet. */
  put(group: number, { norms, influences }: GroupWatched): void {
    this.#norms.put(group, norms);
    this.#influences.put(group, influences);
  }

  /**
   * The least number of equal samples that would carry the norm of any model, or of slice c of it, as it is carried.
   */
  effective(c: number): number {
    let least = Number.POSITIVE_INFINITY;
    for (let m = 0; m < this.#models; m++) least = Math.min(least, this.#norms.effective(m * this.#slices + c));
    return least;
  }

  /** Likewise the variance of any similarity. */
  effectiveVariance(c: number): number {
    let least = Number.POSITIVE_INFINITY;
    if (this.#known === null) return least;
    for (let p = 0; p < this.pairs.length; p++) {
      least = Math.min(least, this.#influences.effective(p * this.#slices + c));
    }
    return least;
  }

  /** The largest index of the tails of norms, and of influences. */
  indices(c: number): { readonly norm: number; readonly influence: number } {
    let [norm, influence] = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (let m = 0; m < this.#models; m++) norm = Math.max(norm, this.#norms.index(m * this.#slices + c));
    if (this.#known !== null) {
      for (let p = 0; p < this.pairs.length; p++) {
        // Of squares the index is twice that of the influence itself.
        influence = Math.max(influence, this.#influences.index(p * this.#slices + c) / 2);
      }
    }
    return { norm, influence };
  }

  /** Whether samples enough carry slice c, and what was not seen is bounded by what was. */
  trusts(c: number): boolean {
    if (!(this.effective(c) >= fewest(c) && this.effectiveVariance(c) >= FEWEST.variance)) return false;
    const { norm, influence } = this.indices(c);
    return norm < MOST_INDEX.norm && influence < MOST_INDEX.influence;
  }

  /** By what factor there are too few samples, if they are carried on as evenly. */
  lacks(c: number): number {
    return Math.max(fewest(c) / this.effective(c), FEWEST.variance / this.effectiveVariance(c));
  }
}

/** Of a norm, in all or of an output. */
const fewest = (c: number) => (c === 0 ? FEWEST.norm : FEWEST.slice);

/** The pairs of so many models whose samples are watched. */
export function watchedPairs(models: number): readonly (readonly [number, number])[] {
  const total = (models * (models - 1)) / 2;
  const every = Math.max(1, total / MOST_PAIRS);
  const pairs: (readonly [number, number])[] = [];
  let number = 0;
  for (let i = 0; i < models; i++) {
    for (let j = 0; j < i; j++, number++) if (number >= pairs.length * every) pairs.push([i, j]);
  }
  return pairs;
}
