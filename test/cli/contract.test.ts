import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { timeStrategies } from '../../lib/cli/timing.js';
import { contract, contractionPath, openCheckpoint } from '../../lib/index.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import { writeCheckpoint } from '../model/helpers.js';
import { runs } from '../support/campaign.js';
import { tensim } from './run.js';

const root = temporaryFolder();
const PAIR = ['hi,ki,hj,kj->hk', '48x20', '48x20', '48x20', '48x20'];
const shapes = [0, 1, 2, 3].map(() => [48, 20]);
const left: Tensor = { data: Float64Array.of(1, 2, 3, 4, 5, 6), shape: [2, 3] };
const right: Tensor = { data: Float64Array.of(1, 0, 2, 0, 1, 3), shape: [3, 2] };
const stored = () => writeCheckpoint(root, 'stored.safetensors', new Map(Object.entries({ left, right })));

const json = async (...args: string[]) => {
  const { code, stdout, stderr } = await tensim(['contract', ...args, '--json']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
};

describe('tensim contract --explain', () => {
  test('prints the path as the API does, and computes nothing', async () => {
    const { code, stdout, stderr } = await tensim(['contract', ...PAIR, '--explain']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toBe(`${contractionPath(PAIR[0], shapes)}\n`);
  });

  test('explains what is far too large to be done', async () => {
    const { code, stdout } = await tensim(['contract', 'ij,jk->ik', '99999999x9', '9x99999999', '--explain']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/chosen +N\^3/);
  });

  test('passes the options of the plan on', async () => {
    const table = ['hi,ki,hj,kj->', '3000x8', '3000x8', '3000x4', '3000x4', '--explain'];
    const path = '[[0,1],[0,1],[0,1]]';
    const { path: info } = await json(...table, '--optimize', path, '--memory-limit', '8MiB');
    expect(info.path).toEqual(JSON.parse(path));
    expect(info.slices).not.toEqual([]);
    expect(info.peakBytes).toBeLessThanOrEqual(8 * 2 ** 20);
    expect(await json(...table, '--dtype', 'float32', '--strategy', 'ttgt')).toMatchObject({
      dtype: 'float32',
      strategy: 'ttgt',
      path: { dtype: 'float32', slices: [] },
    });
  });

  test.each([
    ['1000000', 1e6],
    ['2kB', 2e3],
    ['1.5 MB', 1.5e6],
    ['3KiB', 3 * 2 ** 10],
    ['1.5mib', 1.5 * 2 ** 20],
    ['1GiB', 2 ** 30],
    ['2TB', 2e12],
  ])('takes the limit %s for %d bytes', async (text, bytes) => {
    // The result alone takes as much as the limit, then one number more.
    const elements = Math.floor(bytes / 8);
    const refused = await tensim(['contract', 'i->i', `${elements + 1}`, '--explain', '--memory-limit', text]);
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('the result alone takes') });
    expect((await tensim(['contract', 'i->i', `${elements}`, '--explain', '--memory-limit', text])).code).toBe(0);
  });
});

describe('tensim contract --time', () => {
  test('times every strategy and tells flops and bytes per second', async () => {
    const result = await json(...PAIR, '--explain', '--time');
    expect(result.timings.map(({ strategy }: { strategy: string }) => strategy)).toEqual(['blocked', 'ttgt', 'loops']);
    for (const { seconds, runs, flopsPerSecond, bytesPerSecond, reason } of result.timings) {
      expect(seconds).toBeGreaterThan(0);
      expect(runs).toBeGreaterThan(0);
      expect(flopsPerSecond).toBeCloseTo(result.path.flops / seconds, -3);
      expect(bytesPerSecond).toBeGreaterThan(0);
      expect(reason).toBeNull();
    }
    expect(result).not.toHaveProperty('result');
  });

  test('times the one strategy that is asked for, and prints a table for people', async () => {
    const { code, stdout } = await tensim(['contract', ...PAIR, '--explain', '--time', '--strategy', 'loops']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^hi,ki,hj,kj->hk {3}48x20/);
    expect(stdout).toMatch(
      /\n {2}strategy +median +runs +GFLOP\/s +bytes\/s\n {2}loops +[\d.]+ [mµn]?s +\d+ +[\d.]+ +/,
    );
    expect(stdout).not.toMatch(/\n {2}(blocked|ttgt) /);
    expect(stdout).toContain('random operands of seed 0');
  });
});

