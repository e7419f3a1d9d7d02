import { mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { step, tensim } from '../cli/run.js';
import { fileIn, temporaryFolder } from '../formats/safetensors/helpers.js';
import { checkXml } from '../report/helpers.js';

/* The first ten minutes of somebody who wants a check in continuous integration. */

const root = temporaryFolder();
const repository = join(root, 'repository');
mkdirSync(join(repository, 'ci'), { recursive: true });
fileIn(repository, 'package.json', '{ "name": "theirs" }');
fileIn(repository, 'tensim.config.json', '{ "min": 0.9, "minOutput": 0.9, "backend": "fallback", "threads": 1 }');
const cwd = join(repository, 'ci');
const GATE = ['gate', resolve(step(6200)), '--against', resolve(step(6000))];

describe('a CI engineer', () => {
  test('has limits and settings in a file that all jobs share', async () => {
    const failed = await tensim(GATE, { cwd });
    expect(failed.code).toBe(1);
    expect(failed.stdout).toMatch(/output 9 .* 0\.9 +FAIL/);
    const passed = await tensim([...GATE, '--min-output', '0.8'], { cwd });
    expect(passed.code).toBe(0);
    fileIn(cwd, 'tensim.config.json', '{ "minOutputs": 0.5 }');
    const misspelt = await tensim(GATE, { cwd });
    expect(misspelt.code).toBe(2);
    expect(misspelt.stderr).toContain('has an unknown option "minOutputs". "minOutput" is the nearest');
    fileIn(cwd, 'tensim.config.json', '{ "min": 0.9, "minOutput": 0.9, "backend": "fallback" }');
  });

  test('gets the log, the annotation, the summary of the job and the test report from one run', async () => {
    const summary = fileIn(root, 'summary.md', '');
    const report = join(root, 'gate.xml');
    const { code, stdout, stderr } = await tensim([...GATE, '--format', 'github', '--format', `junit=${report}`], {
      cwd,
      env: { GITHUB_STEP_SUMMARY: summary },
    });
    expect({ code, stderr }).toEqual({ code: 1, stderr: `wrote ${report}\n` });
    expect(stdout).toMatch(/^FAIL: step_06200 against step_06000\n/);
    expect(stdout).toMatch(/^::error title=.*::output 9, at least 0\.9: fail, similarity 0\.860/m);
    expect(readFileSync(summary, 'utf8')).toMatch(/^### ❌ tensim gate: fail\n/);
    const xml = readFileSync(report, 'utf8');
    checkXml(xml.replace(/^<\?xml.*\?>/, ''));
    expect(xml).toContain('failures="1"');
  });

  test('lets it run in the shadow first', async () => {
    const { code, stdout, stderr } = await tensim([...GATE, '--shadow'], { cwd });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^FAIL: /);
    expect(stderr).toContain('the verdict is "fail", and the exit code 0 all the same');
  });

  test('can tell what failed by the exit code', async () => {
    expect((await tensim(['gate', 'gone.safetensors', '--against', resolve(step(0))], { cwd })).code).toBe(2);
    expect((await tensim([...GATE, '--format', 'junit', '--format', 'json'], { cwd })).code).toBe(2);
    const verified = await tensim([
      'verify',
      resolve(step(0)),
      resolve(step(0)),
      '--json',
      '--out',
      join(root, 'v.md'),
    ]);
    expect(verified.code).toBe(0);
    expect(JSON.parse(verified.stdout)).toMatchObject({ schema: 'tensim.verify/1', outcome: 'pass' });
    expect(readFileSync(join(root, 'v.md'), 'utf8')).toMatch(/^### ✅ tensim verify: pass/);
  });

  test('has the commands completed in the shell', async () => {
    const { code, stdout } = await tensim(['completion', 'bash']);
    expect(code).toBe(0);
    expect(stdout).toContain('--shadow');
  });
});
