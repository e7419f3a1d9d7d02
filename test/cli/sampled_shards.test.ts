import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { run } from '../../lib/cli/main.js';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import { BACKDOOR, Sink, tensim } from './run.js';

const examples = join(import.meta.dirname, '../../examples');
const MODELS = [0, 1, 2].map((seed) => join(examples, 'digits-seeds', `deep3_seed${seed}.safetensors`));
const root = temporaryFolder();
const FEW = ['--tolerance', '0.02', '--max-samples', '4096'];

/** All shards in a folder: what they say, and their state files. */
async function inShards(name: string, count: number, flags: readonly string[]) {
  mkdirSync(join(root, name), { recursive: true });
  const states = Array.from({ length: count }, (_, at) => join(root, name, `part-${at + 1}.state`));
  const said: string[] = [];
  for (const [at, state] of states.entries()) {
    const args = ['matrix', ...MODELS, '--shard', `${at + 1}/${count}`, '--state', state, ...flags];
    const { code, stdout, stderr } = await tensim(args);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    said.push(stderr);
  }
  return { states, said };
}

describe('tensim matrix --shard of networks that are sampled', () => {
  test('computes groups of samples that tensim merge puts together to the output of one run', async () => {
    const { states, said } = await inShards('few', 3, FEW);
    const groups = [10, 11, 11];
    for (const [at, text] of said.entries())
      expect(text).toMatch(
        new RegExp(`^shard ${at + 1} of 3: ${groups[at]} of 32 groups of 4,096 samples of 3 models in \\S+\\n$`),
      );
    const whole = await tensim(['matrix', ...MODELS, ...FEW]);
    expect(await tensim(['merge', ...states])).toEqual(whole);
    const asJson = await tensim(['matrix', ...MODELS, ...FEW, '--json']);
    expect((await tensim(['merge', ...states, '--json'])).stdout).toBe(asJson.stdout);
    const { said: again } = await inShards('few', 3, FEW);
    expect(again[1]).toContain('11 of them found there');
  });

  test('is told what is missing, and estimated from what is there', async () => {
    const { states } = await inShards('few', 3, FEW);
    const absent = await tensim(['merge', states[0], states[1]]);
    expect(absent.code).toBe(2);
    expect(absent.stderr).toMatch(
      /11 groups of samples of 32 are missing\n {2}why: shard 3 of 3 not given\n {2}next: /,
    );
    expect(absent.stderr).toContain('--allow-missing');
    const open = await tensim(['merge', states[0], states[1], '--allow-missing']);
    expect(open.code).toBe(0);
    expect(open.stderr).toMatch(
      /^note: 11 of 32 groups of samples are not there: the estimate is of the 2,688 samples/m,
    );
    const exact = join(root, 'exact.state');
    await tensim(['matrix', BACKDOOR, '--shard', '1/3', '--state', exact]);
    const mixed = await tensim(['merge', states[0], exact]);
    expect(mixed.stderr).toContain('that one is of a sampled matrix, and this is not');
  });

  test('is shown by merge --serve from 8 groups on', async () => {
    mkdirSync(join(root, 'served'));
    const states = [1, 2, 3, 4, 5].map((index) => join(root, 'served', `part-${index}.state`));
    const part = (at: number) => tensim(['matrix', ...MODELS, '--shard', `${at}/5`, '--state', states[at - 1], ...FEW]);
    await part(1);
    const stop = new AbortController();
    const [stdout, stderr] = [new Sink(), new Sink()];
    const running = run(['merge', ...states, '--serve'], { stdout, stderr, signal: stop.signal, env: {} });
    for (const at of [2, 3, 4, 5]) await part(at);
    for (let looks = 0; looks < 1000 && !stderr.text.includes('the page stays'); looks++) await wait(20);
    stop.abort();
    expect(await running).toBe(0);
    expect(stdout.text).toBe((await tensim(['matrix', ...MODELS, ...FEW])).stdout);
  });

  test('goes on beside the state files of the others where the tolerance wants more samples', async () => {
    const flags = ['--tolerance', '0.02', '--max-samples', '131072'];
    const { states, said } = await inShards('more', 2, flags);
    expect(said[0]).toContain('merge tells whether more are wanted');
    if (!said[1].includes('merge tells')) await inShards('more', 2, flags);
    const merged = await tensim(['merge', ...states, '--json']);
    expect(merged.stdout).toBe((await tensim(['matrix', ...MODELS, ...flags, '--json'])).stdout);
  });

  test('--plan tells groups, costs and state files', async () => {
    const args = ['matrix', ...MODELS, '--shard', '5', '--plan', ...FEW];
    const { code, stdout } = await tensim(args);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^3 models, 6 pairs under the measure "gaussian", on the backend /);
    expect(stdout).toMatch(/for 4,096 samples, the most there may be/);
    expect(stdout).toMatch(/^ {2}shard {2}groups {3}files {5}seconds {3}state file\n {6}1 {7}6 {7}3 /m);
    expect(stdout).toMatch(/sbatch --array=1-5 .*--max-samples 4096.* --shard auto --state part-\$SLURM/);
    const plan = JSON.parse((await tensim([...args, '--json'])).stdout);
    expect(plan).toMatchObject({ schema: 'tensim.shards/1', models: 3, maxSamples: 4096 });
    const tooMany = await tensim(['matrix', ...MODELS, '--shard', '40', '--plan', ...FEW]);
    expect(tooMany).toMatchObject({ code: 2, stderr: expect.stringContaining('--shard 32') });
  });
});
