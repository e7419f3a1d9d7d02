import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import { writeNetwork } from '../support/block_files.js';
import { llamaTensors, smallLayer } from '../support/transformers.js';
import { BACKDOOR, tensim } from './run.js';

const root = temporaryFolder();
const FALLBACK = ['--backend', 'fallback'];
const networks = [1, 2, 3].map((seed) =>
  writeNetwork(root, `net_${seed}`, llamaTensors([0, 1, 2, 3].map((i) => smallLayer(i === 2 ? 10 * seed + i : i)))),
);
const [a, b] = networks;
const states = [1, 2, 3].map((index) => join(root, `part-${index}.state`));
const matrixStates = [1, 2].map((index) => join(root, `matrix-${index}.state`));

describe('tensim blocks --shard', () => {
  test('computes parts that tensim merge puts together to the output, JSON and page of one run', async () => {
    for (const [at, state] of states.entries()) {
      const shard = await tensim(['blocks', a, b, '--shard', `${at + 1}/3`, '--state', state, ...FALLBACK]);
      expect(shard).toMatchObject({ code: 0, stdout: '' });
      expect(shard.stderr).toMatch(new RegExp(`^shard ${at + 1} of 3: .*, of 4 layers, in `));
    }
    const page = (name: string) => join(root, `${name}.html`);
    const whole = await tensim(['blocks', a, b, '--out', page('whole'), ...FALLBACK]);
    const merged = await tensim(['merge', ...states, '--out', page('merged')]);
    expect(merged.stdout).toBe(whole.stdout);
    expect(merged).toMatchObject({ code: 0, stderr: `wrote ${page('merged')}\n` });
    // What was typed, and when.
    const plain = (file: string) =>
      readFileSync(file, 'utf8').replace(/<th>(?:command|written)<\/th><td>.*?<\/td>/g, '');
    expect(plain(page('merged'))).toBe(plain(page('whole')));
    const asJson = await tensim(['blocks', a, b, '--json', ...FALLBACK]);
    expect((await tensim(['merge', ...states, '--json'])).stdout).toBe(asJson.stdout);
    const again = await tensim(['blocks', a, b, '--shard', '2/3', '--state', states[1], '--json', ...FALLBACK]);
    const { schema, shard, layers, others, reused } = JSON.parse(again.stdout);
    expect({ schema, shard, reused }).toEqual({
      schema: 'tensim.blocks-shard/1',
      shard: { index: 2, count: 3 },
      reused: layers.length + others.length,
    });
  });

  test('and of several networks with --matrix', async () => {
    for (const [at, state] of matrixStates.entries())
      await tensim(['blocks', ...networks, '--matrix', '--shard', `${at + 1}/2`, '--state', state, ...FALLBACK]);
    const csv = join(root, 'merged.csv');
    const merged = await tensim(['merge', ...matrixStates, '--out', csv]);
    const ownCsv = join(root, 'whole.csv');
    expect(merged.stdout).toBe(
      (await tensim(['blocks', ...networks, '--matrix', '--out', ownCsv, ...FALLBACK])).stdout,
    );
    expect(readFileSync(csv, 'utf8')).toBe(readFileSync(ownCsv, 'utf8'));
    const wrong = await tensim(['merge', ...matrixStates, '--out', join(root, 'x.html')]);
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining('must be .csv or .json') });
    expect(existsSync(join(root, 'x.html'))).toBe(false);
  });

  test('missing ones are named, or left out', async () => {
    const refused = await tensim(['merge', states[0], states[2]]);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(/missing\n {2}why: shard 2 of 3 not given \(.*\)\n {2}next: .*--shard 2\/3/);
    const page = join(root, 'open.html');
    const open = await tensim(['merge', states[0], states[2], '--allow-missing', '--out', page]);
    expect(open).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/^note: .* of shard 2 of 3, are not there, and left out$/m),
    });
    expect(open.stdout).toContain('Not all is there yet');
    expect(readFileSync(page, 'utf8')).toContain('Not all is there yet');
    // Of the network whose digest that shard has.
    const plan = await tensim(['blocks', a, b, '--shard', '3', '--plan', '--json', ...FALLBACK]);
    const lost = JSON.parse(plan.stdout).shards[1].digests.length;
    expect(readFileSync(page, 'utf8').match(/SHA-256 not known yet/g) ?? []).toHaveLength(lost);
  });

  test('parts of several kinds are refused, and a page that would wait for parts', async () => {
    const other = join(root, 'other.state');
    await tensim(['matrix', BACKDOOR, '--shard', '1/1', '--state', other, ...FALLBACK]);
    const mixture = await tensim(['merge', states[0], other]);
    expect(mixture).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/part of a matrix, and .* of blocks .*one kind at a time/),
    });
    const serve = await tensim(['merge', ...states, '--serve']);
    expect(serve).toMatchObject({ code: 2, stderr: expect.stringContaining('--allow-missing --out strip.html') });
  });

  test('--plan tells how layers are dealt, and lines that start shards with what was given', async () => {
    const args = ['blocks', a, b, '--align', 'units', '--shard', '4', '--plan'];
    const { code, stdout } = await tensim([...args, ...FALLBACK]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^2 networks of 4 layers, on the backend "fallback"\n4 shards; /);
    const given = `tensim blocks ${a} ${b} --align units --backend fallback`;
    expect(stdout).toContain(`sbatch --array=1-4 --requeue --wrap '${given} --shard auto --state part-$SLURM_ARRAY`);
    expect(stdout).toContain('tensim merge part-*.state --out strip.html');
    const plan = JSON.parse((await tensim([...args, '--json', ...FALLBACK])).stdout);
    expect(plan).toMatchObject({ schema: 'tensim.blocks-shards/1', what: 'pair', networks: [a, b], layers: 4 });
    const dealt = plan.shards.flatMap(({ layers }: { layers: number[] }) => layers);
    expect(dealt.sort()).toEqual([0, 1, 2, 3]);
    const whole = await tensim(['blocks', a, b, '--plan', '--json', ...FALLBACK]);
    expect(JSON.parse(whole.stdout).schema).toBe('tensim.blocks-plan/1');
  });

  test('auto is what the environment says', async () => {
    const state = join(root, 'auto.state');
    const args = ['blocks', a, b, '--shard', 'auto', '--state', state, ...FALLBACK];
    expect((await tensim(args)).stderr).toContain('nothing in the environment says which shard this is');
    const { stderr } = await tensim(args, { env: { TENSIM_SHARD: '2/3' } });
    expect(stderr).toMatch(/^shard 2 of 3: /);
  });

  test.each([
    [['--shard', '9/8'], '3/8'],
    [['--shard', '3/8'], 'needs a state file'],
    [['--shard', '8', '--state', 'x.state'], 'it is not said which shard'],
    [['--shard', '1/2', '--state', 'x.state', '--out', 'x.html'], 'a shard has no report'],
    [['--shard', '1/2', '--state', 'x.state', '--input', 'x', '--ridge', '0,1'], 'a sweep over ridges is of several'],
  ])('%j is refused with what to do', async (flags, words) => {
    const { code, stderr } = await tensim(['blocks', a, b, ...flags, ...FALLBACK]);
    expect(code).toBe(2);
    expect(stderr).toContain(words);
    expect(existsSync('x.state')).toBe(false);
  });
});
