import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { run } from '../../lib/cli/main.js';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import { BACKDOOR, Sink, tensim } from './run.js';

const root = temporaryFolder();
const FALLBACK = ['--backend', 'fallback'];
const states = [1, 2, 3].map((index) => join(root, `part-${index}.state`));

/** What is there after a while. */
async function until<Found>(look: () => Found | undefined | Promise<Found | undefined>): Promise<Found> {
  for (let i = 0; i < 2000; i++) {
    const found = await look();
    if (found !== undefined) return found;
    await wait(20);
  }
  throw new Error('it has not come');
}

/** JSON without what is measured anew by every run. */
const plain = (text: string) => text.replace(/("seconds": ?)[-+.\de]+/g, '$1null');

describe('tensim matrix --shard', () => {
  test('computes parts that tensim merge puts together to the output of one run', async () => {
    for (const [at, state] of states.entries()) {
      const args = ['matrix', BACKDOOR, '--shard', `${at + 1}/3`, '--state', state, ...FALLBACK];
      const { code, stdout, stderr } = await tensim(args);
      expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
      expect(stderr).toMatch(new RegExp(`^shard ${at + 1} of 3: \\d+ pairs of \\d+ of 41 files in `));
    }
    const whole = await tensim(['matrix', BACKDOOR, ...FALLBACK]);
    const merged = await tensim(['merge', ...states]);
    expect(merged).toEqual(whole);
    const asJson = await tensim(['matrix', BACKDOOR, '--json', ...FALLBACK]);
    expect(plain((await tensim(['merge', ...states, '--json'])).stdout)).toBe(plain(asJson.stdout));
    const again = await tensim(['matrix', BACKDOOR, '--shard', '2/3', '--state', states[1], '--json', ...FALLBACK]);
    const { schema, shard, pairs, reused } = JSON.parse(again.stdout);
    expect({ schema, shard, reused }).toEqual({
      schema: 'tensim.shard/1',
      shard: { index: 2, count: 3 },
      reused: pairs,
    });
  });

  test('missing ones are named, or left open', async () => {
    const refused = await tensim(['merge', states[0], states[2]]);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(
      /pairs of 41 models are missing\n {2}why: shard 2 of 3 not given\n {2}next: .*--shard 2\/3/,
    );
    const page = join(root, 'open.html');
    const open = await tensim(['merge', states[0], states[2], '--allow-missing', '--out', page]);
    expect(open.code).toBe(0);
    expect(open.stderr).toMatch(/^note: \d+ pairs of shard 2 of 3 are not there, and left open$/m);
    expect(open.stdout).not.toContain('NaN');
    expect(readFileSync(page, 'utf8')).not.toContain('>NaN');
  });

  test('tensim merge --serve waits for those that are missing, on a page that grows', async () => {
    const parts = [1, 2].map((index) => join(root, `growing-${index}.state`));
    const part = (at: number) =>
      tensim(['matrix', BACKDOOR, '--shard', `${at}/2`, '--state', parts[at - 1], ...FALLBACK]);
    await part(1);
    const stop = new AbortController();
    const [stdout, stderr] = [new Sink(), new Sink()];
    const running = run(['merge', ...parts, '--serve'], { stdout, stderr, signal: stop.signal, env: {} });
    const url = await until(() => /live page: (\S+)/.exec(stderr.text)?.[1]);
    const page = () => fetch(`${url}report`).then((answer) => answer.text());
    const open = await until(async () => {
      const html = await page();
      return html.includes('step_08000') ? html : undefined;
    });
    expect(stdout.text).toBe('');
    await part(2);
    await until(() => (stderr.text.includes('the page stays') ? true : undefined));
    expect(await page()).not.toBe(open);
    stop.abort();
    expect(await running).toBe(0);
    expect(stdout.text).toBe((await tensim(['matrix', BACKDOOR, ...FALLBACK])).stdout);
  });

  test('and stops waiting at Ctrl-C, and at a part of another matrix', async () => {
    const stop = new AbortController();
    const [stdout, stderr] = [new Sink(), new Sink()];
    const running = run(['merge', states[0], '--serve'], { stdout, stderr, signal: stop.signal, env: {} });
    await until(() => (stderr.text.includes('live page') ? true : undefined));
    stop.abort();
    expect(await running).toBe(130);
    const other = await tensim(['merge', states[0], join(root, 'growing-1.state'), '--serve']);
    expect(other).toMatchObject({ code: 2, stderr: expect.stringMatching(/next: /) });
  });

  test('--plan tells how they are cut, and lines that start them with what was given', async () => {
    const args = ['matrix', BACKDOOR, '--per-output', '--shard', '4', '--plan', ...FALLBACK];
    const { code, stdout } = await tensim(args);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^41 models, 861 pairs /);
    const given = `tensim matrix ${BACKDOOR} --per-output --backend fallback --route \\w+ --alike`;
    expect(stdout).toMatch(
      new RegExp(`sbatch --array=1-4 --requeue --wrap '${given} --shard auto --state part-\\$SLURM`),
    );
    expect(stdout).toMatch(new RegExp(`seq 4 \\| parallel '${given} --shard \\{\\}/4 --state part-\\{\\}.state'`));
    expect(stdout).toContain('completions: 4');
    const plan = JSON.parse((await tensim([...args, '--json'])).stdout);
    expect(plan).toMatchObject({ schema: 'tensim.shards/1', models: 41, pairs: 861, alike: true });
    expect(plan.shards.map(({ pairs }: { pairs: number }) => pairs).reduce((a: number, b: number) => a + b)).toBe(861);
  });

  test('auto is what the environment says', async () => {
    const state = join(root, 'auto.state');
    const args = ['matrix', BACKDOOR, '--shard', 'auto', '--state', state, ...FALLBACK];
    const none = await tensim(args);
    expect(none.stderr).toContain('nothing in the environment says which shard this is');
    const { stderr } = await tensim(args, { env: { TENSIM_SHARD: '2/3' } });
    expect(stderr).toMatch(/^shard 2 of 3: /);
  });

  test.each([
    [['--shard', '9/8'], '3/8'],
    [['--shard', '3/8'], 'needs a state file'],
    [['--shard', '8', '--state', 'x.state'], 'it is not said which shard'],
    [['--plan'], 'a plan needs the number of shards'],
    [['--shard', '1/2', '--state', 'x.state', '--out', 'x.html'], 'a shard has no report'],
    [['--shard', '1/2', '--state', 'x.state', '--measure', 'gaussian,weights'], 'shards are of one matrix'],
  ])('%j is refused with what to do', async (flags, words) => {
    const { code, stderr } = await tensim(['matrix', BACKDOOR, ...flags, ...FALLBACK]);
    expect(code).toBe(2);
    expect(stderr).toContain(words);
  });
});
