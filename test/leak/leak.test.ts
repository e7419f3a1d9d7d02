import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { type Held, leaks } from './verdict.js';

const look = (round: number, more: Partial<Held> = {}): Held => ({
  ...{ heap: 9e6 + round, external: 1e6, rss: 8e7, files: 20, handles: 1, listeners: 3 },
  ...more,
});
const looks = (more: (round: number) => Partial<Held>) => [0, 1, 2, 3, 4].map((round) => look(round, more(round)));

test('what grows from look to look is a leak, what comes and goes is none', () => {
  expect(leaks(looks(() => ({})))).toEqual([]);
  expect(leaks(looks((round) => ({ heap: 9e6 + 3e6 * (round % 2) })))).toEqual([]);
  expect(leaks(looks((round) => ({ files: round === 0 ? 12 : 20 })))).toEqual([]);
  expect(leaks(looks((round) => ({ files: 20 + round })))).toEqual(['files: 21, 22, 23, 24']);
  expect(leaks(looks((round) => ({ external: 1e6 * (1 + round) })))).toHaveLength(1);
});

// Long enough for a file, a handle or a listener that is left each time; memory takes the campaign.
test('nothing is left of a hundred loads that fail, nor of matrices that are stopped', () => {
  for (const filter of ['fail', 'stopped']) {
    const args = ['scripts/campaigns/leak.mjs', '--rounds', '100', '--filter', filter];
    const { status, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    expect([status, stdout]).toEqual([0, expect.stringContaining('on fallback: nothing grows')]);
  }
});
