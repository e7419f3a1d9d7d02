import { type Dense, dense, type Engine, einsum, gatherRows, rowsOf } from './algebra.js';
import type { Difference } from './difference.js';
import { chunks, formsOf, rankOf, type Survey } from './forms.js';
import type { InputSpace } from './input_space.js';
import type { DifferenceParts, Direction, JointDifference, LinearDirection, OutputDifference } from './types.js';

/** Eigenvalues below this part of the largest are rounding: their directions are anybody's. */
const NEGLIGIBLE = 1e-10;
/** Likewise of squares that come from a Gram matrix. */
const NEGLIGIBLE_SQUARE = 1e-14;

/** The directions that matter to any output: of Σ_c ΔB_c². */
export async function jointDifference(
  { linear }: Difference,
  { sum }: Survey,
  space: InputSpace,
  top: number,
  engine: Engine,
): Promise<JointDifference> {
  const [rank] = sum.shape;
  const [directions] = await directionsOf(dense(sum.data, 1, rank, rank), 1, space, top, engine);
  const energy = (await space.diagonal(sum)).map((value) => 4 * value);
  if (linear === null) return { directions, energy: normalised(energy) };
  for (const [i, square] of (await space.squares(linear)).entries()) energy[i] += square;
  return { directions, energy: normalised(energy), linear: await linearDirections(linear, space, top, engine) };
}

/**
 * The largest singular values of the linear parts, (o, k), with their vectors: eigenpairs of the smaller of the two
 * Gram matrices, so that no matrix is larger than the parts themselves. That knows singular values to 10⁻⁸ of the
 * largest, below which directions are anybody's.
 */
async function linearDirections(
  linear: Dense,
  space: InputSpace,
  top: number,
  engine: Engine,
): Promise<LinearDirection[]> {
  const { backend, signal, threads } = engine;
  const [outputs, width] = linear.shape;
  const size = Math.min(outputs, width);
  const gram = await einsum(outputs <= width ? 'ik,jk->ij' : 'ci,cj->ij', [linear, linear], engine);
  const { values, vectors } = await backend.eigen.symmetricEigen({ data: gram.data, count: 1, size }, top, {
    ...{ signal, threads },
  });
  const kept = values.subarray(0, top).filter((value) => value > NEGLIGIBLE_SQUARE * values[0]).length;
  if (kept === 0) return [];
  const found = dense(vectors.slice(0, kept * size), kept, size);
  const across = await einsum(outputs <= width ? 'kc,ci->ki' : 'ki,ci->kc', [found, linear], engine);
  const [ofOutputs, ofInputs] = outputs <= width ? [found, across] : [across, found];
  const { directions, signs } = await space.fromWhitened(ofInputs);
  const whole = total(values);
  return Array.from({ length: kept }, (_, k) => {
    const along = rowsOf(ofOutputs, k, k + 1).data;
    const length = Math.sqrt(total(along.map((entry) => entry * entry)));
    return {
      value: Math.sqrt(values[k]),
      share: ratio(values[k], whole),
      vector: rowsOf(directions, k, k + 1).data.slice(),
      outputs: along.map((entry) => (signs[k] * entry) / length),
    };
  });
}

/** What each of some outputs differs by. */
export async function outputDifferences(
  numbers: readonly number[],
  difference: Difference,
  found: Survey,
  space: InputSpace,
  top: number,
  engine: Engine,
  report: (done: number) => void,
): Promise<OutputDifference[]> {
  const squares = squaresOf(found);
  const whole = total(squares);
  const differences: OutputDifference[] = [];
  for (const [from, to] of chunks(numbers.length, rankOf(difference))) {
    const some = numbers.slice(from, to);
    const forms = await formsOf(difference, gatherRows(difference.weights, some), engine);
    const directions = await directionsOf(forms, 2, space, top, engine);
    for (const [i, output] of some.entries()) {
      const parts = [found.quadratic[output], found.linear[output], found.mean[output]] as const;
      const higher = found.higher?.[output] ?? null;
      const linear = found.linear[output] > 0 ? rowsOf(difference.linear!, output, output + 1) : null;
      differences.push({
        output,
        share: ratio(squares[output], whole),
        parts: partsOf(...parts, higher),
        directions: directions[i],
        linear: linear && (await space.fromWhitened(linear)).directions.data,
      });
    }
    report(to);
  }
  return differences;
}

/** E (Δf_c)², per output. */
export function squaresOf({ quadratic, linear, mean, higher }: Survey): Float64Array {
  const squares = quadratic.map((square, c) => square + linear[c] + mean[c]);
  return higher === null ? squares : squares.map((square, c) => square + higher[c]);
}

/** Shares of squared norms in their sum; null for degrees that there are not. */
export function partsOf(quadratic: number, linear: number, mean: number, higher: number | null): DifferenceParts {
  const whole = quadratic + linear + mean + (higher ?? 0);
  const shares = { quadratic: ratio(quadratic, whole), linear: ratio(linear, whole), mean: ratio(mean, whole) };
  return higher === null ? shares : { ...shares, higher: ratio(higher, whole) };
}

export function total(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0);
}

/**
 * The eigenpairs of largest |λ| of each of (count, r, r) forms; shares go by |λ|^power, which is 1 where the forms are
 * squares.
 */
async function directionsOf(
  { data, shape: [count, size] }: Dense,
  power: 1 | 2,
  space: InputSpace,
  top: number,
  engine: Engine,
): Promise<Direction[][]> {
  const { backend, signal, threads } = engine;
  const { values, vectors } = await backend.eigen.symmetricEigen({ data, count, size }, top, { signal, threads });
  const kept = Math.min(top, size);
  if (kept === 0) return Array.from({ length: count }, () => []);
  const inputs = await space.fromCoordinates(dense(vectors, count * kept, size));
  return Array.from({ length: count }, (_, c) => {
    const all = values.subarray(c * size, (c + 1) * size);
    const whole = all.reduce((sum, value) => sum + Math.abs(value) ** power, 0);
    const least = NEGLIGIBLE * Math.abs(all[0]);
    return Array.from(all.subarray(0, kept), (value, k): Direction => {
      const { data: vector } = rowsOf(inputs, c * kept + k, c * kept + k + 1);
      return { value, share: ratio(Math.abs(value) ** power, whole), vector: vector.slice() };
    }).filter(({ value }) => Math.abs(value) > least);
  });
}

function normalised(energy: Float64Array): Float64Array {
  const whole = total(energy);
  return energy.map((value) => ratio(value, whole));
}

/** Zero of nothing is zero. */
function ratio(part: number, whole: number): number {
  return whole > 0 ? part / whole : 0;
}