describe('timings', () => {
  const candidate = (run: (signal: AbortSignal) => Promise<unknown>) =>
    ({ strategy: 'loops', flops: 10, bytes: 20, run }) as const;
  const stuck = (signal: AbortSignal) =>
    new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason));
    });
  const quick = async () => {};
  const never = new AbortController().signal;
  const impatience = { total: 0, run: 0.01 };

  test('give up a candidate that takes far longer than the first, and say so', async () => {
    const [first, second] = await timeStrategies([candidate(quick), candidate(stuck)], never, () => {}, impatience);
    expect(first).toMatchObject({ runs: 1, reason: null });
    expect(second).toMatchObject({ seconds: null, runs: 0, flopsPerSecond: null, bytesPerSecond: null });
    expect(second!.reason).toMatch(/^given up after/);
  });

  test('leave out the first of several runs, and take turns', async () => {
    const order: string[] = [];
    const named = (name: string) => candidate(async () => order.push(name));
    const timings = await timeStrategies([named('a'), named('b')], never, () => {}, { total: 1, run: 1 });
    expect(order.slice(0, 6)).toEqual(['a', 'b', 'a', 'b', 'a', 'b']);
    for (const { runs } of timings) expect(runs).toBe(order.length / 2 - 1);
  });

  test('end with what a run fails with, or with the reason of the abort', async () => {
    const fault = new Error('fault');
    const failing = candidate(() => Promise.reject(fault));
    await expect(timeStrategies([candidate(quick), failing], never, () => {})).rejects.toBe(fault);
    const controller = new AbortController();
    const running = timeStrategies([candidate(quick), candidate(stuck)], controller.signal, () => {});
    setTimeout(() => controller.abort(fault), 5);
    await expect(running).rejects.toBe(fault);
  });
});

