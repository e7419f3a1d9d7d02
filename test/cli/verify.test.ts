import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { run } from '../../lib/cli/main.js';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import { checkXml } from '../report/helpers.js';
import { drawModules, multipliedOut, writeAdapter } from '../support/adapters.js';
import { writeNetwork, writeTensors } from '../support/block_files.js';
import { faultsBy } from '../support/json_schema.js';
import { type Given, gauged, llamaTensors, smallLayer } from '../support/transformers.js';
import { Sink, tensim } from './run.js';

const schema = JSON.parse(readFileSync(join(import.meta.dirname, '../../schemas/tensim.verify.1.schema.json'), 'utf8'));
const root = temporaryFolder();
const layers = [smallLayer(1), smallLayer(2), smallLayer(3)];
const tensors = llamaTensors(layers);
const [KEY, UP] = ['self_attn.k_proj.weight', 'mlp.up_proj.weight'].map((name) => `model.layers.1.${name}`);
const QUERY = 'model.layers.0.self_attn.q_proj';

const changed = (name: string, change: (data: Float64Array) => Float64Array): Given => {
  const [data, ...shape] = tensors[name];
  return { ...tensors, [name]: [change(data), ...shape] };
};
const base = writeNetwork(root, 'base', tensors);
const same = writeNetwork(root, 'same', llamaTensors(layers.map((one, i) => gauged(one, 5 + i))));
const negated = writeNetwork(
  root,
  'negated',
  changed(KEY, (data) => data.map((value) => -value)),
);
const notFinite = writeNetwork(
  root,
  'not_finite',
  changed(UP, (data) => data.with(3, Number.NaN)),
);

const modules = drawModules({ [QUERY]: [16, 12] }, 4, 7);
const lora = writeAdapter(join(root, 'lora'), modules);
const [delta] = modules.map((one) => multipliedOut(one, 2));
const withDelta = (times: number) =>
  changed(`${QUERY}.weight`, (data) => data.map((value, i) => value + times * delta[i]));
const merged = writeNetwork(root, 'merged', withDelta(1));
const twice = writeNetwork(root, 'twice', withDelta(2));

const FORMATS = ['text', 'json', 'junit', 'markdown'] as const;

