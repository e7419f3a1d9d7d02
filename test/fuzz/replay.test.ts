import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { runs } from '../support/campaign.js';
import { Fuzzing, Journal } from './engine/campaign.js';
import { readCorpus, readFixtures } from './engine/corpus.js';
import { observe } from './engine/observe.js';
import { root } from './targets/root.js';
import { OPEN, TARGETS } from './targets/table.js';

const folder = mkdtempSync(join(tmpdir(), 'tensim-fuzz-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Of each target; `.ci/run` goes through twenty times as many. */
const INPUTS = runs(60);

describe.each(TARGETS.filter(({ name }) => !OPEN.has(name)))('the reader of $name: $about', (target) => {
  test('takes what is right, and refuses what was once a finding as it should', async () => {
    const { seeds, read } = await target.prepare(mkdtempSync(join(folder, 'replay-')));
    const corpus = readCorpus(join(root, 'test', 'fuzz', 'corpus', `${target.name}.txt`));
    const fixtures = readFixtures(join(root, 'test', 'fuzz', 'fixtures'), target.name);
    let deep = 0;
    for (const input of [...seeds, ...corpus]) {
      const outcome = await observe(target, read, input, true);
      expect(outcome).not.toHaveProperty('finding');
      if (outcome.kind === 'accepted' && outcome.accepted.deep) deep++;
    }
    expect(deep).toBeGreaterThan(0);
    for (const { file, input } of fixtures)
      expect([relative(root, file), await observe(target, read, input, true)]).toEqual([
        relative(root, file),
        expect.not.objectContaining({ kind: 'found' }),
      ]);
  });

  test(`judges ${INPUTS} inputs near them`, async () => {
    const settings = { seed: 1, folder, guided: false, journal: new Journal(join(folder, 'journal')) };
    const fuzzing = await Fuzzing.of(target, [], settings);
    await fuzzing.run((executions) => executions === INPUTS);
    const found = [...fuzzing.found.values()];
    expect(found.map(({ finding, input }) => [finding.message, Buffer.from(input).toString('latin1')])).toEqual([]);
    const { accepted, deep, refused } = fuzzing.tally;
    expect(deep).toBeGreaterThan(0);
    expect(refused).toBeGreaterThan(0);
    expect(accepted + refused).toBeGreaterThanOrEqual(INPUTS);
  });
});
