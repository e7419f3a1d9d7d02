import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openCheckpoint } from '../../lib/formats/checkpoint.js';
import { inspect } from '../../lib/model/reading/inspect.js';
import { loadModel } from '../../lib/model/reading/load.js';
import { expandPaths } from '../../lib/model/reading/paths.js';
import { openModel, readModel, writeModel } from '../../lib/similarity/jobs/models.js';
import { similarityMatrix } from '../../lib/similarity/matrix.js';
import { openMembers } from '../../lib/similarity/members/members.js';
import { similarity } from '../../lib/similarity/similarity.js';
import { tensim } from '../cli/run.js';
import { checkpoint } from '../formats/pytorch/checkpoint.js';
import { fileIn, rejection, temporaryFolder } from '../formats/safetensors/helpers.js';
import { dict, global, int, list, pickle, reduce, tensor, text, tuple } from '../support/pickle.js';

const root = temporaryFolder();
const fixture = (name: string) => join('test/formats/pytorch/fixtures/places', name);
const EMA = fixture('ema.pt');
const FALLBACK = ['--backend', 'fallback'];

describe('two keys of one file', () => {
  const memberOf = async (key?: string, path = EMA) => (await openMembers([path], { key }))[0];

  test('are two models, for digests and for state files', async () => {
    const [model, ema, again] = [await memberOf('model'), await memberOf('ema'), await memberOf('ema')];
    expect(await ema.identity()).not.toBe(await model.identity());
    expect(await ema.identity()).toBe(await again.identity());
    const state = join(root, 'keys.state');
    const reused = async (key: string) =>
      (await similarityMatrix([EMA], { state, load: { key }, backend: 'fallback' })).work.reused;
    expect(await reused('model')).toBe(0);
    expect(await reused('ema')).toBe(0);
    expect(await reused('model')).toBe(1);
    expect(await reused('ema')).toBe(1);
  });

  test('are kept apart by the jobs of other processes', async () => {
    const file = await writeModel(await memberOf('ema'));
    expect(file.key).toBe('ema');
    const read = readModel(JSON.parse(JSON.stringify(file)), 'model');
    expect(read).toEqual(file);
    const { parameters } = await (await openModel(read, undefined)).load();
    expect(parameters).toEqual((await loadModel(EMA, { key: 'ema' })).parameters);
    expect(await rejection(openModel({ ...read, key: 'model' }, undefined))).toMatchObject({ code: 'INVALID_FILE' });
    expect(() => readModel({ ...file, key: 7 }, 'model')).toThrow('model.key must be text');
    const { key, ...without } = await writeModel(await memberOf(undefined, fixture('net.pt')));
    expect(key).toBeUndefined();
    expect(readModel(without, 'model')).toEqual(without);
  });

  test('files without places are read as without a key', async () => {
    const path = 'examples/digits-backdoor/step_06000.safetensors';
    const [plain, keyed] = [await memberOf(undefined, path), await memberOf('model', path)];
    expect(await keyed.identity()).toBe(await plain.identity());
    expect(keyed.outline.provenance).not.toHaveProperty('key');
  });
});

describe('every command that reads models takes a key:', () => {
  test('inspect, compare, explain, gate and matrix', async () => {
    const inspected = await tensim(['inspect', EMA, '--key', 'ema', '--json']);
    expect(JSON.parse(inspected.stdout)).toMatchObject({ place: 'ema', family: 'deep', parameters: 96 });
    expect((await tensim(['inspect', EMA, '--key', 'ema'])).stdout).toContain('under "ema"');
    // The key is that of both files.
    const other = fixture('model_tensorstep.pt');
    const compared = await tensim(['compare', EMA, other, '--key', 'model', '--json', ...FALLBACK]);
    expect(compared).toMatchObject({ code: 0, stderr: '' });
    const both = await Promise.all([EMA, other].map((path) => loadModel(path, { key: 'model' })));
    expect(JSON.parse(compared.stdout).similarity).toBe(
      (await similarity(both[0], both[1], { backend: 'fallback' })).similarity,
    );
    for (const [args, said] of [
      [['explain', EMA, other], /^$/],
      [['gate', EMA, '--against', EMA], /^$/],
      [['matrix', EMA, other], /^note: In alphabetical order[^\n]*\n$/],
    ] as const) {
      const { code, stderr } = await tensim([...args, '--key', 'model', ...FALLBACK]);
      expect([args[0], code]).toEqual([args[0], 0]);
      expect(stderr).toMatch(said);
      expect((await tensim([...args, '--key', 'nothing', ...FALLBACK])).code).toBe(2);
      expect((await tensim([...args, ...FALLBACK])).code).toBe(2);
    }
  });

  test('convert', async () => {
    const out = join(root, 'ema.npz');
    expect((await tensim(['convert', EMA, out])).stderr).toContain('"ema" (5 tensors, 96 numbers)');
    expect((await tensim(['convert', EMA, out, '--key', 'ema'])).code).toBe(0);
    const [wanted, found] = [await openCheckpoint(EMA, { key: 'ema' }), await openCheckpoint(out)];
    expect((await found.read('head.weight')).data).toEqual((await wanted.read('head.weight')).data);
    await Promise.all([wanted.close(), found.close()]);
  });
});

