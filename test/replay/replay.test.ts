import { describe, expect, it } from 'vitest';
import { verify } from '../../lib/verify/verify.js';
import { expectFault, listed, SEEDS, scratch } from './running.js';
import { faultyPairs, rightPairs } from './scenarios.js';

/* Public faults, each named with its tensor and its cause, and correct conversions, none of which raises an alarm. */

const folderFor = scratch();

describe.each(SEEDS)('with the %s seed %i', (_, seed) => {
  describe('a fault is named with its tensor and its cause', () => {
    for (const { name, make, expected } of faultyPairs)
      it(name, async () => {
        const { reference, candidate } = await make(folderFor(name, seed), seed);
        const result = await verify(reference, candidate);
        expectFault(result.faults, expected);
        expect(result.outcome).toBe('fail');
      });
  });

  describe('a correct conversion raises no alarm', () => {
    for (const { name, make, expected } of rightPairs)
      it(name, async () => {
        const { reference, candidate } = await make(folderFor(name, seed), seed);
        const result = await verify(reference, candidate);
        expect(result.faults.map(({ text }) => text)).toEqual([]);
        expect(result.outcome).toBe('pass');
        expect(listed(expected.verdict), result.summary).toContain(result.verdict);
        for (const kind of expected.layouts ?? []) expect(result.layouts.map((one) => one.kind)).toContain(kind);
      });
  });
});
