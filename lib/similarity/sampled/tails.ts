/** The largest values that are kept of each quantity. */
export const KEPT = 256;
/** An index is fitted to no fewer. */
const FEWEST = 32;

/** What is known of the values of one group, of every quantity: plain data. */
export interface GroupTails {
  readonly count: number;
  /** The largest values; the sums of all divided by them, and of the squares of that. */
  readonly units: Float64Array;
  readonly sums: Float64Array;
  readonly squares: Float64Array;
  /** How many of the largest follow of every quantity, and these. */
  readonly kept: Int32Array;
  readonly largest: Float64Array;
}

/**
 * What the largest of many non-negative values say of those that were not seen: how many equal values would add up
 * alike, and the index of their tail. Sums are those of groups, which may come in any order, or from elsewhere.
 */
export class Tails {
  readonly #quantities: number;
  readonly #groups: number;
  /** (groups, quantities). */
  readonly #sums: Float64Array;
  readonly #squares: Float64Array;
  /** (quantities, 2·KEPT): the largest so far among the first. */
  readonly #largest: Float64Array;
  readonly #filled: Int32Array;
  /** Below it nothing is kept. */
  readonly #least: Float64Array;
  /** The largest values of every group, by which all are divided: their squares stay in the range of numbers. */
  readonly #units: Float64Array;
  #count = 0;

  constructor(quantities: number, groups = 1) {
    this.#quantities = quantities;
    this.#groups = groups;
    this.#sums = new Float64Array(groups * quantities);
    this.#squares = new Float64Array(groups * quantities);
    this.#units = new Float64Array(groups * quantities);
    this.#largest = new Float64Array(quantities * 2 * KEPT);
    this.#filled = new Int32Array(quantities);
    this.#least = new Float64Array(quantities);
  }

  /** Samples that every quantity has a value of. */
  counted(samples: number): void {
    this.#count += samples;
  }

  add(quantity: number, value: number, group = 0): void {
    const at = group * this.#quantities + quantity;
    if (value > this.#units[at]) {
      const shrunk = this.#units[at] / value;
      this.#sums[at] *= shrunk;
      this.#squares[at] *= shrunk * shrunk;
      this.#units[at] = value;
    }
    const part = value === 0 ? 0 : value / this.#units[at];
    this.#sums[at] += part;
    this.#squares[at] += part * part;
    this.#keep(quantity, value);
  }

  /** What of the largest values is kept does not depend on the order in which they come. */
  #keep(quantity: number, value: number): void {
    if (!(value > this.#least[quantity])) return;
    const start = quantity * 2 * KEPT;
    this.#largest[start + this.#filled[quantity]++] = value;
    if (this.#filled[quantity] === 2 * KEPT) {
      const kept = this.#largest
        .subarray(start, start + 2 * KEPT)
        .sort()
        .subarray(KEPT)
        .slice();
      this.#largest.set(kept, start);
      this.#filled[quantity] = KEPT;
      this.#least[quantity] = kept[0];
    }
  }

  /** Where there is one group: what is known of it. */
  state(): GroupTails {
    const kept = this.#filled.map((filled) => Math.min(filled, KEPT));
    const largest: number[] = [];
    for (const [quantity, count] of kept.entries()) {
      const start = quantity * 2 * KEPT;
      for (const value of this.#largest
        .slice(start, start + this.#filled[quantity])
        .sort()
        .slice(this.#filled[quantity] - count))
        largest.push(value);
    }
    return {
      count: this.#count,
      units: this.#units.slice(),
      sums: this.#sums.slice(),
      squares: this.#squares.slice(),
      kept,
      largest: Float64Array.from(largest),
    };
  }

  /** Takes what is known of a group that has had no values yet. */
  put(group: number, { count, units, sums, squares, kept, largest }: GroupTails): void {
    this.#count += count;
    const at = group * this.#quantities;
    this.#units.set(units, at);
    this.#sums.set(sums, at);
    this.#squares.set(squares, at);
    let next = 0;
    for (const [quantity, own] of kept.entries()) {
      for (const end = next + own; next < end; next++) this.#keep(quantity, largest[next]);
    }
  }

  #unit(quantity: number): number {
    let unit = 0;
    for (let at = quantity; at < this.#units.length; at += this.#quantities) unit = Math.max(unit, this.#units[at]);
    return unit;
  }

  /**
   * How many equal values would have the same ratio of the square of their sum to the sum of their squares; none: the
   * values are zero.
   */
  effective(quantity: number): number {
    const unit = this.#unit(quantity);
    let [sum, squares] = [0, 0];
    for (let group = 0; group < this.#groups; group++) {
      const at = group * this.#quantities + quantity;
      const part = unit > 0 ? this.#units[at] / unit : 0;
      sum += part * this.#sums[at];
      squares += part * part * this.#squares[at];
    }
    return sum > 0 ? sum ** 2 / squares : this.#count;
  }

  /**
   * k̂ of the generalised Pareto law of the largest values (Zhang and Stephens, 2009; Vehtari et al., 2024): with an
   * index of ½ or more their square has no mean, and what was seen does not tell how far they vary.
   */
  index(quantity: number): number {
    const start = quantity * 2 * KEPT;
    const sorted = this.#largest.slice(start, start + this.#filled[quantity]).sort();
    const wanted = Math.floor(Math.min(KEPT - 1, this.#count / 5, 3 * Math.sqrt(this.#count)));
    if (sorted.length <= wanted || wanted < FEWEST) return Number.NEGATIVE_INFINITY;
    const [threshold, ...above] = sorted.subarray(sorted.length - wanted - 1);
    const unit = this.#unit(quantity);
    const exceedances = above.map((value) => (value - threshold) / unit).filter((value) => value > 0);
    // Values that stand there many times are those of a discrete law, which end somewhere.
    return exceedances.length < FEWEST ? Number.NEGATIVE_INFINITY : paretoIndex(exceedances);
  }
}

/** @param x exceedances, the least first. */
export function paretoIndex(x: readonly number[]): number {
  const n = x.length;
  const largest = x[n - 1];
  const quartile = x[Math.floor(n / 4 + 0.5) - 1];
  const grid = 30 + Math.floor(Math.sqrt(n));
  const indexAt = (theta: number) => x.reduce((sum, value) => sum + Math.log1p(-theta * value), 0) / n;
  const thetas = Array.from(
    { length: grid },
    (_, j) => 1 / largest + (1 - Math.sqrt(grid / (j + 0.5))) / (3 * quartile),
  );
  const likelihoods = thetas.map((theta) => {
    const k = indexAt(theta);
    return n * (Math.log(-theta / k) - k - 1);
  });
  const weights = likelihoods.map((own) => 1 / likelihoods.reduce((sum, other) => sum + Math.exp(other - own), 0));
  const theta = thetas.reduce((sum, value, j) => sum + value * weights[j], 0);
  const k = indexAt(theta);
  // Towards ½, as ten more values would say.
  return (n * k + 5) / (n + 10);
}
