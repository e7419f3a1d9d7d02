import type { Pacer } from '../cooperate.js';
import { type Attention, type LayerBlocks, type Piece, piecesIn } from '../model/transformers/network.js';
import { cosine } from '../similarity/gram/derived.js';
import { planesOf } from './circuits/planes.js';
import type { BlockFile } from './open.js';
import type { WeightComparison } from './terms.js';

/** Adds up what weights have in common, piece by piece. */
export class WeightTally {
  #product = 0;
  #squares: [number, number] = [0, 0];
  #difference = 0;
  #equal = true;
  #count = 0;

  async add(a: Float64Array, b: Float64Array, pacer: Pacer): Promise<void> {
    const step = 1 << 16;
    for (let from = 0; from < a.length; from += step) {
      const end = Math.min(a.length, from + step);
      // Numbers of an object that change one by one would each be made anew.
      let [product, one, other, difference, equal] = [0, 0, 0, 0, true];
      for (let i = from; i < end; i++) {
        const [x, y] = [a[i], b[i]];
        product += x * y;
        one += x * x;
        other += y * y;
        difference += (x - y) ** 2;
        if (x !== y) equal = false;
      }
      this.#product += product;
      this.#squares[0] += one;
      this.#squares[1] += other;
      this.#difference += difference;
      this.#equal &&= equal;
      if (pacer.due(end - from)) await pacer.pause();
    }
    this.#count += a.length;
  }

  get result(): WeightComparison {
    const [one, other] = this.#squares;
    const found = cosine(this.#product, one, other);
    return {
      cosine: Number.isNaN(found) ? null : found,
      nmse: one === 0 ? null : this.#difference / one,
      equal: this.#equal && this.#count > 0,
    };
  }
}

/** Numbers of a piece that are in memory at a time, at most but for the rows of a head. */
const AT_ONCE = 1 << 19;

/** Adds what a piece of one network has in common with one of another, some rows at a time, if they are of one shape. */
async function addPieces(
  tally: WeightTally,
  [f, one]: readonly [BlockFile, Piece],
  [g, other]: readonly [BlockFile, Piece],
  pacer: Pacer,
  heads?: { readonly width: number; readonly order: readonly RowOrder[] },
): Promise<boolean> {
  const [[outputs, inputs], [rows, columns]] = [f.extent(one), g.extent(other)];
  if (outputs * inputs !== rows * columns) return false;
  // Of other shapes, but as many numbers: only as wholes they can be put beside each other.
  const unit = heads?.width ?? 1;
  const step = inputs === columns ? unit * Math.max(1, Math.floor(AT_ONCE / (inputs * unit))) : outputs;
  for (let from = 0; from < outputs; from += step) {
    const cut = inputs === columns ? { rows: { from, to: Math.min(outputs, from + step) } } : {};
    const parts = [await f.read(one, cut), await g.read(other, cut)];
    const [a, b] = heads === undefined ? parts : parts.map((data, i) => heads.order[i](data, inputs));
    await tally.add(a, b, pacer);
    f.done([parts[0]]);
    g.done([parts[1]]);
  }
  return true;
}

/** Compares a piece of one network with one of another; nothing where one of them has none. */
export async function comparePieces(
  f: BlockFile,
  one: Piece | undefined,
  g: BlockFile,
  other: Piece | undefined,
  pacer: Pacer,
): Promise<WeightComparison | undefined> {
  if (one === undefined || other === undefined) return undefined;
  const tally = new WeightTally();
  return (await addPieces(tally, [f, one], [g, other], pacer)) ? tally.result : undefined;
}

/**
 * Of all weights of a layer that both have, rows of queries and keys in one order of planes.
 * @param tally where it is added to what has been compared
 */
export async function compareWeights(
  f: BlockFile,
  one: LayerBlocks,
  g: BlockFile,
  other: LayerBlocks,
  pacer: Pacer,
  tally = new WeightTally(),
): Promise<WeightComparison> {
  const [a, b] = [piecesOf(one), piecesOf(other)];
  for (const [role, piece] of a) {
    const answer = b.get(role);
    if (answer === undefined) continue;
    const turns = role.startsWith('query') || role.startsWith('key');
    const order = [one, other].map(({ attention }) => (turns ? rowsInPairs(attention!) : PLAIN));
    const width = one.attention?.width === other.attention?.width ? one.attention?.width : undefined;
    const heads = turns && width !== undefined ? { width, order } : undefined;
    await addPieces(tally, [f, piece], [g, answer], pacer, heads);
  }
  return tally.result;
}

function piecesOf({ attention, attentionNorm, mlp, mlpNorm, norms }: LayerBlocks): Map<string, Piece> {
  // One norm may serve both blocks.
  const isShared = mlpNorm?.gain?.tensor === attentionNorm?.gain?.tensor;
  const others = { attentionNorm, mlp, ...(!isShared && { mlpNorm }), norms };
  return new Map([...piecesIn(attention), ...piecesIn(others)]);
}

/** Whole heads of rows in another order. */
export type RowOrder = (data: Float64Array, columns: number) => Float64Array;

const PLAIN: RowOrder = (data) => data;

/** Rows of heads with the two of a plane beside each other, whatever the layout of the rotary embedding. */
export function rowsInPairs({ width, rotation }: Pick<Attention, 'width' | 'rotation'>): RowOrder {
  if (rotation === null || rotation.interleaved) return PLAIN;
  const { first, second } = planesOf(width, rotation);
  const order = [...first].flatMap((row, p) => (second[p] < 0 ? [row] : [row, second[p]]));
  return (data, columns) => {
    const result = new Float64Array(data.length);
    for (let row = 0; row < data.length / columns; row++) {
      const from = row - (row % width) + order[row % width];
      result.set(data.subarray(from * columns, (from + 1) * columns), row * columns);
    }
    return result;
  };
}
