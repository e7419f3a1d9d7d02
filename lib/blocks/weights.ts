import type { Pacer } from '../cooperate.js';
import type { Attention, LayerBlocks, Piece } from '../model/transformers/network.js';
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
      for (let i = from; i < end; i++) {
        const [x, y] = [a[i], b[i]];
        this.#product += x * y;
        this.#squares[0] += x * x;
        this.#squares[1] += y * y;
        this.#difference += (x - y) ** 2;
        if (x !== y) this.#equal = false;
      }
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

/** Compares a piece of one network with one of another; nothing where one of them has none. */
export async function comparePieces(
  f: BlockFile,
  one: Piece | undefined,
  g: BlockFile,
  other: Piece | undefined,
  pacer: Pacer,
): Promise<WeightComparison | undefined> {
  if (one === undefined || other === undefined) return undefined;
  const [a, b] = [await f.read(one), await g.read(other)];
  if (a.length !== b.length) return undefined;
  const tally = new WeightTally();
  await tally.add(a, b, pacer);
  return tally.result;
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
    const [own, others] = [await f.read(piece), await g.read(answer)];
    if (own.length !== others.length) continue;
    const order = ({ attention }: LayerBlocks, data: Float64Array) => {
      const heads = role.startsWith('query') ? attention!.heads : role.startsWith('key') ? attention!.groups : 0;
      return heads === 0 ? data : inPlanes(attention!, data, heads);
    };
    await tally.add(order(one, own), order(other, others), pacer);
  }
  return tally.result;
}

function piecesOf({ attention, attentionNorm, mlp, mlpNorm, norms = {} }: LayerBlocks): Map<string, Piece> {
  const pieces = new Map<string, Piece>();
  const take = (part: object | undefined, prefix: string) => {
    for (const [role, value] of Object.entries(part ?? {}))
      if (typeof value === 'object' && value !== null && 'tensor' in value)
        pieces.set(`${prefix}${role}`, value as Piece);
  };
  take(attention, '');
  take(attentionNorm, 'attentionNorm.');
  take(mlp, 'mlp.');
  // One norm may serve both blocks.
  if (mlpNorm?.gain?.tensor !== attentionNorm?.gain?.tensor) take(mlpNorm, 'mlpNorm.');
  for (const [place, norm] of Object.entries(norms)) take(norm, `${place}.`);
  return pieces;
}

/** Rows of heads with the two of a plane beside each other, whatever the layout of the rotary embedding. */
function inPlanes({ width, rotation }: Attention, data: Float64Array, heads: number): Float64Array {
  if (rotation === null || rotation.interleaved) return data;
  const { first, second } = planesOf(width, rotation);
  const order = [...first].flatMap((row, p) => (second[p] < 0 ? [row] : [row, second[p]]));
  const rows = heads * width;
  const columns = data.length / rows;
  const result = new Float64Array(data.length);
  for (let row = 0; row < rows; row++) {
    const from = row - (row % width) + order[row % width];
    result.set(data.subarray(from * columns, (from + 1) * columns), row * columns);
  }
  return result;
}
