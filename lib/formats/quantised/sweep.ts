import { type Grid, nearest } from './grid.js';

/** A line of ways to quantise a block: values less `begin`, times any factor of a range, at the nearest level. */
interface Line {
  /** Where the first level of an offset format lies; else 0. */
  readonly begin: number;
  /** Which end of the levels large values are at. */
  readonly sign: 1 | -1;
  readonly from: number;
  readonly to: number;
}

/**
 * Goes along a line of ways to quantise a block of few values. As the factor grows, one value after the other moves to
 * the next level, and nothing changes in between: going through these moves in their order is to try every factor there
 * is. What scale (and offset) is best is known for each at once, by regression.
 */
export class Sweep {
  /** Number of each value's level. */
  #at = new Int32Array(0);
  /** Moves, as they are found and in order: at what factor, and which value, or its complement where it moves down. */
  #factors = new Float64Array(0);
  #movers = new Int32Array(0);
  #sorted = new Float64Array(0);
  #order = new Int32Array(0);
  /** About where each is to be, and how many are before every place. */
  #places = new Int32Array(0);
  #counts = new Int32Array(0);

  /** A factor between the moves where the least error is left. */
  best(values: Float64Array, grid: Grid, { begin, sign, from, to }: Line): number {
    const { levels, middles, offset } = grid;
    const count = values.length;
    this.#reserve(count, count * levels.length);
    const [at, factors, movers] = [this.#at, this.#factors, this.#movers];
    let mean = 0;
    if (offset) for (let i = 0; i < count; i++) mean += values[i] / count;
    let [product, sum, squares, moves] = [0, 0, 0, 0];
    for (let i = 0; i < count; i++) {
      const value = sign * (values[i] - begin);
      let place = nearest(grid, from * value);
      at[i] = place;
      product += (values[i] - mean) * levels[place];
      sum += levels[place];
      squares += levels[place] ** 2;
      if (value > 0) {
        for (; place < middles.length && middles[place] <= to * value; place++) {
          factors[moves] = middles[place] / value;
          movers[moves++] = i;
        }
      } else if (value < 0) {
        for (; place > 0 && middles[place - 1] >= to * value; place--) {
          factors[moves] = middles[place - 1] / value;
          movers[moves++] = ~i;
        }
      }
    }
    this.#sort(moves, from, to);
    const [sorted, order] = [this.#sorted, this.#order];
    const centred = offset ? 1 / count : 0;
    let [most, found] = [-1, from];
    for (let move = 0; ; move++) {
      // What the levels explain of the values; where they are all the same, nothing.
      const spread = squares - sum * sum * centred;
      const explained = spread > 1e-9 * squares ? (product * product) / spread : 0;
      if (explained > most) {
        most = explained;
        found = ((move === 0 ? from : sorted[move - 1]) + (move === moves ? to : sorted[move])) / 2;
      }
      if (move === moves) return found;
      const i = order[move] < 0 ? ~order[move] : order[move];
      const old = levels[at[i]];
      at[i] += order[move] < 0 ? -1 : 1;
      const now = levels[at[i]];
      product += (values[i] - mean) * (now - old);
      sum += now - old;
      squares += now * now - old * old;
    }
  }

  /** Puts moves in order. They lie evenly, so that a place for each can be told, and neighbours are then exchanged. */
  #sort(moves: number, from: number, to: number): void {
    const [factors, movers, sorted] = [this.#factors, this.#movers, this.#sorted];
    const [order, places, counts] = [this.#order, this.#places, this.#counts];
    const wide = (moves - 1) / (to - from);
    counts.fill(0, 0, moves + 1);
    for (let move = 0; move < moves; move++) {
      // Rounding can bring a factor just outside of the range.
      const place = Math.max(0, Math.min(moves - 1, (factors[move] - from) * wide)) | 0;
      places[move] = place;
      counts[place + 1]++;
    }
    for (let place = 1; place < moves; place++) counts[place] += counts[place - 1];
    for (let move = 0; move < moves; move++) {
      const place = counts[places[move]]++;
      sorted[place] = factors[move];
      order[place] = movers[move];
    }
    for (let move = 1; move < moves; move++) {
      const factor = sorted[move];
      if (sorted[move - 1] <= factor) continue;
      const mover = order[move];
      let place = move;
      for (; place > 0 && sorted[place - 1] > factor; place--) {
        sorted[place] = sorted[place - 1];
        order[place] = order[place - 1];
      }
      sorted[place] = factor;
      order[place] = mover;
    }
  }

  #reserve(values: number, moves: number): void {
    if (this.#at.length < values) this.#at = new Int32Array(values);
    if (this.#factors.length >= moves) return;
    this.#factors = new Float64Array(moves);
    this.#movers = new Int32Array(moves);
    this.#sorted = new Float64Array(moves);
    this.#order = new Int32Array(moves);
    this.#places = new Int32Array(moves);
    this.#counts = new Int32Array(moves + 1);
  }
}
