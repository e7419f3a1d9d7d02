import { centreRows } from '../blocks/align/stream.js';
import type { Products } from '../blocks/products.js';
import type { Pacer } from '../cooperate.js';
import { transposed } from '../tensor/cut.js';
import { Distance } from './distance.js';
import { type Finding, isUnexplained } from './findings.js';
import { normGroups, roundingOf } from './folding.js';
import { settle } from './layer.js';
import { readSource, type Slot, type Source, stepOf } from './slots.js';

/** Elements of a matrix beyond which there is no memory for three of it. */
const MOST_ELEMENTS = 2 ** 26;

/** The largest error that rounding a product to a floating-point type leaves: that of BF16. */
const FEW_DIGITS = 2 ** -6;

/** Vectors of the stream that are turned at a time. */
const AT_ONCE = 1024;

/** What is written to the residual stream, its coordinates along the rows. */
const WRITES = /^attention\.output(?:Bias)?$|\.down(?:Bias)?$/;
/** What has a vector of the stream in every row, and no norm between. */
const ROWS = /^(?:embedding|positions)$/;

/** The residual stream of the candidate in the coordinates of the reference. */
export interface Turn {
  /** (d, d), x of the reference for x of the candidate. */
  readonly basis: Float64Array;
  readonly width: number;
  /** Nothing sees the mean over the features. */
  readonly centres: boolean;
  /** Of a relative error. */
  readonly tolerance: number;
  readonly products: Products;
  readonly pacer: Pacer;
}

/**
 * Settles what is the same matrix behind its norm, or before the stream, in the other basis; and gains, where what takes
 * them is so. What is the reference's as it is has stayed behind, and is wrong.
 */
export async function settleTurned(all: readonly Finding[], turn: Turn): Promise<void> {
  for (const finding of all) {
    const { slot } = finding.compared;
    if (WRITES.test(slot.role)) settleWhere(finding, await isWritten(slot, turn));
    else if (ROWS.test(slot.role)) settleWhere(finding, await isRead(slot, turn));
  }
  for (const { gain, bias, consumers } of normGroups(all)) {
    for (const { weight, bias: own } of consumers) {
      const norm = { gain: gain?.compared.slot, shift: bias?.compared.slot, own: own?.compared.slot };
      const isOne = await isRead(weight.compared.slot, turn, norm);
      settleWhere(weight, isOne);
      if (isOne && own !== undefined) settle(own);
    }
    const isTaken = consumers.some(({ weight }) => !isUnexplained(weight));
    for (const one of [gain, bias]) if (isTaken && one !== undefined) settle(one);
  }
}

function settleWhere(finding: Finding, isTurned: boolean): void {
  if (isTurned) settle(finding);
  else if (!isUnexplained(finding)) {
    finding.state = 'different';
    finding.fault = {
      cause: 'replaced',
      text: 'is what the reference has, and the residual stream around it is in another basis',
    };
  }
}

/** What stands between the stream and a matrix, and what that adds itself. */
interface Between {
  readonly gain?: Slot | undefined;
  readonly shift?: Slot | undefined;
  readonly own?: Slot | undefined;
}

async function isRead(slot: Slot, turn: Turn, between: Between = {}): Promise<boolean> {
  const { basis, width, products, pacer } = turn;
  const { reference, candidate } = slot;
  if (reference?.columns !== width || candidate?.columns !== width || reference.rows !== candidate.rows) return false;
  const inPairs = slot.inPairs === true;
  const vectors = async (which: 'reference' | 'candidate') => {
    const read = async (one: Slot | undefined) => one?.[which] && readSource(one[which], inPairs);
    return { gain: await read(between.gain), shift: await read(between.shift), own: await read(between.own) };
  };
  const [one, other] = [await vectors('reference'), await vectors('candidate')];
  const [distance, added] = [new Distance(), new Distance()];
  for (let from = 0, step = Math.min(stepOf(reference), stepOf(candidate)); from < reference.rows; from += step) {
    const to = Math.min(reference.rows, from + step);
    const [a, b] = [await readSource(reference, inPairs, from, to), await readSource(candidate, inPairs, from, to)];
    added.add(addedBy(a, one, from, width), addedBy(b, other, from, width));
    for (const [rows, { gain }] of [
      [a, one],
      [b, other],
    ] as const) {
      if (gain !== undefined) for (let i = 0; i < rows.length; i++) rows[i] *= gain[i % width];
      if (turn.centres) await centreRows(rows, width, pacer);
    }
    distance.add(a, await products.rows(b, basis, width));
    if (pacer.due(8 * a.length)) await pacer.pause();
  }
  const tolerance = toleranceFor(slot, turn.tolerance);
  return distance.isWithin(tolerance) && added.isWithin(tolerance, distance.norm);
}

/** What rows give for the shift of a norm, and for their own bias. */
function addedBy(
  rows: Float64Array,
  { shift, own }: Readonly<Record<'shift' | 'own', Float64Array | undefined>>,
  from: number,
  width: number,
): Float64Array {
  return Float64Array.from({ length: rows.length / width }, (_, row) => {
    let sum = own?.[from + row] ?? 0;
    for (let j = 0; shift !== undefined && j < width; j++) sum += rows[row * width + j] * shift[j];
    return sum;
  });
}

async function isWritten(slot: Slot, turn: Turn): Promise<boolean> {
  const { reference, candidate } = slot;
  const { basis, width, products, pacer } = turn;
  if (reference?.rows !== width || candidate?.rows !== width || reference.columns !== candidate.columns) return false;
  const { columns } = reference;
  if (width * columns > MOST_ELEMENTS) return false;
  const read = async (source: Source) => {
    const rows = await transposed(await readSource(source, false), width, columns, pacer);
    return turn.centres ? centreRows(rows, width, pacer) : rows;
  };
  const [a, b] = [await read(reference), await read(candidate)];
  const distance = new Distance();
  for (let at = 0; at < a.length; at += AT_ONCE * width) {
    const some = [a, b].map((all) => all.subarray(at, at + AT_ONCE * width));
    distance.add(some[0], await products.rows(some[1], basis, width));
    if (pacer.due(2 * some[0].length)) await pacer.pause();
  }
  return distance.isWithin(toleranceFor(slot, turn.tolerance));
}

/** Of elements with few digits more than of the embedding; quantised ones are not told apart from others by so little. */
const toleranceFor = (slot: Slot, tolerance: number): number =>
  Math.max(tolerance, Math.min(roundingOf(slot), FEW_DIGITS));
