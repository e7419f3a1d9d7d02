import type { Pacer } from '../cooperate.js';
import { TensimError } from '../errors.js';
import { bytesIn } from '../words/bytes.js';

/** Subsets of up to 30 things are the bits of an integer. */
export type Subset = number;

/** The things of a subset, ascending. */
export function members(subset: Subset): number[] {
  const list: number[] = [];
  for (let rest = subset; rest !== 0; rest &= rest - 1) list.push(31 - Math.clz32(rest & -rest));
  return list;
}

export function smallest(subset: Subset): number {
  return 31 - Math.clz32(subset & -subset);
}

/**
 * E Π_S for every subset S of some random variables, from their joint cumulants: the sum over set partitions of the
 * product of the cumulants of the blocks (MATH.md section 4), by the recursion Z(S) = Σ_{T ∋ min S} κ(T) Z(S∖T).
 */
export async function momentsOfCumulants(cumulants: Float64Array, pacer: Pacer): Promise<Float64Array> {
  const moments = new Float64Array(cumulants.length);
  moments[0] = 1;
  for (let subset = 1; subset < cumulants.length; subset++) {
    const first = subset & -subset;
    const others = subset ^ first;
    // Every T: the smallest with any part of the others.
    for (let part = others; ; part = (part - 1) & others) {
      moments[subset] += cumulants[part | first] * moments[others ^ part];
      if (part === 0) break;
    }
    if (pacer.due(partsOf(others))) await pacer.pause();
  }
  return moments;
}

/** How many parts a subset has, itself and the empty one among them. */
function partsOf(subset: Subset): number {
  let parts = 1;
  for (let rest = subset; rest !== 0; rest &= rest - 1) parts *= 2;
  return parts;
}

const MOST_WORK = 86_400e9;
const MOST_BYTES = 2 ** 30;

/**
 * @throws TensimError `INVALID_ARGUMENT` if the subsets of so many factors take more than a day, `MEMORY_LIMIT` if more
 * than 1 GiB.
 */
export function refuseTooManyFactors(factors: number, work: number, bytes: number): void {
  const hint = 'Time and memory at least double with every factor';
  if (bytes > MOST_BYTES) {
    const gib = bytesIn('GiB', bytes);
    throw new TensimError('MEMORY_LIMIT', `a product of ${factors} factors of this size would take ${gib} GiB`, {
      hint,
    });
  }
  if (work > MOST_WORK) {
    const days = Math.ceil(work / MOST_WORK);
    throw new TensimError('INVALID_ARGUMENT', `a product of ${factors} factors would take about ${days} days`, {
      hint,
    });
  }
}
