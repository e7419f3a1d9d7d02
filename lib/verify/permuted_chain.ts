import type { Pacer } from '../cooperate.js';
import { partsOf } from '../layers/layer.js';
import type { Layer } from '../model/model.js';
import { transposed } from '../tensor/cut.js';
import type { Tensor } from '../tensor/tensor.js';
import { matchRows } from './orders.js';

/** Rounding of float32. */
const SAME = 2 ** -22;

/** Feature i of the second network is feature `order[i]` of the first; null where they are in one order. */
type Order = Int32Array | null;

/**
 * Whether two chains have the same layers, or the same but for the order of hidden units, between linear layers or within
 * a hidden layer; undefined where they have not. Layers of other kinds must be equal, and are given features in one
 * order, except where they look at each by itself.
 */
export async function sameLayers(
  a: readonly Layer[],
  b: readonly Layer[],
  pacer: Pacer,
): Promise<'equal' | 'permuted' | undefined> {
  if (a.length !== b.length) return undefined;
  let order: Order = null;
  let isMoved = false;
  for (const [at, layer] of a.entries()) {
    const other = b[at];
    if (layer.type !== other.type || JSON.stringify(layer, plainOnly) !== JSON.stringify(other, plainOnly))
      return undefined;
    const [own, answer] = [new Map(partsOf(layer)), new Map(partsOf(other))] as const;
    if ([...own.keys()].join() !== [...answer.keys()].join()) return undefined;
    if (layer.type === 'activation') {
      // Of one parameter for each feature the order would matter.
      if (own.size > 0 && order !== null) return undefined;
      if (!(await areInOrder(own, answer, [...own.keys()], null, pacer))) return undefined;
    } else if (layer.type === 'linear' || layer.type === 'hidden') {
      // What stands beside a block takes features as they come and gives them as they go.
      const isBare = layer.type === 'linear' || (!own.has('skip') && layer.alpha === 0);
      const units = await rowsOf(own.get('weight')!, answer.get('weight')!, order, pacer);
      if (units === undefined || !(await areInOrder(own, answer, ['bias', 'slopes'], units, pacer))) return undefined;
      const [down, otherDown] = [own.get('down'), answer.get('down')];
      const outputs = down && otherDown ? await rowsOf(down, otherDown, units, pacer) : units;
      if (outputs === undefined || !(await areInOrder(own, answer, ['downBias'], outputs, pacer))) return undefined;
      if (!isBare && (order !== null || outputs !== null)) return undefined;
      if (!(await areInOrder(own, answer, ['skip'], null, pacer))) return undefined;
      isMoved ||= units !== null || outputs !== null;
      order = outputs;
    } else if (order !== null || !(await areInOrder(own, answer, [...own.keys()], null, pacer))) return undefined;
  }
  if (order !== null) return undefined;
  return isMoved ? 'permuted' : 'equal';
}

/** Everything but the numbers of tensors. */
const plainOnly = (_: string, value: unknown): unknown => (ArrayBuffer.isView(value) ? undefined : value);

type Parts = ReadonlyMap<string, Tensor>;

/** In which order one matrix has the rows of another whose columns are in a given one; undefined where it has others. */
async function rowsOf(own: Tensor, answer: Tensor, columns: Order, pacer: Pacer): Promise<Order | undefined> {
  if (own.shape.join() !== answer.shape.join() || own.shape.length !== 2) return undefined;
  const [rows, width] = own.shape;
  const one = await inColumns(own, columns, pacer);
  const found = await matchRows(one, Float64Array.from(answer.data), width, SAME, pacer);
  if (found === undefined) return undefined;
  return found.length === rows && found.every((from, to) => from === to) ? null : found;
}

async function inColumns({ data, shape: [rows, width] }: Tensor, order: Order, pacer: Pacer): Promise<Float64Array> {
  if (order === null) return Float64Array.from(data);
  const turned = await transposed(data, rows, width, pacer);
  const moved = new Float64Array(turned.length);
  for (const [to, from] of order.entries()) moved.set(turned.subarray(from * rows, (from + 1) * rows), to * rows);
  return transposed(moved, width, rows, pacer);
}

/** Whether parts are equal, their rows in this order; those that are not there are. */
async function areInOrder(
  own: Parts,
  answer: Parts,
  names: readonly string[],
  order: Order,
  pacer: Pacer,
): Promise<boolean> {
  for (const name of names) {
    const [one, other] = [own.get(name), answer.get(name)];
    if (one === undefined || other === undefined) continue;
    if (one.data.length !== other.data.length) return false;
    const width = order === null ? one.data.length : one.data.length / order.length;
    for (const [to, from] of (order ?? Int32Array.of(0)).entries())
      for (let j = 0; j < width; j++) if (one.data[from * width + j] !== other.data[to * width + j]) return false;
    if (pacer.due(one.data.length)) await pacer.pause();
  }
  return true;
}