describe('tensim contract', () => {
  test('prints the fields of tensim.contract/1 in their order', async () => {
    const result = await json('ij,jk->ik', '3x4', '4x2', '--backend', 'fallback', '--time');
    expect(Object.keys(result)).toEqual([
      'schema',
      'equation',
      'operands',
      'dtype',
      'backend',
      'strategy',
      'seed',
      'path',
      'timings',
    ]);
    expect(result).toMatchObject({
      schema: 'tensim.contract/1',
      equation: 'ij,jk->ik',
      operands: ['3x4', '4x2'],
      dtype: 'float64',
      backend: 'fallback',
      strategy: 'blocked',
      seed: 0,
    });
  });

  test('contracts tensors of files and tells what came out', async () => {
    const file = await stored();
    const { result } = await json('ij,jk->ik', `${file}:left`, `${file}:right`);
    expect(result).toEqual({
      shape: [2, 2],
      elements: 4,
      exponent: null,
      smallest: 8,
      largest: 20,
      mean: 13.75,
      notFinite: 0,
      values: [8, 9, 20, 18],
    });
    const { stdout } = await tensim(['contract', 'ij,jk->', `${file}:left`, `${file}:right`]);
    expect(stdout).toMatch(/^ {2}result +scalar float64, 1 element\n {2}values +55\n\n {2}backend \w+\n$/);
  });

  test('computes in float32 if every operand is a tensor of no more, unless told otherwise', async () => {
    const single = { data: Float32Array.of(0.1, 0.2), shape: [2] };
    const file = await writeCheckpoint(root, 'single.safetensors', new Map([['x', single]]));
    expect((await json('i,i', `${file}:x`, `${file}:x`)).dtype).toBe('float32');
    expect((await json('i,i', `${file}:x`, '2')).dtype).toBe('float64');
    const { result } = await json('i->i', `${file}:x`, '--dtype', 'float64');
    expect(result.values).toEqual([Math.fround(0.1), Math.fround(0.2)]);
  });

  test('fills shapes with numbers that the seed decides', async () => {
    const values = async (seed: string) => (await json('i,->i', '5', 'scalar', '--seed', seed)).result.values;
    expect(await values('1')).toEqual(await values('1'));
    expect(await values('1')).not.toEqual(await values('2'));
    const { result } = await json('i->i', '100000');
    expect(result.smallest).toBeGreaterThanOrEqual(-1);
    expect(result.smallest).toBeLessThan(-0.999);
    expect(result.largest).toBeLessThan(1);
    expect(result.largest).toBeGreaterThan(0.999);
    expect(Math.abs(result.mean)).toBeLessThan(0.01);
  });

  test('tells numbers that are none, and empty results', async () => {
    const data = Float64Array.of(Number.NaN, 1, Number.POSITIVE_INFINITY);
    const file = await writeCheckpoint(root, 'infinite.safetensors', new Map([['x', { data, shape: [3] }]]));
    const { result } = await json('i->i', `${file}:x`);
    expect(result).toMatchObject({ smallest: 1, largest: 1, mean: 1, notFinite: 2 });
    expect((await tensim(['contract', 'i->i', `${file}:x`])).stdout).toMatch(/not finite +2 elements/);
    expect((await json('ij->ij', '0x3')).result).toMatchObject({ shape: [0, 3], elements: 0, mean: null, values: [] });
  });

  test('writes the result as a tensor, with the exponent that was stripped', async () => {
    const file = await stored();
    const out = join(root, 'product.safetensors');
    const args = ['contract', 'ij,jk->ki', `${file}:left`, `${file}:right`, '--out', out];
    const { code, stdout, stderr } = await tensim([...args, '--explain', '--strip-exponent']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: `wrote ${out}\n` });
    expect(stdout).toMatch(/^ij,jk->ki[\s\S]*\n {2}exponent +5: the true values are 2\^5 times these\n/);
    const checkpoint = await openCheckpoint(out);
    const { data, shape } = await checkpoint.read('result');
    await checkpoint.close();
    expect(shape).toEqual([2, 2]);
    const scale = 2 ** Number(checkpoint.metadata.exponent);
    const expected = await contract('ij,jk->ki', [left, right]);
    expect(data.map((value) => value * scale)).toEqual(expected.data);
  });

  test('shows progress on a terminal, and takes it away', async () => {
    const { stderr } = await tensim(['contract', ...PAIR, '--time'], { terminal: true });
    expect(stderr).toContain('timing blocked');
    expect(stderr.slice(stderr.lastIndexOf(']'))).toContain('\u001b[2K');
  });
});

