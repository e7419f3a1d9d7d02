import type { Pacer } from '../../cooperate.js';
import { type ActivationName, aboutActivation } from '../../layers/activations.js';
import type { LayerDefinition } from '../../model/create.js';
import { transposed } from '../../tensor/cut.js';
import type { Products } from '../products.js';

/** Rows of similarities that are in memory at a time. */
const ROWS = 512;

/** One of the vectors of all units, as rows of one length. */
export interface Side {
  /** What the activation is given; what it is multiplied by, where there is a gate; what the unit writes. */
  readonly role: 'input' | 'factor' | 'output';
  readonly width: number;
  readonly rows: Float64Array;
  readonly lengths: Float64Array;
}

/** Hidden units d φ(a·x) or d φ(a·x) (u·x), by their vectors, biases as entries behind the others. */
export interface Units {
  readonly count: number;
  readonly activation: ActivationName;
  /** The input, the factor if there is one, the output. */
  readonly sides: readonly Side[];
  /** What no rescaling changes of the sizes of the units: of the whole, and of the input where that counts by itself. */
  readonly sizes: readonly Float64Array[];
}

/** The units of a hidden or gated layer; undefined for another. */
export async function unitsOf(layer: LayerDefinition, d: number, pacer: Pacer): Promise<Units | undefined> {
  if (layer.type !== 'hidden' && layer.type !== 'gated') return undefined;
  type Own = { data: Float64Array } | undefined;
  const { weight, bias, gate, gateBias, up, upBias, down } = layer as unknown as Record<string, Own>;
  const activation = layer.activation as ActivationName;
  const sideOf = async (role: Side['role'], { data }: { data: Float64Array }, own: Own): Promise<Side> => {
    const width = own === undefined ? d : d + 1;
    const lengths = new Float64Array(data.length / d);
    const rows = own === undefined ? data : new Float64Array(lengths.length * width);
    for (let i = 0; i < lengths.length; i++) {
      const row = data.subarray(i * d, (i + 1) * d);
      let square = (own?.data[i] ?? 0) ** 2;
      for (let j = 0; j < d; j++) square += row[j] ** 2;
      lengths[i] = Math.sqrt(square);
      if (own !== undefined) {
        rows.set(row, i * width);
        rows[i * width + d] = own.data[i];
      }
      if (pacer.due(2 * d)) await pacer.pause();
    }
    return { role, width, rows, lengths };
  };
  const input = await sideOf(
    'input',
    layer.type === 'gated' ? gate! : weight!,
    layer.type === 'gated' ? gateBias : bias,
  );
  const count = input.lengths.length;
  const sides = [input];
  if (layer.type === 'gated') sides.push(await sideOf('factor', up!, upBias));
  sides.push(await sideOf('output', { data: await transposed(down!.data, d, count, pacer) }, undefined));
  const { homogeneous } = aboutActivation(activation);
  const whole = new Float64Array(count).map((_, i) => {
    return sides.reduce((product, { role, lengths }) => {
      return product * (role === 'input' ? lengths[i] ** (homogeneous ?? 0) : lengths[i]);
    }, 1);
  });
  return { count, activation, sides, sizes: homogeneous === null ? [whole, sides[0].lengths] : [whole] };
}

/** Whether two networks have units of one kind. */
export function areOneKind(f: Units, g: Units): boolean {
  const widths = ({ sides }: Units) => sides.map(({ width }) => width).join();
  return f.activation === g.activation && widths(f) === widths(g);
}

/** Rates how alike two units are as functions, in 0 … 1, from the inner products of their vectors. */
type Rate = (i: number, j: number, productOf: (side: number) => number) => number;

/**
 * The product of the cosines and of how near the sizes are: 1 for one function. The sign of a factor goes with that of
 * the output; that of an input does where the activation is odd, and means nothing where it is even.
 */
function rateOf(f: Units, g: Units): Rate {
  const { parity } = aboutActivation(f.activation);
  return (i, j, productOf) => {
    if (f.sizes[0][i] === 0 && g.sizes[0][j] === 0) return 1;
    let value = 1;
    for (let side = 0; side < f.sides.length; side++) {
      const product = productOf(side);
      if (product === 0) return 0;
      const own = product / (f.sides[side].lengths[i] * g.sides[side].lengths[j]);
      value *= side > 0 || parity === 'odd' ? own : parity === 'even' ? Math.abs(own) : Math.max(0, own);
    }
    if (value <= 0) return 0;
    for (let k = 0; k < f.sizes.length; k++) {
      const [a, b] = [f.sizes[k][i], g.sizes[k][j]];
      value *= 2 / (a / b + b / a);
    }
    return value;
  };
}

/** How alike the units of pairs are. */
export async function similarityOfPairs(
  f: Units,
  g: Units,
  pairs: readonly (readonly [number, number])[],
  pacer: Pacer,
): Promise<number[]> {
  const rate = rateOf(f, g);
  const found: number[] = [];
  for (const [i, j] of pairs) {
    found.push(rate(i, j, (side) => productOf(f.sides[side], i, g.sides[side], j)));
    if (pacer.due(3 * f.sides[0].width)) await pacer.pause();
  }
  return found;
}

export function productOf({ rows, width }: Side, i: number, { rows: others }: Side, j: number): number {
  let product = 0;
  for (let k = 0; k < width; k++) product += rows[i * width + k] * others[j * width + k];
  return product;
}

/** How alike some units are with some others, (rows, columns), a few rows at a time. */
export async function* similarities(
  f: Units,
  rows: readonly number[],
  g: Units,
  columns: readonly number[],
  products: Products,
  pacer: Pacer,
): AsyncGenerator<{ readonly start: number; readonly part: Float64Array }> {
  const rate = rateOf(f, g);
  const others: Float64Array[] = [];
  for (const side of g.sides) others.push(await taken(side, g.count, columns, pacer));
  for (let start = 0; start < rows.length; start += ROWS) {
    const some = rows.slice(start, start + ROWS);
    const found: Float64Array[] = [];
    for (const [at, side] of f.sides.entries())
      found.push(await products.rows(await taken(side, f.count, some, pacer), others[at], side.width));
    const part = new Float64Array(some.length * columns.length);
    let at = 0;
    const read = (side: number) => found[side][at];
    for (const i of some) {
      for (const j of columns) {
        part[at] = rate(i, j, read);
        at++;
      }
      if (pacer.due(16 * columns.length)) await pacer.pause();
    }
    yield { start, part };
  }
}

/** The rows of these units. */
async function taken(
  { rows, width }: Side,
  count: number,
  numbers: readonly number[],
  pacer: Pacer,
): Promise<Float64Array> {
  if (numbers.length === count) return rows;
  const some = new Float64Array(numbers.length * width);
  for (const [to, from] of numbers.entries()) {
    some.set(rows.subarray(from * width, (from + 1) * width), to * width);
    if (pacer.due(width)) await pacer.pause();
  }
  return some;
}
