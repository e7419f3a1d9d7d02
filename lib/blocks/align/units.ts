import { Pacer } from '../../cooperate.js';
import { smallest } from '../../extremes.js';
import { aboutActivation } from '../../layers/activations.js';
import type { LayerDefinition } from '../../model/create.js';
import type { Products } from '../products.js';
import type { UnitComparison } from '../terms.js';
import type { WeightTally } from '../weights.js';
import { assigning } from './assignment.js';
import { areOneKind, productOf, similarities, similarityOfPairs, type Units, unitsOf } from './unit_vectors.js';

/** Units of which the cheap way leaves no more are assigned in the best way of all. */
const MOST_ASSIGNED = 1024;
/** A round of the cheap way that matches a smaller part of what is left is the last: units are alike among themselves. */
const LEAST_PART = 0.05;
/** Units closer to 1 than this are partners. */
const PARTNER = 1e-9;

type Pair = readonly [ofFirst: number, ofSecond: number];

/** Which unit of the second answers each of the first, and what the pairs have in common. */
export interface UnitMatching {
  readonly comparison: UnitComparison;
  /** How alike the pair is that is least so, 1 for the same functions. */
  readonly least: number;
  /** Adds the weights of the matched units, those of the second scaled to their partners. */
  addTo(tally: WeightTally): Promise<void>;
}

/**
 * Matches the hidden units of two MLPs by how alike they are as functions: the product of the cosines of their vectors,
 * and of how near their sizes are. What changes a unit's weights and not its function changes none of these: the size
 * of `up` against that of `down` where there is a gate, that of what a homogeneous activation is given, and signs.
 * Where there are many, pairs that are the best for each other go first, and the rest is assigned in the best way.
 * @returns undefined where the two are of other kinds
 */
export async function matchUnits(
  one: LayerDefinition,
  other: LayerDefinition,
  d: number,
  products: Products,
  signal: AbortSignal | undefined,
): Promise<UnitMatching | undefined> {
  const pacer = new Pacer(signal);
  const [f, g] = [await unitsOf(one, d, pacer), await unitsOf(other, d, pacer)];
  if (f === undefined || g === undefined || !areOneKind(f, g)) return undefined;
  // An assignment wants no more rows than columns.
  const isTurned = f.count > g.count;
  const [few, many] = isTurned ? [g, f] : [f, g];
  const answers = await answersOf(few, many, products, pacer);
  const pairs = Array.from(answers, (column, row): Pair => (isTurned ? [column, row] : [row, column]));
  const found = await similarityOfPairs(f, g, pairs, pacer);
  return {
    comparison: {
      count: f.count,
      matched: pairs.length,
      moved: pairs.filter(([i, j]) => i !== j).length,
      partners: found.filter((value) => value >= 1 - PARTNER).length,
      similarity: found.reduce((sum, value) => sum + value, 0) / found.length,
    },
    least: smallest(found, 1),
    addTo: async (tally) => {
      for (const pair of pairs) await addPair(f, g, pair, tally, pacer);
    },
  };
}

/** For every unit of f one of g, all different. */
async function answersOf(f: Units, g: Units, products: Products, pacer: Pacer): Promise<Int32Array> {
  const answers = new Int32Array(f.count).fill(-1);
  let rows = Array.from(answers.keys());
  let columns = Array.from({ length: g.count }, (_, j) => j);
  for (let isWorthIt = true; isWorthIt && rows.length > MOST_ASSIGNED; ) {
    const pairs = await mutualBest(f, rows, g, columns, products, pacer);
    isWorthIt = pairs.size >= LEAST_PART * rows.length;
    for (const [i, j] of pairs) answers[i] = j;
    const taken = new Set(pairs.values());
    rows = rows.filter((i) => answers[i] < 0);
    columns = columns.filter((j) => !taken.has(j));
  }
  if (rows.length === 0) return answers;
  const values = new Float64Array(rows.length * columns.length);
  for await (const { start, part } of similarities(f, rows, g, columns, products, pacer))
    values.set(part, start * columns.length);
  const rest = await pacer.run(assigning(values, rows.length, columns.length));
  for (const [at, i] of rows.entries()) answers[i] = columns[rest[at]];
  return answers;
}

/** Pairs of which each is the best for the other. */
async function mutualBest(
  f: Units,
  rows: readonly number[],
  g: Units,
  columns: readonly number[],
  products: Products,
  pacer: Pacer,
): Promise<Map<number, number>> {
  const bestOfRow = new Int32Array(rows.length);
  const bestOfColumn = new Int32Array(columns.length);
  const most = new Float64Array(columns.length);
  for await (const { start, part } of similarities(f, rows, g, columns, products, pacer)) {
    for (let i = start, at = 0; at < part.length; i++) {
      let best = 0;
      for (let j = 0; j < columns.length; j++, at++) {
        const value = part[at];
        if (value > best) [best, bestOfRow[i]] = [value, j];
        if (value > most[j]) [most[j], bestOfColumn[j]] = [value, i];
      }
      if (pacer.due(columns.length)) await pacer.pause();
    }
  }
  const found = new Map<number, number>();
  for (const [i, j] of bestOfRow.entries()) if (most[j] > 0 && bestOfColumn[j] === i) found.set(rows[i], columns[j]);
  return found;
}

/** The weights of a pair, those of the second in the scale of the first as far as its function allows. */
async function addPair(f: Units, g: Units, [i, j]: Pair, tally: WeightTally, pacer: Pacer): Promise<void> {
  const { parity, homogeneous } = aboutActivation(f.activation);
  // What the output is scaled by for what was done to the others.
  let owed = 1;
  for (const [at, one] of f.sides.entries()) {
    const other = g.sides[at];
    const [length, otherLength] = [one.lengths[i], other.lengths[j]];
    let scale = owed;
    if (one.role !== 'output') {
      const isOdd = one.role === 'factor' || parity === 'odd';
      const isNegative = (isOdd || parity === 'even') && productOf(one, i, other, j) < 0;
      const power = one.role === 'factor' ? 1 : homogeneous;
      const ratio = power === null || length === 0 || otherLength === 0 ? 1 : length / otherLength;
      scale = isNegative ? -ratio : ratio;
      owed /= ratio ** (power ?? 0) * (isNegative && isOdd ? -1 : 1);
    }
    const { width } = one;
    const moved = other.rows.slice(j * width, (j + 1) * width).map((value) => value * scale);
    await tally.add(one.rows.subarray(i * width, (i + 1) * width), moved, pacer);
  }
}
