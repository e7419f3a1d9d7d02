import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { run } from '../../lib/cli/main.js';
import { writeSafetensors } from '../../lib/formats/safetensors/write.js';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import { writeCheckpoint } from '../model/helpers.js';
import { BACKDOOR, Sink, step, tensim } from './run.js';

const root = temporaryFolder();
const FALLBACK = ['--backend', 'fallback'];
const few = [0, 1000, 5000, 6200, 8000].map(step);
const json = async (...args: string[]) => {
  const { code, stdout, stderr } = await tensim(['matrix', ...args, '--json', ...FALLBACK]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
};

describe('the pairs of tensim matrix', () => {
  test('may be those with some others, by label, file or folder', async () => {
    const whole = await json(...few);
    for (const against of [
      ['step_06200', 'step_00000'],
      [step(6200), step(0)],
    ]) {
      const { schema, rows, columns, cosine, gram, rowNorms, columnNorms } = await json(
        ...few,
        '--against',
        ...against,
      );
      expect({ schema, rows, columns }).toEqual({
        schema: 'tensim.cross/1',
        rows: whole.labels,
        columns: ['step_06200', 'step_00000'],
      });
      expect([rowNorms.length, columnNorms.length]).toEqual([5, 2]);
      for (const [i, row] of cosine.entries()) {
        expect(row[0]).toBeCloseTo(whole.cosine[i][3], 12);
        expect(gram[i][1]).toBeCloseTo(whole.gram[i][0], 10);
      }
    }
    expect((await json(...few, '--reference', 'step_08000')).columns).toEqual(['step_08000']);
    const { rows, columns } = await json(...few, '--rows', 'step_01000', '--against', BACKDOOR);
    expect([rows, columns.length]).toEqual([['step_01000'], 41]);
  });

  test('must be of steps that there are', async () => {
    const refused = async (steps: string, message: string) => {
      const { code, stdout, stderr } = await tensim(['matrix', BACKDOOR, '--steps', steps, ...FALLBACK]);
      expect({ code, stdout, stderr }).toEqual({ code: 2, stdout: '', stderr: `tensim: ${message}\n` });
    };
    await refused('399', 'no model is of step 399. The nearest are 200 and 400');
    await refused('0,400,8001', 'no model is of step 8001. The nearest is 8000');
    await refused('0,201-399', 'no model is of a step from 201 to 399. The nearest are 200 and 400');
  });

  test('may be a band, of some of the files', async () => {
    const band = await json(BACKDOOR, '--steps', '0,1000-2000,8000', '--every', '2', '--consecutive');
    expect(band.labels).toEqual(['step_00000', 'step_01200', 'step_01600', 'step_02000']);
    expect(band.window).toBe(1);
    expect(band.cosine[0][2]).toBeNull();
    expect(band.cosine[0][1]).toBeGreaterThan(0);
    const text = (await tensim(['matrix', ...few, '--window', '2', ...FALLBACK])).stdout;
    expect(text).not.toContain('NaN');
  });

  test('are written in every format where they are rows and columns', async () => {
    const files = ['json', 'csv', 'npy', 'svg', 'html'].map((ending) => join(root, `cross.${ending}`));
    const args = ['matrix', ...few, '--reference', 'step_00000', ...files.flatMap((file) => ['--out', file])];
    const { code, stdout } = await tensim([...args, ...FALLBACK]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/step_06200 +0\.\d{4}\n/);
    expect(readFileSync(files[1], 'utf8').split('\n')[0]).toBe('model,step_00000');
    expect(readFileSync(files[2], 'latin1')).toContain("'shape': (5, 1)");
    // The page's own script, at its end, may speak of NaN; nothing else may.
    for (const file of files) expect(readFileSync(file, 'utf8').split('<script>')[0]).not.toContain('NaN');
  });

  test('are refused where that makes no sense', async () => {
    const refused = async (args: string[], message: RegExp) => {
      const { code, stderr } = await tensim(['matrix', ...few, ...args, ...FALLBACK]);
      expect(code).toBe(2);
      expect(stderr).toMatch(message);
    };
    await refused(['--window', '0'], /whole number/);
    await refused(['--steps', '1-'], /0,200,1000-4000/);
    await refused(['--memory-limit', 'much'], /256MiB/);
    await refused(['--memory-limit', '1kB'], /limit/);
    await refused(['--against', 'step_00000', '--window', '2'], /exclude each other/);
    await refused(['--against', 'step_1'], /no such file/);
    await refused(['--measure', 'gaussian,cka'], /Allowed choices/);
    await refused(['--measure', 'gaussian,gaussian'], /each once/);
    await refused(['--measure', 'gaussian,weights', '--reference', 'step_00000'], /several measures/);
    await refused(['--block-at', '77'], /no model is called "77"/);
  });
});

describe('several measures', () => {
  const measured = ['--measure', 'gaussian,weights'];

  test('stand side by side, with their correlation and block scores', async () => {
    const result = await json(...few, ...measured, '--block-at', '6200');
    expect(result.schema).toBe('tensim.measures/1');
    expect(result.measures).toEqual(['gaussian', 'weights']);
    expect(result.correlation[0][1]).toBeGreaterThan(0.5);
    expect(result.correlation[0][1]).toBe(result.correlation[1][0]);
    expect(result.block.start).toBe('step_06200');
    const [gaussian] = result.matrices;
    const c = gaussian.cosine;
    const across = (c[0][3] + c[0][4] + c[1][3] + c[1][4] + c[2][3] + c[2][4]) / 6;
    expect(result.block.scores[0]).toBeCloseTo(c[3][4] - across, 12);
    expect(gaussian).toEqual(await json(...few));
    expect((await json(...few, '--measure', 'weights', '--block-at', 'step_06200')).block.scores).toHaveLength(1);
  });

  test('are compared by what each has: inputs, method and outputs', async () => {
    const inputs = join(root, 'inputs.safetensors');
    const data = Float32Array.from({ length: 20 * 64 }, (_, i) => Math.sin(i * i));
    await writeSafetensors(inputs, new Map([['inputs', { data, shape: [20, 64] }]]));
    const options = [
      '--measure',
      'behavioural,gaussian,weights',
      '--inputs',
      inputs,
      '--per-output',
      '--route',
      'factor',
    ];
    const { matrices } = await json(...few, ...options);
    expect(matrices.map(({ perOutput }: { perOutput?: object }) => perOutput !== undefined)).toEqual([
      false,
      true,
      true,
    ]);
    expect(matrices[0].behaviour.inputs).toBe(20);
  });

  test('are written in every format', async () => {
    const files = ['json', 'csv', 'npy', 'svg', 'html'].map((ending) => join(root, `measures.${ending}`));
    const out = files.flatMap((file) => ['--out', file]);
    const { code, stdout } = await tensim(['matrix', BACKDOOR, '--every', '4', ...measured, ...out, ...FALLBACK]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/correlation of gaussian and weights over all pairs is 0\.\d+/);
    expect(readFileSync(files[1], 'utf8')).toContain('\nweights,step_00800,');
    expect(readFileSync(files[2], 'latin1')).toContain("'shape': (2, 11, 11)");
    const page = readFileSync(files[4], 'utf8');
    expect(page.match(/data-matrix="1"/g)).toHaveLength(2);
    expect(page).toContain('<th class="number">weights</th>');
  });
});

describe('the work of tensim matrix', () => {
  test('is kept in a state file, and told of on demand', async () => {
    const state = join(root, 'run.state');
    const args = ['matrix', ...few, '--state', state, '--verbose', '--route', 'factor', '--json', ...FALLBACK];
    const first = await tensim(args);
    expect(first.stderr).toContain('15 pairs, 0 of them found in the state file; models prepared 5 times');
    const second = await tensim(args);
    expect(second.stderr).toContain('15 pairs, 15 of them found in the state file; models prepared 0 times');
    expect(second.stdout).toBe(first.stdout);
    expect((await tensim(['matrix', ...few, '--state', step(0), ...FALLBACK])).code).toBe(2);
  });

  test('would be kept by one: Ctrl-C says what is lost without it', async () => {
    const controller = new AbortController();
    const stderr = new Sink();
    const stopWhenDone: typeof stderr.write = (chunk: unknown) => {
      if (/comparing \[=+-+\] (?!0)/.test(String(chunk))) controller.abort();
      return stderr.write(chunk);
    };
    const watched = Object.assign(new Sink(true), { write: stopWhenDone });
    const stdout = new Sink();
    const args = ['matrix', BACKDOOR, '--route', 'factor', '--memory-limit', '1MB', '--per-output', ...FALLBACK];
    expect(await run(args, { stdout, stderr: watched, signal: controller.signal, env: {} })).toBe(130);
    const told = stderr.text.slice(stderr.text.lastIndexOf('\u001b[2K') + 4).replaceAll('\n  ', ' ');
    expect(told).toMatch(
      /^stopped: [1-9]\d* of 861 pairs are lost; with --state FILE they are kept, and the same command goes on from there\n$/,
    );
  });

  test('is told of when Ctrl-C stops it', async () => {
    const state = join(root, 'stopped.state');
    const controller = new AbortController();
    const stopWhenKept = setInterval(() => {
      if (existsSync(state) && readFileSync(state).length > 2000) controller.abort();
    });
    const options = ['--state', state, '--route', 'factor', '--memory-limit', '1MB', '--per-output', '--json'];
    const { code, stderr } = await tensim(['matrix', BACKDOOR, ...options, ...FALLBACK], { signal: controller.signal });
    clearInterval(stopWhenKept);
    expect({ code, stderr }).toEqual({
      code: 130,
      stderr: expect.stringMatching(/^stopped: \d+ of 861 pairs are in .*stopped\.state; the same command goes on/),
    });
  });

  test('is done once for files that hold the same weights', async () => {
    const copy = join(root, 'copy_09000.safetensors');
    copyFileSync(step(8000), copy);
    const { stderr, stdout } = await tensim(['matrix', ...few, copy, ...FALLBACK]);
    expect(stderr).toBe('copy_09000 and step_08000 hold the same weights\n');
    expect(stdout).toContain('copy_09000 and step_08000 hold the same weights.');
  });

  test('many of them are folded into one note', async () => {
    const folder = join(root, 'folded');
    mkdirSync(folder);
    for (let i = 0; i < 15; i++) copyFileSync(step(8000), join(folder, `same_${10 + i}.safetensors`));
    copyFileSync(step(0), join(folder, 'first_1.safetensors'));
    for (let i = 0; i < 6; i++) await writeCheckpoint(folder, `table_${i}.safetensors`, { table: [2, 2] });
    const { stderr } = await tensim(['matrix', folder, ...FALLBACK]);
    expect(stderr.split('\n')).toEqual([
      expect.stringMatching(
        /^passed over, no model: 6 files: \S+table_0.safetensors, \S+, \S+table_2.safetensors … \S+table_5.safetensors \(of no known family\)$/,
      ),
      '15 models hold the same weights: same_10, same_11, same_12 … same_24',
      '',
    ]);
  });
});
