import { largest } from '../../extremes.js';
import type { TensorEntry } from '../../formats/checkpoint.js';

/** Half the distance from 1 to the next number of a type: what one rounding may change a number by, relative to it. */
const UNITS: Readonly<Record<string, number>> = { F64: 2 ** -53, F32: 2 ** -24, F16: 2 ** -11, BF16: 2 ** -8 };
/** What rounding may change numbers by that are near zero. */
const LEAST: Readonly<Record<string, number>> = { F64: 0, F32: 2 ** -150, F16: 2 ** -25, BF16: 2 ** -134 };

type Typed = Pick<TensorEntry, 'dtype'>;

export const unitOf = ({ dtype }: Typed): number => UNITS[dtype] ?? UNITS.F32;

/** What a right merge may be off by, in parts that each element is given its own of. */
export interface Allowance {
  /** Of the weight. */
  readonly ofWeight: number;
  /** Of the product of the norms of the rows of both factors, which bounds what their types and sums round away. */
  readonly ofFactors: number;
  readonly least: number;
}

const leastOf = (types: readonly Typed[]): number =>
  largest(
    types.map(({ dtype }) => LEAST[dtype] ?? 0),
    0,
  );

/** The unit of the coarsest of these types. */
export const coarsest = (types: readonly Typed[]): number => largest(types.map(unitOf), UNITS.F64);

/** What a merge of so many adapters in single precision may be off by. */
export function fineAllowance(adapters: number, rank: number): Allowance {
  return { ofWeight: (adapters + 1) * UNITS.F32, ofFactors: 2 * (rank + 3) * UNITS.F32, least: LEAST.F32 };
}

/**
 * The same where factors, their product and the sum are rounded to the coarsest of the types at hand, adapter by
 * adapter: as programs merge that compute in the type of the weights.
 */
export function coarseAllowance(
  base: Typed,
  merged: Typed,
  factors: readonly Typed[],
  adapters: number,
  rank: number,
): Allowance {
  const ofResult = coarsest([base, merged]);
  // A base of finer numbers is rounded itself before anything is added to it.
  const roundings = adapters + (unitOf(base) < ofResult ? 1 : 0);
  const ofFactors = 4 * coarsest([base, merged, ...factors]) + 2 * (rank + 3) * UNITS.F32;
  return { ofWeight: roundings * ofResult, ofFactors, least: roundings * leastOf([base, merged, ...factors]) };
}
