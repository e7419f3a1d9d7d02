import type { Pacer } from '../../cooperate.js';
import { type ActivationName, aboutActivation } from '../../layers/activations.js';
import type { LayerDefinition } from '../../model/create.js';
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
export function unitsOf(layer: LayerDefinition, d: number): Units | undefined {
  if (layer.type !== 'hidden' && layer.type !== 'gated') return undefined;
  type Own = { data: Float64Array } | undefined;
  const { weight, bias, gate, gateBias, up, upBias, down } = layer as unknown as Record<string, Own>;
  const activation = layer.activation as ActivationName;
  const sides =
    layer.type === 'gated'
      ? [sideOf('input', withBias(gate!, gateBias, d)), sideOf('factor', withBias(up!, upBias, d))]
      : [sideOf('input', withBias(weight!, bias, d))];
  const count = sides[0].lengths.length;
  sides.push(sideOf('output', { rows: turnedOver(down!.data, d, count), width: d }));
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

function withBias({ data }: { data: Float64Array }, bias: { data: Float64Array } | undefined, d: number) {
  if (bias === undefined) return { rows: data, width: d };
  const count = data.length / d;
  const rows = new Float64Array(count * (d + 1));
  for (let i = 0; i < count; i++) {
    rows.set(data.subarray(i * d, (i + 1) * d), i * (d + 1));
    rows[i * (d + 1) + d] = bias.data[i];
  }
  return { rows, width: d + 1 };
}

function sideOf(role: Side['role'], { rows, width }: { rows: Float64Array; width: number }): Side {
  const lengths = new Float64Array(rows.length / width);
  for (let at = 0; at < rows.length; at++) lengths[Math.floor(at / width)] += rows[at] ** 2;
  return { role, width, rows, lengths: lengths.map(Math.sqrt) };
}

function turnedOver(data: Float64Array, rows: number, columns: number): Float64Array {
  const result = new Float64Array(data.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) result[j * rows + i] = data[i * columns + j];
  return result;
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
export function similarityOfPairs(f: Units, g: Units, pairs: readonly (readonly [number, number])[]): number[] {
  const rate = rateOf(f, g);
  return pairs.map(([i, j]) => rate(i, j, (side) => productOf(f.sides[side], i, g.sides[side], j)));
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
  const others = g.sides.map((side) => taken(side, g.count, columns));
  for (let start = 0; start < rows.length; start += ROWS) {
    const some = rows.slice(start, start + ROWS);
    const found: Float64Array[] = [];
    for (const [at, side] of f.sides.entries())
      found.push(await products.rows(taken(side, f.count, some), others[at], side.width));
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
function taken({ rows, width }: Side, count: number, numbers: readonly number[]): Float64Array {
  if (numbers.length === count) return rows;
  const some = new Float64Array(numbers.length * width);
  for (const [to, from] of numbers.entries()) some.set(rows.subarray(from * width, (from + 1) * width), to * width);
  return some;
}
