import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { step, tensim } from '../cli/run.js';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import { writeCheckpoint } from '../model/helpers.js';

/* The first ten minutes of somebody who has checkpoints, and has read nothing. */

const root = temporaryFolder();
const run = join(root, 'run');
mkdirSync(run);
for (const number of [0, 200, 5800, 6000, 6200, 8000])
  copyFileSync(step(number), join(run, `step_${number}.safetensors`));

describe('a researcher with checkpoints', () => {
  test('begins with the help, which has examples, and that of a command in groups', async () => {
    const { code, stdout } = await tensim(['--help'], { terminal: true, columns: 80 });
    expect(code).toBe(0);
    expect(stdout).toContain('$ tensim compare step_6000.safetensors step_6200.safetensors');
    const help = (await tensim(['matrix', '--help'], { terminal: true, columns: 80 })).stdout;
    expect(help).toMatch(/What is compared:.*Which models, and which pairs:.*How it is computed:/s);
    const misspelt = await tensim(['matrx', run]);
    expect(misspelt.stderr).toContain('(Did you mean matrix?)');
  });

  test('gives the script in place of the checkpoint, and is told what is wanted', async () => {
    const script = join(run, 'train.py');
    writeFileSync(script, 'import torch\n');
    const { code, stderr } = await tensim(['compare', script, step(0)]);
    expect(code).toBe(2);
    expect(stderr).toContain('train.py: has the ending ".py", which is of no checkpoint');
    expect(stderr).toContain('checkpoints end in .safetensors, .pt');
  });

  test('compares two checkpoints, and then the folder, in which the script does no harm', async () => {
    const pair = await tensim(['compare', join(run, 'step_6000.safetensors'), join(run, 'step_6200.safetensors')]);
    expect(pair.stdout).toMatch(/^similarity +0\.9596/m);
    const { code, stdout, stderr } = await tensim(['matrix', run]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/step_200 .*\n.*step_5800/);
    expect(stdout).toMatch(/In the order of "step" in their metadata\./);
  });

  test('has a model of another kind: three short lines, whose commands work as they stand there', async () => {
    const file = await writeCheckpoint(root, 'net.safetensors', { 'a.w': [8, 4], 'b.w': [3, 8] });
    const { code, stderr } = await tensim(['compare', file, file]);
    expect(code).toBe(3);
    const lines = stderr.trimEnd().split('\n');
    expect(lines).toHaveLength(3);
    expect(lines[0]).toBe(`tensim: ${file}: is of no known family`);
    expect(lines[1]).toMatch(/^ {2}why: found "a\.w", "b\.w"/);
    const [, inspected] = /tensim (inspect \S+ --draft) > model\.json/.exec(lines[2])!;
    const draft = await tensim(inspected.split(' '));
    expect(draft.code).toBe(0);
    expect(JSON.parse(draft.stdout).layers.length).toBeGreaterThan(0);
    const [, measure] = /(--measure \w+)/.exec(lines[2])!;
    expect((await tensim(['compare', file, file, ...measure.split(' ')])).code).toBe(0);
    expect(lines[2]).toContain('docs/guide/models.md');
    expect(readFileSync('docs/guide/models.md', 'utf8')).toContain('--draft');
  });

  test('asks for a step that is not there, and is told the nearest', async () => {
    const { code, stderr } = await tensim(['matrix', run, '--steps', '0,399']);
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: 'tensim: no model is of step 399. The nearest are 200 and 5800\n',
    });
  });

  test('compares trainings from several seeds, of which none comes after another', async () => {
    const seeds = 'examples/digits-deep/relu2_seed*.safetensors';
    const { stdout } = await tensim(['matrix', seeds, '--measure', 'weights']);
    expect(stdout).toContain('A set of models of different seeds, and no series');
    expect(stdout).not.toMatch(/Largest change|Onset/);
  });

  test('compares models of tokens on Gaussian vectors: there is no answer, and the law that has one is named', async () => {
    const files = ['00181', '06000'].map((at) => `examples/induction/step_${at}.safetensors`);
    const { code, stdout } = await tensim(['compare', ...files, '--max-samples', '1024']);
    expect(code).toBe(0);
    expect(stdout.split('\n')[3]).toBe('This is no answer yet.');
    expect(stdout.indexOf('--input tokens')).toBeLessThan(stdout.indexOf('similarity  '));
  });
});
