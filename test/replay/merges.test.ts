import { describe, expect, it } from 'vitest';
import { verifyMerge } from '../../lib/verify/merge.js';
import { faultyMerges, rightMerges } from './merges.js';
import { expectFault, SEEDS, scratch } from './running.js';

/* Merges of adapters that people found wrong, each named with its tensor and its cause, and correct ones. */

const folderFor = scratch();

describe.each(SEEDS)('with the %s seed %i', (_, seed) => {
  for (const { name, make, expected } of faultyMerges)
    it(`${name} is named`, async () => {
      const { base, adapters, merged } = await make(folderFor(name, seed), seed);
      const result = await verifyMerge(base, adapters, merged);
      expectFault(result.faults, expected);
      expect(result.outcome).toBe('fail');
      if (expected.state !== undefined) {
        const { tensor } = result.faults[0];
        expect(result.tensors.find((one) => one.tensor === tensor)?.state).toBe(expected.state);
      }
    });

  for (const { name, make } of rightMerges)
    it(`${name} raises no alarm`, async () => {
      const { base, adapters, merged } = await make(folderFor(name, seed), seed);
      const result = await verifyMerge(base, adapters, merged);
      expect(result.faults.map(({ text }) => text)).toEqual([]);
      expect(result.outcome).toBe('pass');
      expect(result.tensors.length).toBeGreaterThan(0);
      for (const { tensor, state, factor } of result.tensors) {
        expect(['merged', 'rounded'], tensor).toContain(state);
        expect(factor, tensor).toBeCloseTo(1, 1);
      }
    });
});