describe('what cannot be contracted is exit code 2', () => {
  const refused = async (...args: string[]) => {
    const { code, stdout, stderr } = await tensim(['contract', ...args]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    return stderr;
  };

  test('an equation is quoted on lines of its own with the place marked', async () => {
    expect(await refused('hi,ki->hz', '2x3', '4x3')).toBe(
      'tensim: the output label "z" is in no operand\n' +
        '    hi,ki->hz\n' +
        '            ^ unknown label. Remove it, or add it to an operand\n',
    );
    expect(await refused('ij,jk', '2x3', '4x3')).toMatch(/^tensim: [^\n]+\n {4}ij,jk\n {7}\^ operand 1 has shape/);
    expect(await refused('ij,jk', '2x3')).toMatch(/^tensim: the equation has 2 operands, 1 given\n/);
  });

  test('nothing in an equation moves the cursor', async () => {
    const stderr = await refused('i\u001b[2Kj', '2x3');
    expect(stderr).toMatch(/^tensim: "\\u\{1b\}" cannot be part of an equation\n {4}i \[2Kj\n {5}\^ /);
  });

  test.each([
    '',
    'x',
    '2x',
    'x3',
    '-1',
    '2*3',
    '1.5',
    '2x3x',
    'file',
    'file.txt:w',
    ':w',
    '.safetensors:w',
    'a.safetensors:',
  ])('the operand "%s"', async (text) => {
    expect(await refused('i->', '--', text)).toMatch(
      /^tensim: operand 0 is ".*", which is neither a shape nor a tensor\. [^\n]+\n$/,
    );
  });

  test('files and tensors that are not there', async () => {
    const file = await stored();
    expect(await refused('i->', 'gone.safetensors:w')).toMatch(
      /^tensim: gone\.safetensors: there is no such file[^\n]*\n$/,
    );
    expect(await refused('i->', `${file}:gone`)).toMatch(/there is no tensor "gone"\. .*tensim inspect/);
    expect(await refused('i->', `${file}:a\nb`)).toContain('there is no tensor "a\\nb"');
  });

  test('operands and results that no memory holds', async () => {
    const stderr = await refused('i->', '999999999999');
    expect(stderr).toMatch(/^tensim: there is no memory for a random operand of 7\.28 TiB\. [^\n]*--explain[^\n]*\n$/);
    expect(await refused('i,j->ij', '1000', '1000', '--memory-limit', '1MiB')).toContain('the result alone takes');
    expect(await refused('i->', '9'.repeat(30))).toMatch(/operand 0: its shape must be/);
  });

  test.each([
    ['--memory-limit', '3x'],
    ['--memory-limit', '0'],
    ['--memory-limit', '-1'],
    ['--memory-limit', '1e9'],
    ['--seed', '-1'],
    ['--seed', '1.5'],
    ['--optimize', 'best'],
    ['--optimize', '{"0":1}'],
    ['--optimize', '[[0,1'],
    ['--strategy', 'magic'],
    ['--cost', 'money'],
    ['--dtype', 'float16'],
  ])('%s %s', async (option, value) => {
    expect(await refused('ij,jk', '2x3', '3x2', `${option}=${value}`)).toMatch(
      /^tensim: option '.*' argument '.*' is invalid/,
    );
  });

  test('a path that does not fit', async () => {
    expect(await refused('ij,jk', '2x3', '3x2', '--optimize', '[[0,7]]')).toMatch(
      /^tensim: entry 0 of the path names place 7/,
    );
  });

  test('a place for the result that cannot be written to, before anything is read', async () => {
    mkdirSync(join(root, 'folder.safetensors'));
    for (const [out, message] of [
      ['result.csv', 'Endings are'],
      [join(root, 'gone', 'result.safetensors'), 'there is no folder'],
      [join(root, 'folder.safetensors'), 'this is a folder'],
    ])
      expect(await refused('i->', 'gone.safetensors:w', '--out', out!)).toContain(message);
  });

  test('any equation and operands end with a result or with an error of the house', async () => {
    const piece = fc.constantFrom('i', 'j', 'k', ',', '->', '...', ' ', 'é', '2', '.');
    const equation = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(''));
    const operand = fc.constantFrom('2', '2x2', '2x3', 'scalar', '0', '1x2', 'x', '2x2x2');
    await fc.assert(
      fc.asyncProperty(equation, fc.array(operand, { minLength: 1, maxLength: 3 }), async (text, operands) => {
        const { code, stdout, stderr } = await tensim(['contract', '--', text, ...operands]);
        expect(code === 0 ? stderr : stdout).toBe('');
        if (code !== 0) expect(stderr).toMatch(/^tensim: (?!unexpected)[^\n]+\n(?: {4}[^\n]*\n {4} *\^+ [^\n]*\n)?$/);
      }),
      { numRuns: runs(150) },
    );
  });
});

describe('Ctrl-C', () => {
  test('stops a contraction under way with exit code 130 and leaves no file', async () => {
    const folder = join(root, 'interrupted');
    mkdirSync(folder);
    const long = ['ij,jk,kl->il', '1500x1500', '1500x1500', '1500x1500', '--strategy', 'loops'];
    for (const args of [
      [...long, '--out', join(folder, 'r.safetensors')],
      [...long, '--time'],
    ]) {
      for (const delay of [0, 50, 300]) {
        const controller = new AbortController();
        setTimeout(() => controller.abort(), delay);
        const { code, stdout } = await tensim(['contract', ...args], { signal: controller.signal });
        expect({ code, stdout }).toEqual({ code: 130, stdout: '' });
        expect(readdirSync(folder)).toEqual([]);
      }
    }
  });
});