describe('tensim verify', () => {
  test('passes what is the same function with exit code 0', async () => {
    const { code, stdout, stderr } = await tensim(['verify', base, same]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.split('\n', 1)).toEqual([`PASS: ${same} against ${base}`]);
    expect((await tensim(['verify', base, base])).stdout).toContain('are equal.');
  });

  test('fails what is not with exit code 1, and names the tensor', async () => {
    const { code, stdout } = await tensim(['verify', base, negated]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^FAIL: /);
    expect(stdout).toContain(`another sign: ${KEY}`);
  });

  test('names what is not finite', async () => {
    const { code, stdout } = await tensim(['verify', base, notFinite, '--json']);
    expect(code).toBe(1);
    expect(JSON.parse(stdout).faults).toMatchObject([{ cause: 'not-finite', tensor: UP, layer: 1 }]);
  });

  test.each([
    ['a pair', [base, same], 0],
    ['a pair that fails', [base, negated], 1],
    ['a pair of which one is missing', [base, join(root, 'gone')], 2],
    ['a merge', ['--base', base, '--adapter', lora, '--merged', merged], 0],
    ['a merge that was done twice', ['--base', base, '--adapter', lora, '--merged', twice], 1],
    ['a merge of an adapter that is none', ['--base', base, '--adapter', base, '--merged', merged], 2],
  ] as const)('says the same of %s in all formats', async (_, args, expected) => {
    const outcome = (['pass', 'fail', 'error'] as const)[expected];
    for (const format of FORMATS) {
      const { code, stdout, stderr } = await tensim(['verify', ...args, '--format', format]);
      expect(code, format).toBe(expected);
      expect(stderr).toMatch(expected === 2 ? /^tensim: [^\n]+\n$/ : /^$/);
      switch (format) {
        case 'text':
          expect(stdout).toMatch(expected === 2 ? /^$/ : new RegExp(`^${outcome.toUpperCase()}: .* against `));
          break;
        case 'json':
          expect(faultsBy(schema, JSON.parse(stdout))).toEqual([]);
          expect(JSON.parse(stdout).outcome).toBe(outcome);
          break;
        case 'junit':
          checkXml(stdout.replace(/^<\?xml.*\?>\n/, ''));
          expect(stdout).toMatch(
            { pass: / failures="0" errors="0"/, fail: / failures="[1-9]\d*" errors="0"/, error: / errors="1"/ }[
              outcome
            ],
          );
          break;
        case 'markdown':
          expect(stdout).toMatch(new RegExp(`^### .+ tensim verify: ${outcome}\n`));
      }
    }
  });

  test('takes several adapters, one after the other or each by itself', async () => {
    const other = drawModules({ 'model.layers.2.mlp.up_proj': [10, 12] }, 4, 8);
    const second = writeAdapter(join(root, 'second'), other);
    const both = withDelta(1);
    const [data, ...shape] = tensors['model.layers.2.mlp.up_proj.weight'];
    const more = multipliedOut(other[0], 2);
    both['model.layers.2.mlp.up_proj.weight'] = [data.map((value, i) => value + more[i]), ...shape];
    const all = writeNetwork(root, 'both', both);
    for (const adapters of [
      ['--adapter', lora, second],
      ['--adapter', lora, '--adapter', second],
    ]) {
      const { code, stdout } = await tensim(['verify', '--base', base, ...adapters, '--merged', all, '--json']);
      expect(code).toBe(0);
      expect(JSON.parse(stdout).adapters).toMatchObject([{ file: lora }, { file: second }]);
    }
  });

  test('reads both networks as its options say', async () => {
    const [a, b] = ['bare_a', 'bare_b'].map((name) => writeNetwork(root, name, tensors, {}));
    const config = '{"n_head": 4, "num_key_value_heads": 2, "hidden_act": "silu"}';
    expect((await tensim(['verify', a, b, '--config', config])).code).toBe(0);
    const left = (value: number): Given => ({ ...tensors, 'left.over': [Float64Array.of(value, 2, 3), 3] });
    const [extra, again, other] = [1, 1, 5].map((value, i) => writeNetwork(root, `extra_${i}`, left(value)));
    const { code, stdout } = await tensim(['verify', base, extra]);
    expect(code).toBe(4);
    expect(stdout).toMatch(/^UNDECIDED: [\s\S]*cannot be compared: "left\.over" of the candidate$/m);
    expect((await tensim(['verify', base, extra, '--ignore', 'left.*'])).code).toBe(0);
    expect((await tensim(['verify', extra, again])).code).toBe(0);
    const changed = await tensim(['verify', extra, other]);
    expect(changed.code).toBe(1);
    expect(changed.stdout).toContain('left.over');
  });

  test('is stopped by files that are none', async () => {
    const cut = join(root, 'cut.safetensors');
    writeFileSync(cut, readFileSync(join(base, 'model.safetensors')).subarray(0, 3000));
    const text = join(root, 'notes.safetensors');
    writeFileSync(text, 'not a checkpoint, by any means');
    for (const file of [cut, text, join(root, 'gone.gguf'), root]) {
      const { code, stdout, stderr } = await tensim(['verify', base, file]);
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toMatch(/^tensim: [^\n]+\n$/);
    }
  });

  test('compares other networks by their names', async () => {
    const one: Given = { 'fc.weight': [Float64Array.of(1, 2, 3, 4), 2, 2], 'fc.bias': [Float64Array.of(1, 2), 2] };
    const [a, b] = ['a', 'b'].map((name) => writeTensors(join(root, `${name}.safetensors`), one));
    expect((await tensim(['verify', a, b])).code).toBe(0);
    const c = writeTensors(join(root, 'c.safetensors'), { ...one, 'fc.bias': [Float64Array.of(1, 3), 2] });
    const { code, stdout } = await tensim(['verify', a, c]);
    expect(code).toBe(1);
    expect(stdout).toContain('fc.bias');
  });

  test('refuses bad usage', async () => {
    const refused = async (args: string[], message: RegExp) => {
      const { code, stdout, stderr } = await tensim(['verify', ...args]);
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toMatch(message);
    };
    await refused([], /no network is given\. Give two/);
    await refused([base], /one network is given/);
    await refused([base, same, merged], /too many arguments/);
    await refused([base, '--adapter', lora], /a pair is given, and a merge/);
    await refused(['--base', base, '--adapter', lora], /a merge is given without --merged\./);
    await refused(['--adapter', lora], /without --base and --merged\./);
    await refused([base, same, '--tolerance', '0.5'], /must be a number from 1/);
    await refused([base, same, '--tolerance', 'Infinity'], /must be a number from 1/);
    await refused([base, same, '--format', 'xml'], /text, json, junit, markdown/);
    await refused([base, same, '--json', '--format', 'junit'], /cannot be used with/);
  });

  test('writes several reports of one verdict, and reports alone in the shadow', async () => {
    const file = join(root, 'verify.xml');
    const args = ['verify', base, notFinite];
    const junit = await tensim([...args, '--format', 'junit']);
    expect(junit.code).toBe(1);
    const { code, stdout, stderr } = await tensim([...args, '--shadow', '--format', 'github', '--out', file]);
    expect(code).toBe(0);
    expect(stderr).toContain('shadow: the verdict is "fail"');
    expect(stdout).toMatch(/^FAIL.*\n::warning title=tensim verify%3A /s);
    expect(readFileSync(file, 'utf8')).toBe(junit.stdout);
  });

  test('keeps its verdict when nobody reads the report', async () => {
    const closed = Object.assign(
      new Writable({
        write(_chunk, _encoding, done) {
          done(Object.assign(new Error('closed'), { code: 'EPIPE' }));
        },
      }),
      { isTTY: false },
    );
    closed.on('error', () => {});
    const io = { stdout: closed, stderr: new Sink(), signal: new AbortController().signal, env: {} };
    expect(await run(['verify', base, negated], io)).toBe(1);
  });

  test('is 130 when interrupted, before and halfway', async () => {
    const before = await tensim(['verify', base, same], { signal: AbortSignal.abort() });
    expect({ code: before.code, stdout: before.stdout }).toEqual({ code: 130, stdout: '' });
    const stop = new AbortController();
    const stderr = new (class extends Sink {
      override _write(chunk: string, encoding: BufferEncoding, done: () => void): void {
        stop.abort();
        super._write(chunk, encoding, done);
      }
    })(true);
    const stdout = new Sink();
    expect(await run(['verify', base, same], { stdout, stderr, signal: stop.signal, env: {} })).toBe(130);
    expect([stderr.text === '', stdout.text]).toEqual([false, '']);
  });
});
