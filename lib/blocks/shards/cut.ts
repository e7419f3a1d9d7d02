import { checkCount } from '../../shards/choice.js';
import type { BlockComparison } from '../comparison.js';
import { costsOf, type UnitCost } from './costs.js';
import { dealt, type Unit, unitsOf } from './units.js';

/** A unit, the shard that has it, and what it is expected to take. */
export interface DealtUnit extends UnitCost {
  readonly unit: Unit;
  /** From 1. */
  readonly shard: number;
}

/**
 * Deals the layers of networks, and what else there is of them, to shards of about equal cost, by the headers of their
 * files and the options.
 * @throws TensimError `INVALID_ARGUMENT` for a number of shards that is none
 */
export function cutBlocks(
  comparison: Pick<BlockComparison, 'what' | 'files' | 'methodOf'>,
  count: number,
): DealtUnit[] {
  checkCount(count, 'a comparison of blocks');
  const units = unitsOf(comparison);
  const costs = costsOf(comparison, units);
  const owners = dealt(
    costs.map(({ seconds }) => seconds),
    count,
  );
  return units.map((unit, at) => ({ unit, shard: owners[at], ...costs[at] }));
}
