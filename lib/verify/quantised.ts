import type { Pacer } from '../cooperate.js';
import { bestError } from '../formats/quantised/best.js';
import type { Quantised } from '../formats/quantised/quantised.js';
import { amountText } from '../words/numbers.js';
import type { FoundFault } from './findings.js';
import type { VerifyOptions } from './options.js';
import { readSource, type Slot, type Source } from './slots.js';
import type { Compared } from './tally.js';
import type { QuantisedCheck } from './terms.js';

/** Times the best error of its format that a tensor may have. */
const TOLERANCE = 3;
/** A single block may be so much worse than the best of it: quantisers look at outputs, not at blocks. */
const BLOCK = 4;
/** A block is a fault only if it has lost so much of its norm. */
const LOST = 0.5;
/** Blocks of a tensor for which the best is sought, spread evenly, and of those with the largest errors. */
const SPREAD = 1024;
const LARGEST = 32;
/** Elements of a block by which the best is sought, spread evenly. */
const ELEMENTS = 1 << 14;
/** What rounding of a scale to F16 may leave of a block that its format has otherwise exactly. */
const SCALE_ROUNDED = 2 ** -10;
/** Below this cosine it is no quantisation of the other, and something else is the matter. */
const ANOTHER = 0.5;

/** What rows and columns of the reference are multiplied by before it is held against a quantised tensor. */
export interface Scales {
  readonly rows?: Float64Array;
  readonly columns?: Float64Array;
}

interface CheckedTensor {
  readonly quantised: QuantisedCheck;
  readonly isOne: boolean;
  readonly fault?: FoundFault;
}

/** How a source is quantised; undefined where it is not. */
export const quantisedOf = (source: Source | undefined): Quantised | undefined =>
  source?.file.entryOf(source.piece).quantised;

/** Holds a quantised tensor against what it was made of, and against what its format can do. */
export async function checkQuantised(
  { slot, reference, candidate, both }: Compared,
  { tolerance = TOLERANCE }: VerifyOptions,
  pacer: Pacer,
  scales: Scales = {},
): Promise<CheckedTensor> {
  const isReversed = quantisedOf(slot.candidate) === undefined;
  const how = quantisedOf(isReversed ? slot.reference : slot.candidate)!;
  const [whole, stored] = isReversed ? [slot.candidate, slot.reference!] : [slot.reference, slot.candidate!];
  const quantised = await errorsByBlock(slot, whole, stored, how, scales, pacer);
  const isScaled = scales.rows !== undefined || scales.columns !== undefined;
  const cosine = both!.product / Math.sqrt(reference!.squares * candidate!.squares);
  if (!isScaled && !(cosine > ANOTHER)) return { quantised, isOne: false };
  const { error, best, worst } = quantised;
  if (error > tolerance * best + SCALE_ROUNDED) {
    const text = `has ${percentText(error)} of its norm as error, where the best of ${how.format} has ${percentText(best)}`;
    return { quantised, isOne: false, fault: { cause: 'coarse', text } };
  }
  if (!how.scattered && worst.error > LOST && worst.error > BLOCK * tolerance * worst.best) {
    const text = `has lost ${percentText(worst.error)} of the norm of block ${worst.block}, where the best of ${how.format} loses ${percentText(worst.best)}`;
    return { quantised, isOne: false, fault: { cause: 'coarse', text } };
  }
  return { quantised, isOne: true };
}

const percentText = (share: number): string => `${amountText(100 * share, 2)} %`;

/** Squares of the errors and of the numbers of every block, and the best errors of some. */
async function errorsByBlock(
  slot: Slot,
  whole: Source | undefined,
  stored: Source,
  how: Quantised,
  scales: Scales,
  pacer: Pacer,
): Promise<QuantisedCheck> {
  const inPairs = slot.inPairs === true;
  const b = await readSource(stored, inPairs);
  const a = whole === undefined ? new Float64Array(b.length).fill(slot.missing ?? 0) : await readSource(whole, inPairs);
  const { rows, columns } = stored;
  const [height, width] = stored.piece.transposed ? [how.block[1], how.block[0]] : how.block;
  const across = Math.ceil(columns / width);
  const count = Math.ceil(rows / height) * across;
  const [errors, squares] = [new Float64Array(count), new Float64Array(count)];
  for (let row = 0; row < rows; row++) {
    const first = Math.floor(row / height) * across;
    const scale = scales.rows?.[row] ?? 1;
    for (let j = 0, at = row * columns; j < columns; j++, at++) {
      a[at] *= scale * (scales.columns?.[j] ?? 1);
      const block = first + Math.floor(j / width);
      errors[block] += (a[at] - b[at]) ** 2;
      squares[block] += a[at] * a[at];
    }
    if (pacer.due(4 * columns)) await pacer.pause();
  }
  const valuesOf = (block: number) => {
    const [top, left] = [Math.floor(block / across) * height, (block % across) * width];
    const [bottom, right] = [Math.min(rows, top + height), Math.min(columns, left + width)];
    const size = (bottom - top) * (right - left);
    const step = Math.ceil(size / ELEMENTS);
    const values = new Float64Array(Math.ceil(size / step));
    for (let i = 0, at = 0; at < size; i++, at += step) {
      const [row, column] = [top + Math.floor(at / (right - left)), left + (at % (right - left))];
      values[i] = a[row * columns + column];
    }
    return values;
  };
  let [best, norm] = [0, 0];
  let worst = { block: 0, error: 0, best: 0, excess: 0 };
  const spread = spreadOver(count);
  for (const block of new Set([...spread, ...largestOf(errors, squares)])) {
    const values = valuesOf(block);
    const own = values.reduce((sum, value) => sum + value * value, 0);
    const found = bestError(values, how);
    if (pacer.due(256 * values.length)) await pacer.pause();
    if (spread.has(block)) {
      best += found;
      norm += own;
    }
    if (own === 0) continue;
    const [share, least] = [Math.sqrt(errors[block] / squares[block]), Math.sqrt(found / own)];
    const excess = share / (least + Number.EPSILON);
    if (excess > worst.excess) worst = { block, error: share, best: least, excess };
  }
  const { excess: _, ...told } = worst;
  const sum = (values: Float64Array) => values.reduce((total, value) => total + value, 0);
  return {
    format: how.format,
    blocks: count,
    error: ratioOf(sum(errors), sum(squares)),
    best: ratioOf(best, norm),
    worst: told,
  };
}

const ratioOf = (part: number, whole: number): number => (whole === 0 ? 0 : Math.sqrt(part / whole));

function spreadOver(count: number): ReadonlySet<number> {
  const step = Math.max(1, Math.floor(count / SPREAD));
  return new Set(Array.from({ length: Math.ceil(count / step) }, (_, i) => i * step));
}

/** Blocks with the largest errors, relative to their norms. */
function largestOf(errors: Float64Array, squares: Float64Array): number[] {
  const shares = errors.map((error, block) => (squares[block] === 0 ? 0 : error / squares[block]));
  return [
    ...Int32Array.from(shares.keys())
      .sort((i, j) => shares[j] - shares[i])
      .subarray(0, LARGEST),
  ];
}
