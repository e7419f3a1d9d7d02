import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { evaluate } from '../../lib/evaluation/evaluate.js';
import { loadModel } from '../../lib/model/reading/load.js';
import { faultyPairs, rightPairs } from './scenarios.js';

/*
 * What scenarios say of themselves is true: what they call a correct conversion gives the same logits as what it was made
 * of, and what they call a fault gives others.
 */

const TOKENS = [3, 1, 39, 17, 4, 0, 25, 11];
const root = mkdtempSync(join(tmpdir(), 'tensim-makers-'));
afterAll(() => rmSync(root, { recursive: true }));

async function logitsOf(path: string): Promise<ArrayLike<number>> {
  const model = await loadModel(path, { config: { context: TOKENS.length } });
  return (await evaluate(model, [TOKENS])).data;
}

/** How far two are apart, relative to the first. */
function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const [own, apart] = [a, Array.from(a, (value, at) => value - b[at])].map((of) => Math.hypot(...Array.from(of)));
  return apart / own;
}

const pairs = [...rightPairs, ...faultyPairs];

describe.each(['same', 'other'] as const)('%s logits', (logits) => {
  it.each(pairs.filter((one) => one.logits === logits))('$name', async (one) => {
    const { reference, candidate } = await one.make(join(root, one.name), 7);
    const found = distance(await logitsOf(reference), await logitsOf(candidate));
    if (logits === 'same') expect(found).toBeLessThan(2e-5);
    else expect(found).toBeGreaterThan(1e-3);
  });
});
