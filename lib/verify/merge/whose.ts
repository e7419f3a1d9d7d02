import type { Pacer } from '../../cooperate.js';
import type { Delta } from './delta.js';
import { type Both, pieces, type Reading } from './measure.js';
import { matrixOf } from './rows.js';

/** A change that a tensor may have got in place of its own. */
export interface Candidate {
  /** The tensor of the base that it belongs to. */
  readonly tensor: string;
  readonly delta: Delta;
}

/** Whose change a tensor has got, or where in it. */
export interface Found {
  readonly candidate: Candidate;
  /** The change was added transposed. */
  readonly transposed: boolean;
  /** Rows of the change that were found, and how much further down they stand. */
  readonly from: number;
  readonly to: number;
  readonly offset: number;
}

/** The share of a change that must lie in the rows of A for it to be looked for there: those of another have next to none. */
const SHARE = 0.5;
/** How near a row must be to what it is taken for, relative to its norm. */
const NEAR = 0.15;
/** Rows, the longest of a change, by which a displacement is sought. */
const PROBES = 8;

/**
 * Finds out whose change D = merged − base of a tensor is: that of another tensor, its own in other rows, or its own
 * transposed. Undefined where it is none of the candidates'.
 */
export async function whoseChange(
  both: Both,
  own: string,
  candidates: readonly Candidate[],
  reading: Reading,
): Promise<Found | undefined> {
  const [rows, columns] = matrixOf(both.base);
  const tried: Way[] = [];
  for (const candidate of candidates) {
    const { inputs, turned, outputs } = candidate.delta;
    const transposed = [false, ...(candidate.tensor === own && inputs === outputs ? [true] : [])];
    for (const one of transposed) {
      const isTurned = turned !== one;
      if (inputs === (isTurned ? rows : columns)) tried.push({ candidate, transposed: one, isTurned });
    }
  }
  for (const way of await likely(both, tried, reading)) {
    const found = await placed(both, own, way, reading);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** A candidate, read in one of the two orientations. */
interface Way {
  readonly candidate: Candidate;
  readonly transposed: boolean;
  /** D is (inputs, outputs) of the change. */
  readonly isTurned: boolean;
}

/** Those in the rows of whose A there is a good part of D, the best first. */
async function likely(both: Both, ways: readonly Way[], reading: Reading): Promise<Way[]> {
  const { products, pacer } = reading;
  const bases: { way: Way; basis: Float64Array; rank: number; energy: number }[] = [];
  for (const way of ways) {
    const { a, rank, inputs } = way.candidate.delta;
    bases.push({ way, ...(await orthonormalRows(a, rank, inputs, pacer)), energy: 0 });
  }
  let dd = 0;
  for await (const { from, to, columns, before, after } of pieces(both, reading)) {
    for (let k = 0; k < after.length; k++) after[k] -= before[k];
    for (const value of after) dd += value * value;
    for (const one of bases) {
      if (one.rank === 0) continue;
      // Turned, the rows at hand are some of the inputs: what they add to Dᵀ Qᵀ is only known when all are in.
      if (one.way.isTurned) continue;
      one.energy += squares(await products.rows(after, one.basis, columns));
    }
    if (pacer.due(to - from)) await pacer.pause();
  }
  for (const one of bases) {
    if (!one.way.isTurned || one.rank === 0) continue;
    one.energy = squares(await projectedOn(both, one.basis, one.rank, true, reading));
  }
  return bases
    .filter(({ energy }) => energy > SHARE * dd)
    .sort((one, other) => other.energy - one.energy)
    .map(({ way }) => way);
}

/** D Aᵀ, (outputs, rank), of a change whose A has these rows. */
async function projectedOn(
  both: Both,
  a: Float64Array,
  rank: number,
  isTurned: boolean,
  reading: Reading,
): Promise<Float64Array> {
  const { products } = reading;
  const [rows, columns] = matrixOf(both.base);
  const result = new Float64Array((isTurned ? columns : rows) * rank);
  for await (const { from, to, before, after } of pieces(both, reading)) {
    for (let k = 0; k < after.length; k++) after[k] -= before[k];
    if (!isTurned) {
      result.set(await products.rows(after, a, columns), from * rank);
      continue;
    }
    const part = new Float64Array((to - from) * rank);
    for (let i = from; i < to; i++) for (let k = 0; k < rank; k++) part[(i - from) * rank + k] = a[k * rows + i];
    const found = await products.columns(after, part, to - from);
    for (let k = 0; k < result.length; k++) result[k] += found[k];
  }
  return result;
}

/** Where in a tensor the change of a candidate stands, if its rows do. */
async function placed(both: Both, own: string, way: Way, reading: Reading): Promise<Found | undefined> {
  const { candidate, transposed, isTurned } = way;
  const { a, b, rank, outputs, inputs } = candidate.delta;
  const found = await projectedOn(both, a, rank, isTurned, reading);
  const gram = await reading.products.rows(a, a, inputs);
  // What D Aᵀ would be if D was the change: B A Aᵀ.
  const wanted = await reading.products.plain(b, gram, rank);
  const [foundNorms, wantedNorms] = [rowNorms(found, rank), rowNorms(wanted, rank)];
  const isSame = (i: number, j: number): boolean => {
    if (i < 0 || j < 0 || i >= foundNorms.length || j >= outputs || wantedNorms[j] === 0) return false;
    let off = 0;
    for (let k = 0; k < rank; k++) off += (found[i * rank + k] - wanted[j * rank + k]) ** 2;
    return off <= NEAR ** 2 * wantedNorms[j] ** 2;
  };
  const isOwnPlace = (i: number) => candidate.tensor === own && !transposed && isSame(i, i);
  const longest = [...foundNorms.keys()]
    .filter((i) => foundNorms[i] > 0 && !isOwnPlace(i))
    .sort((i, j) => foundNorms[j] - foundNorms[i])
    .slice(0, PROBES);
  for (const i of longest) {
    const j = wantedNorms.findIndex((_, place) => isSame(i, place));
    if (j < 0) continue;
    const offset = i - j;
    let [from, to] = [j, j + 1];
    while (isSame(from - 1 + offset, from - 1)) from--;
    while (isSame(to + offset, to)) to++;
    return { candidate, transposed, from, to, offset };
  }
  return candidate.tensor === own && !transposed ? partly(wantedNorms, foundNorms, isSame, candidate) : undefined;
}

/** Rows of its own change that a tensor has, where it has none of the others. */
function partly(
  wanted: Float64Array,
  found: Float64Array,
  isSame: (i: number, j: number) => boolean,
  candidate: Candidate,
): Found | undefined {
  const rows = [...wanted.keys()].filter((i) => wanted[i] > 0);
  const merged = rows.filter((i) => isSame(i, i));
  const [from, to] = [merged[0], (merged.at(-1) ?? 0) + 1];
  const isRest = rows.every((i) => isSame(i, i) || found[i] < NEAR * wanted[i]);
  if (merged.length === 0 || merged.length === rows.length || !isRest) return undefined;
  return { candidate, transposed: false, from, to, offset: 0 };
}

function rowNorms(data: Float64Array, columns: number): Float64Array {
  return Float64Array.from({ length: data.length / columns }, (_, i) =>
    Math.sqrt(squares(data.subarray(i * columns, (i + 1) * columns))),
  );
}

function squares(data: Float64Array): number {
  let sum = 0;
  for (const value of data) sum += value * value;
  return sum;
}

/** Rows that are shorter than this share of what they were are in those before. */
const DEPENDENT = 1e-6;

/** An orthonormal basis of the rows of a matrix. */
async function orthonormalRows(
  a: Float64Array,
  rows: number,
  columns: number,
  pacer: Pacer,
): Promise<{ basis: Float64Array; rank: number }> {
  const basis = a.slice();
  let rank = 0;
  for (let i = 0; i < rows; i++) {
    const row = basis.subarray(rank * columns, (rank + 1) * columns);
    row.set(a.subarray(i * columns, (i + 1) * columns));
    const before = Math.sqrt(squares(row));
    // Twice: once leaves what rounding has put back in.
    for (let turn = 0; turn < 2; turn++)
      for (let k = 0; k < rank; k++) {
        const other = basis.subarray(k * columns, (k + 1) * columns);
        let inner = 0;
        for (let j = 0; j < columns; j++) inner += row[j] * other[j];
        for (let j = 0; j < columns; j++) row[j] -= inner * other[j];
      }
    if (pacer.due(4 * rank * columns)) await pacer.pause();
    const norm = Math.sqrt(squares(row));
    if (!(norm > DEPENDENT * before)) continue;
    for (let j = 0; j < columns; j++) row[j] /= norm;
    rank++;
  }
  return { basis: basis.subarray(0, rank * columns), rank };
}
