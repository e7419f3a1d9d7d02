import type { Pacer } from '../cooperate.js';
import { transposed } from '../tensor/cut.js';
import { Distance } from './distance.js';
import { type Finding, isOpen, UNITS_MOVED } from './findings.js';
import { roundingOf } from './folding.js';
import { matchRows } from './orders.js';
import { precisionOf, readSource, type Slot } from './slots.js';
import type { LayoutChange } from './terms.js';

/** Elements of a matrix beyond which there is no memory for two of it. */
const MOST_ELEMENTS = 2 ** 27;
/** Rounding of float32. */
const SAME = 2 ** -22;

/**
 * Finds out whether the hidden units of an MLP stand in another order, and all that belongs to them as well: by their
 * rows, which takes a part of the time that comparing functions does. Findings that this explains are changed.
 */
export async function checkPermuted(
  all: readonly Finding[],
  pacer: Pacer,
): Promise<Pick<LayoutChange, 'kind' | 'text'> | undefined> {
  const of = (name: string) => all.find(({ compared: { slot } }) => slot.role === `mlp.${name}`);
  const [up, down] = [of('up'), of('down')];
  const parts = [up, down, of('gate'), of('upBias'), of('gateBias')].filter((one) => one !== undefined);
  if (up === undefined || down === undefined || !isOpen(up) || !parts.every(isWhole)) return undefined;
  const order = await rowOrder(up, pacer);
  if (order === undefined || order.every((from, to) => from === to)) return undefined;
  const left: Finding[] = [];
  for (const part of parts) if (!(await isInOrder(part, order, part === down, pacer))) left.push(part);
  if (left.length > 0) {
    // Units that have moved without all that belongs to them are no other way to write the same.
    up.fault = UNITS_MOVED;
    return undefined;
  }
  for (const part of parts) if (isOpen(part)) part.state = 'equal';
  return { kind: 'units-permuted', text: 'hidden units in another order' };
}

const isWhole = ({ compared: { slot, both } }: Finding): boolean =>
  both !== undefined &&
  slot.reference !== undefined &&
  slot.candidate !== undefined &&
  slot.reference.rows * slot.reference.columns <= MOST_ELEMENTS;

async function rowOrder({ compared: { slot } }: Finding, pacer: Pacer): Promise<Int32Array | undefined> {
  const [a, b] = [await readSource(slot.reference!, false), await readSource(slot.candidate!, false)];
  return matchRows(a, b, slot.reference!.columns, toleranceFor(slot), pacer);
}

/** Whether rows, or columns, of the candidate are those of the reference in this order. */
async function isInOrder(
  { compared: { slot } }: Finding,
  order: Int32Array,
  byColumns: boolean,
  pacer: Pacer,
): Promise<boolean> {
  const { rows, columns } = slot.reference!;
  const read = async (which: 'reference' | 'candidate') => {
    const own = await readSource(slot[which]!, false);
    return byColumns ? transposed(own, rows, columns, pacer) : own;
  };
  const [a, b] = [await read('reference'), await read('candidate')];
  const width = a.length / order.length;
  const distance = new Distance();
  for (const [to, from] of order.entries()) {
    distance.add(a.subarray(from * width, (from + 1) * width), b.subarray(to * width, (to + 1) * width));
    if (pacer.due(2 * width)) await pacer.pause();
  }
  return distance.isWithin(toleranceFor(slot));
}

/** Numbers that only stand elsewhere are the same, unless one of the two was rounded to fewer digits. */
const toleranceFor = (slot: Slot): number =>
  precisionOf(slot.reference!) === precisionOf(slot.candidate!) ? SAME : roundingOf(slot);