test('a baseline of another key is one of another reference', async () => {
  const gate = ['gate', EMA, '--against', EMA, '--format', 'json', ...FALLBACK];
  const { stdout } = await tensim([...gate, '--key', 'model']);
  expect(JSON.parse(stdout).reference).toMatchObject({ key: 'model' });
  const baseline = fileIn(root, 'baseline.json', stdout);
  expect((await tensim([...gate, '--key', 'model', '--baseline', baseline])).code).toBe(0);
  const other = await tensim([...gate, '--key', 'ema', '--baseline', baseline]);
  expect(other.code).toBe(2);
  expect(other.stderr).toContain('another reference');
});

test('tensors of contractions are found under a key', async () => {
  const product = ['contract', 'ij,kj->ik', `${EMA}:head.weight`, `${EMA}:body.0.l.weight`, '--json'];
  const keyed = await tensim([...product, '--key', 'ema']);
  expect(keyed).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(keyed.stdout)).not.toEqual(JSON.parse((await tensim([...product, '--key', 'model'])).stdout));
  expect((await tensim(product)).code).toBe(2);
});

test('the steps of files of several models are read under the key', async () => {
  const folder = join(root, 'steps');
  mkdirSync(folder);
  for (const [name, step] of [
    ['a', 30],
    ['b', 4],
  ] as const) {
    const ema = dict([text('b.weight'), tensor()]);
    const content = dict(
      [text('step'), int(step)],
      [text('model'), dict([text('a.weight'), tensor()])],
      [text('ema'), ema],
    );
    fileIn(folder, `${name}.pt`, checkpoint(pickle(content)));
  }
  const inOrder = (names: string[]) => names.map((name) => join(folder, `${name}.pt`));
  expect(await expandPaths([folder], undefined, { key: 'ema' })).toEqual(inOrder(['b', 'a']));
  expect(await expandPaths([folder])).toEqual(inOrder(['a', 'b']));
});

describe('files that are no models', () => {
  const optimizer = dict(
    [text('state'), dict([int(0), dict([text('exp_avg'), tensor()])])],
    [text('param_groups'), list(dict())],
  );
  const data = dict([text('x'), tensor()], [text('y'), tensor({ shape: [6], strides: [1] })]);
  const others: Readonly<Record<string, Buffer>> = {
    'optimizer_step_2.pt': optimizer,
    'data.pt': data,
    'pairs.pt': tuple(tensor(), tensor()),
    'scheduler_1.pt': dict([text('last_epoch'), int(3)]),
    'arguments.bin': reduce(global('transformers.training_args', 'TrainingArguments')),
  };
  const folderOf = (name: string, models: readonly string[]) => {
    const folder = join(root, name);
    mkdirSync(folder);
    for (const model of models) copyFileSync(fixture('net.pt'), join(folder, model));
    for (const [file, content] of Object.entries(others)) fileIn(folder, file, checkpoint(pickle(content)));
    return folder;
  };

  test('in a folder are passed over and named; given by their paths they are errors', async () => {
    const folder = folderOf('run', ['step_1.pt', 'step_2.ckpt']);
    const models = ['step_1.pt', 'step_2.ckpt'].map((name) => join(folder, name));
    const skipped: string[] = [];
    expect(await expandPaths([folder], undefined, { onSkipped: (path) => skipped.push(path) })).toEqual(models);
    expect(skipped.sort()).toEqual(
      Object.keys(others)
        .sort()
        .map((name) => join(folder, name)),
    );
    expect(await expandPaths([join(folder, '*')])).toEqual(models);
    const { code, stderr } = await tensim(['matrix', folder, ...FALLBACK]);
    expect(code).toBe(0);
    expect(stderr).toContain(`passed over, no model: ${join(folder, 'data.pt')} (of no known family)\n`);
    expect(stderr).toContain(
      `passed over, no model: ${join(folder, 'optimizer_step_2.pt')} (it holds no state dict)\n`,
    );
    for (const file of ['data.pt', 'optimizer_step_2.pt']) {
      const given = await tensim(['matrix', folder, join(folder, file), ...FALLBACK]);
      expect(given.code).not.toBe(0);
      expect(given.stderr).toContain(file);
    }
  });

  test('do not count where a folder stands for the one model in it', async () => {
    const folder = join(root, 'single');
    mkdirSync(folder);
    copyFileSync(fixture('net.pt'), join(folder, 'model.pt'));
    fileIn(folder, 'optimizer_step_2.pt', checkpoint(pickle(optimizer)));
    fileIn(folder, 'tokens.bin', Buffer.alloc(64, 7));
    expect(await inspect(folder)).toMatchObject({ family: 'deep', files: [join(folder, 'model.pt')] });
  });

  test('are told by loading where there is nothing else', async () => {
    const folder = folderOf('nothing', []);
    const skipped: string[] = [];
    const found = await expandPaths([folder], undefined, { onSkipped: (path) => skipped.push(path) });
    expect([found.length, skipped]).toEqual([Object.keys(others).length, []]);
    expect((await tensim(['matrix', folder, ...FALLBACK])).code).not.toBe(0);
  });

  test('are not those that are damaged, or of which it is not clear which of several is meant', async () => {
    const folder = folderOf('damaged', ['step_1.pt', 'step_2.pt']);
    fileIn(folder, 'step_3.pt', 'damaged');
    copyFileSync(EMA, join(folder, 'step_4.pt'));
    expect(await expandPaths([folder])).toEqual([1, 2, 3, 4].map((step) => join(folder, `step_${step}.pt`)));
  });
});
