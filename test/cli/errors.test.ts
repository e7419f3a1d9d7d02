import { mkdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { Writable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { settle } from '../../lib/cli/exit.js';
import { run } from '../../lib/cli/main.js';
import { fileIn, temporaryFolder } from '../formats/safetensors/helpers.js';
import { bilinearShapes, deepShapes, writeCheckpoint } from '../model/helpers.js';
import { BACKDOOR, Sink, step, tensim } from './run.js';

const root = temporaryFolder();

/** One line that begins with the program's name. */
const LINE = /^tensim: [^\n]+\n$/;
/** What was found, why it is not taken, and what to do. */
const THREE_LINES = /^tensim: [^\n]+\n {2}why: [^\n]+\n {2}next: [^\n]+\n$/;

describe('usage that is wrong is exit code 2', () => {
  const cases: [args: string[], message: RegExp][] = [
    [[], /Usage: tensim/],
    [['frobnicate'], /tensim: unknown command 'frobnicate'/],
    [['compare', step(0)], /tensim: missing required argument 'b'/],
    [['compare', step(0), step(0), step(0)], /tensim: too many arguments/],
    [['matrix'], /tensim: missing required argument 'files'/],
    [['matrix', step(0), '--frob'], /tensim: unknown option '--frob'/],
    [['matrix', step(0), '--dtype', 'float16'], /tensim: .*'float16'.*Allowed choices are float64, float32/],
    [['matrix', step(0), '--measure', 'cka'], /Allowed choices are gaussian, tensor, weights/],
    [['matrix', step(0), '--backend', 'gpu'], /Allowed choices are auto, native, cuda, fallback/],
    ...['0', '-1', '1.5', '1e3', 'many', ''].map((count): [string[], RegExp] => [
      ['matrix', step(0), `--threads=${count}`],
      /tensim: .*--threads/,
    ]),
  ];
  test.each(cases)('%j', async (args, message) => {
    const { code, stdout, stderr } = await tensim(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(message);
  });
});

describe('input that is wrong is one line on stderr and exit code 2', () => {
  const refused = async (args: string[], message: string) => {
    const { code, stdout, stderr } = await tensim(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(LINE);
    expect(stderr).toContain(message);
  };

  test('a file that is not there', async () => {
    await refused(['compare', step(0), 'gone.safetensors'], 'gone.safetensors: there is no such file');
    await refused(['matrix', 'gone*.safetensors'], 'gone*.safetensors: no checkpoint matches');
    await refused(['inspect', 'gone.safetensors'], 'gone.safetensors');
  });

  test('a file cut off', async () => {
    const file = fileIn(root, 'cut.safetensors', readFileSync(step(0)).subarray(0, 10_000));
    await refused(['compare', file, step(0)], `${file}: `);
    await refused(['inspect', file], `${file}: `);
  });

  test('a file of another kind', async () => {
    await refused(['compare', 'package.json', step(0)], 'package.json');
    for (const file of ['README.md', 'examples/train/grokking.py']) {
      const { code, stdout, stderr } = await tensim(['compare', file, step(0)]);
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toMatch(THREE_LINES);
      expect(stderr).toContain(`${file}: has the ending "${extname(file)}"`);
      expect(stderr).toContain('.safetensors, .pt');
    }
  });

  test('a folder with many checkpoints where one is needed', async () => {
    await refused(['compare', BACKDOOR, step(0)], '41 checkpoints');
  });

  test('models that do not map the same to the same', async () => {
    const other = await writeCheckpoint(root, 'other.safetensors', bilinearShapes(5, 3, 2));
    await refused(['compare', other, step(0)], 'has 5 inputs');
  });

  test('reports that cannot be written, before anything is read', async () => {
    await refused(['matrix', 'gone', '--out', 'report.pdf'], '.pdf');
    await refused(['matrix', 'gone', '--out', join(root, 'gone', 'report.html')], 'there is no folder');
    mkdirSync(join(root, 'folder.html'));
    await refused(['compare', 'gone', 'gone', '--out', join(root, 'folder.html')], 'this is a folder');
  });

  test('an input law that is none', async () => {
    await refused(['matrix', step(0), '--input', 'uniform'], 'uniform: there is no such file');
    await refused(['matrix', step(0), '--input', 'sigma=-1'], 'sigma must be a positive number');
  });

  test('a file whose name would move the cursor', async () => {
    await refused(['inspect', 'a\u001b[2Kb\nc'], 'a\\u{1b}[2Kb\\u{a}c');
  });
});

describe('a model that is not supported is exit code 3', () => {
  test('because no family knows it', async () => {
    const file = await writeCheckpoint(root, 'llama.safetensors', { 'model.layers.0.self_attn.q_proj.weight': [2, 2] });
    const { code, stdout, stderr } = await tensim(['compare', file, file]);
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
    expect(stderr).toMatch(THREE_LINES);
    expect(stderr).toContain('tensim inspect');
    for (const line of stderr.split('\n')) expect(line.length).toBeLessThan(250);
    expect(stderr).toContain('is a transformer with a softmax in its attention');
  });

  test('because it has too many blocks', async () => {
    const file = await writeCheckpoint(root, 'deep.safetensors', deepShapes(3));
    const { code, stderr } = await tensim(['compare', file, file, '--method', 'exact']);
    expect(code).toBe(3);
    expect(stderr).toMatch(LINE);
    expect(stderr).toContain('"sampled"');
  });
});

describe('the stack of an error', () => {
  test('is shown only if TENSIM_DEBUG is set', async () => {
    const { stderr } = await tensim(['inspect', 'gone'], { env: { TENSIM_DEBUG: '1' } });
    expect(stderr).toMatch(/^tensim: gone.*\nTensimError: gone.*\n +at /);
  });
});

describe('settle', () => {
  const answer = (error: unknown) => {
    const stderr = new Sink();
    const code = settle(error, { stdout: new Sink(), stderr, signal: new AbortController().signal, env: {} });
    return { code, text: stderr.text };
  };

  test('is quiet about a reader that has gone', () => {
    expect(answer(Object.assign(new Error('write EPIPE'), { code: 'EPIPE', syscall: 'write' }))).toEqual({
      code: 0,
      text: '',
    });
  });

  test('gives the words of the system as they are', () => {
    const error = Object.assign(new Error('ENOSPC: no space left on device, write'), {
      code: 'ENOSPC',
      syscall: 'write',
    });
    expect(answer(error)).toEqual({ code: 2, text: 'tensim: ENOSPC: no space left on device, write\n' });
  });

  test('calls a fault of its own a fault', () => {
    expect(answer(new TypeError('x is undefined')).text).toMatch(
      /^tensim: unexpected error: TypeError: x is undefined\..*\n$/,
    );
    expect(answer('thrown text').text).toBe('tensim: unexpected error: thrown text\n');
  });
});

test('a reader of stdout that goes away ends the command quietly', async () => {
  const gone = Object.assign(new Error('write EPIPE'), { code: 'EPIPE', syscall: 'write' });
  const stdout = new Writable({ write: (_chunk, _encoding, done) => done(gone) });
  stdout.on('error', () => {});
  const stderr = new Sink();
  const io = { stdout, stderr, signal: new AbortController().signal, env: {} };
  expect(await run(['matrix', step(0), step(200), '--json'], io)).toBe(0);
  expect(stderr.text).toBe('');
});
