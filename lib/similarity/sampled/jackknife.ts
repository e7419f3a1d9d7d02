import type { Pacer } from '../../cooperate.js';

/** Groups of samples that the jackknife leaves out one by one (MATH.md section 8). */
export const GROUPS = 32;

/** Student's t at 97.5 % with 1, 2 … GROUPS − 1 degrees of freedom. */
const STUDENT = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11,
  2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042, 2.04,
] as const;

/** Half the width of a 95 % interval in standard errors. */
export const INTERVAL = STUDENT[GROUPS - 2];

/** Samples that should carry the norm of a model: of fewer, an error says little. */
export const FEWEST_EFFECTIVE = 1000;

/** Sums over the samples of each group, of what they add to n × n cells of `size` numbers. */
export class GroupSums {
  readonly models: number;
  readonly size: number;
  readonly #groups: readonly Float64Array[];
  /** Those that have samples. */
  #there: readonly number[] = Array.from({ length: GROUPS }, (_, group) => group);

  constructor(models: number, size: number) {
    this.models = models;
    this.size = size;
    this.#groups = Array.from({ length: GROUPS }, () => new Float64Array(models * models * size));
  }

  /** Memory that the sums of so many cells take, in bytes. */
  static bytes(models: number, size: number): number {
    return 8 * (GROUPS + 1) * models * models * size;
  }

  /** Adds a tile (models, models, `width`) to places `from` and on of every cell of a group. */
  add(group: number, tile: Float64Array, width: number, from: number, pacer: Pacer): Promise<void> {
    return addTile(this.#groups[group], this.size, tile, width, from, pacer);
  }

  /** Takes the sums of a group that has none yet. */
  put(group: number, sums: Float64Array): void {
    this.#groups[group].set(sums);
  }

  /** Groups that have no samples: errors are those of the others. */
  leaveOut(groups: readonly number[]): void {
    this.#there = this.#there.filter((group) => !groups.includes(group));
  }

  /** Slice `from` to `from` + `width` − 1 of all groups together divided by `count`, (models, models, width). */
  async mean(count: number, width: number, from: number, pacer: Pacer): Promise<Float64Array> {
    const { models, size } = this;
    const means = new Float64Array(models * models * width);
    for (let cell = 0; cell < models * models; cell++) {
      for (let c = 0; c < width; c++) {
        const at = cell * size + from + c;
        let sum = 0;
        for (const group of this.#groups) sum += group[at];
        means[cell * width + c] = sum / count;
      }
      if (pacer.due(GROUPS * width)) await pacer.pause();
    }
    return means;
  }

  /**
   * The standard error of every similarity of slice c, (models, models), by the jackknife: the similarities without one
   * group after the other vary by so much. Where few groups carry that variance it is not well known itself, and the
   * error is widened as much as Student's t with as many degrees of freedom asks for, unless `widen` is false. At most
   * 1, and 1 where a model is zero outside of one group.
   */
  async standardErrors(c: number, pacer: Pacer, widen = true): Promise<Float64Array> {
    const { models } = this;
    const totals = await this.mean(1, 1, c, pacer);
    const errors = new Float64Array(models * models);
    const there = this.#there;
    const groups = there.length;
    const norms = new Float64Array(models * groups);
    for (let i = 0; i < models; i++) {
      for (let g = 0; g < groups; g++) norms[i * groups + g] = Math.sqrt(this.#without(totals, there[g], i, i, c));
    }
    const without = new Float64Array(groups);
    for (let i = 0; i < models; i++) {
      for (let j = 0; j < i; j++) {
        for (let g = 0; g < groups; g++) {
          without[g] = this.#without(totals, there[g], i, j, c) / (norms[i * groups + g] * norms[j * groups + g]);
        }
        const error = jackknife(without, widen);
        // Undefined where a norm is.
        errors[i * models + j] = error <= 1 ? error : 1;
        errors[j * models + i] = errors[i * models + j];
        if (pacer.due(16 * GROUPS)) await pacer.pause();
      }
    }
    return errors;
  }

  /**
   * The standard error of the mean of the inner product of every two models of slice c over `count` samples, and on the
   * diagonal that of the root of the mean square, a norm: (models, models).
   */
  async meanErrors(c: number, count: number, pacer: Pacer): Promise<Float64Array> {
    const { models } = this;
    const totals = await this.mean(1, 1, c, pacer);
    const errors = new Float64Array(models * models);
    const there = this.#there;
    const groups = there.length;
    const others = (count * (groups - 1)) / groups;
    const without = new Float64Array(groups);
    for (let i = 0; i < models; i++) {
      for (let j = 0; j <= i; j++) {
        for (let g = 0; g < groups; g++) {
          const mean = this.#without(totals, there[g], i, j, c) / others;
          without[g] = i === j ? Math.sqrt(mean) : mean;
        }
        errors[i * models + j] = jackknife(without);
        errors[j * models + i] = errors[i * models + j];
        if (pacer.due(16 * GROUPS)) await pacer.pause();
      }
    }
    return errors;
  }

  #without(totals: Float64Array, group: number, i: number, j: number, c: number): number {
    const cell = i * this.models + j;
    return totals[cell] - this.#groups[group][cell * this.size + c];
  }
}

/** Adds a tile, `width` numbers for every cell, to places `from` and on of cells of `size`. */
export async function addTile(
  sums: Float64Array,
  size: number,
  tile: Float64Array,
  width: number,
  from: number,
  pacer: Pacer,
): Promise<void> {
  for (let cell = 0; cell < sums.length / size; cell++) {
    for (let c = 0; c < width; c++) sums[cell * size + from + c] += tile[cell * width + c];
    if (pacer.due(width)) await pacer.pause();
  }
}

/** The widened standard error from the values without one group after the other; NaN if one of them is undefined. */
function jackknife(without: Float64Array, widen = true): number {
  const groups = without.length;
  let mean = 0;
  for (const value of without) mean += value / groups;
  let squares = 0;
  let fourths = 0;
  for (const value of without) {
    const square = (value - mean) ** 2;
    squares += square;
    fourths += square * square;
  }
  if (Number.isNaN(squares)) return Number.NaN;
  if (fourths === 0) return 0; // also where the squares are too small for their own
  if (!widen) return Math.sqrt(((groups - 1) / groups) * squares);
  // Two less than groups on average where the groups are alike and normal, 1 where a single one makes all the variance.
  const freedom = Math.min(groups - 1, Math.max(1, (3 * squares * squares) / fourths - 2));
  return (Math.sqrt(((groups - 1) / groups) * squares) * student(freedom)) / INTERVAL;
}

/** Between the whole numbers of STUDENT linearly. */
function student(freedom: number): number {
  const below = Math.floor(freedom);
  const above = Math.min(below + 1, GROUPS - 1);
  const share = freedom - below;
  return (1 - share) * STUDENT[below - 1] + share * STUDENT[above - 1];
}
