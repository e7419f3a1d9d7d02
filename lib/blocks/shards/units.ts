import { type BlockComparison, ENDS, type End, type Step } from '../comparison.js';
import { inFileOrder } from '../walk.js';
import type { BlocksShare } from './terms.js';

/**
 * What is dealt to shards: a layer, by its place; what stands at an end of the networks; the norms that belong to no
 * layer; and the digest of a network's files, for which all of it is read.
 */
export type Unit = Step | 'norms' | { readonly digest: number };

export const isEnd = (unit: unknown): unit is End => ENDS.includes(unit as End);

/** Layers and ends, which are gone through in the order of the first file. */
export const isStep = (unit: Unit): unit is Step => typeof unit === 'number' || isEnd(unit);

/** All units of a comparison, in the order in which a shard has them. */
export function unitsOf({ what, files }: Pick<BlockComparison, 'what' | 'files'>): Unit[] {
  const steps = inFileOrder(files[0]);
  const digests = files.map((_, digest) => ({ digest }));
  if (what === 'matrix') return [...steps.filter((step) => typeof step === 'number'), ...digests];
  return [...steps, 'norms', ...digests];
}

/**
 * The shard of every unit, from 1: the largest are dealt first, each to the shard that has least. It follows from the
 * costs alone: the same on every machine.
 */
export function dealt(costs: readonly number[], count: number): number[] {
  const loads = new Float64Array(count);
  const owners = new Array<number>(costs.length).fill(0);
  const order = [...costs.keys()].sort((a, b) => costs[b] - costs[a] || a - b);
  for (const unit of order) {
    let least = 0;
    for (let shard = 1; shard < count; shard++) if (loads[shard] < loads[least]) least = shard;
    loads[least] += costs[unit];
    owners[unit] = least + 1;
  }
  return owners;
}

/** What some units are, in the words of results. */
export function shareOf(units: readonly Unit[], numbers: readonly number[]): BlocksShare {
  return {
    layers: units.flatMap((unit) => (typeof unit === 'number' ? numbers[unit] : [])).sort((a, b) => a - b),
    others: units.flatMap((unit) => (typeof unit === 'string' ? unit : [])),
    digests: units.flatMap((unit) => (typeof unit === 'object' ? unit.digest : [])),
  };
}
