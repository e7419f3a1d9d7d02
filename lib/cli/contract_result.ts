import { setImmediate } from 'node:timers/promises';
import type { DType, ScaledTensor, Tensor } from '../tensor/tensor.js';
import { plural } from '../words/counts.js';

/** What `tensim contract` tells about a result. */
export interface ResultSummary {
  readonly shape: readonly number[];
  readonly elements: number;
  /** The true values are those told here times 2^exponent; null unless exponents were stripped. */
  readonly exponent: number | null;
  /** Of the finite elements; null if there are none. */
  readonly smallest: number | null;
  readonly largest: number | null;
  readonly mean: number | null;
  /** Elements that are infinite or not a number. */
  readonly notFinite: number;
  /** All elements in row-major order if they are few, else null. */
  readonly values: readonly number[] | null;
}

/** Results of no more elements than this are shown whole. */
const SHOWN = 16;
/** Elements looked at in one go: about a millisecond. */
const PIECE = 1 << 19;

/** Looks once over a contiguous result, giving way to other work in between. */
export async function summarizeResult(result: Tensor | ScaledTensor, signal: AbortSignal): Promise<ResultSummary> {
  const { data, shape } = result;
  let smallest = Number.POSITIVE_INFINITY;
  let largest = Number.NEGATIVE_INFINITY;
  let sum = 0;
  let finite = 0;
  for (let start = 0; start < data.length; start += PIECE) {
    const end = Math.min(data.length, start + PIECE);
    for (let i = start; i < end; i++) {
      const value = data[i];
      if (!Number.isFinite(value)) continue;
      if (value < smallest) smallest = value;
      if (value > largest) largest = value;
      sum += value;
      finite++;
    }
    await setImmediate();
    signal.throwIfAborted();
  }
  return {
    shape,
    elements: data.length,
    exponent: 'exponent' in result ? result.exponent : null,
    smallest: finite > 0 ? smallest : null,
    largest: finite > 0 ? largest : null,
    mean: finite > 0 ? sum / finite : null,
    notFinite: data.length - finite,
    values: data.length <= SHOWN ? [...data] : null,
  };
}

/** The summary as rows of a name and a text. */
export function resultRows(summary: ResultSummary, dtype: DType): string[][] {
  const { shape, elements, exponent, smallest, largest, mean, notFinite, values } = summary;
  const rows = [
    [
      'result',
      `${shape.length === 0 ? 'scalar' : shape.join('x')} ${dtype}, ${elements} ${plural(elements, 'element')}`,
    ],
  ];
  if (exponent !== null) rows.push(['exponent', `${exponent}: the true values are 2^${exponent} times these`]);
  if (values !== null) rows.push(['values', values.join(' ')]);
  else if (smallest !== null) rows.push(['smallest', `${smallest}`], ['largest', `${largest}`], ['mean', `${mean}`]);
  if (notFinite > 0) rows.push(['not finite', `${notFinite} elements`]);
  return rows;
}
