import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { TensimError } from '../../lib/errors.js';
import { inspect } from '../../lib/model/reading/inspect.js';
import { loadModel } from '../../lib/model/reading/load.js';
import { firstVisit } from '../../lib/model/reading/outline.js';
import { runJob } from '../../lib/similarity/jobs/run.js';
import { writeSetting } from '../../lib/similarity/jobs/setting.js';
import { readTile, type TileJob, writeTileJob } from '../../lib/similarity/jobs/tile.js';
import { matrixBy } from '../../lib/similarity/matrix.js';
import { similarity } from '../../lib/similarity/similarity.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { tensim } from '../cli/run.js';
import { fileIn, rawFile, rejection, temporaryFolder } from '../formats/safetensors/helpers.js';
import { attentionShapes, deepShapes, type Shapes, tensorsOf, writeCheckpoint } from './helpers.js';

const root = temporaryFolder();
let files = 0;
const fixture = (name: string) => join(import.meta.dirname, 'fixtures', name);

/** A file with these tensors; the metadata are as given. */
const write = (tensors: Shapes | ReadonlyMap<string, Tensor>, metadata: Record<string, string> = {}) =>
  writeCheckpoint(root, `file-${files++}.safetensors`, tensors, metadata);

/** The tensors of a deep network under other names. */
function renamed(name: (own: string) => string, shapes = deepShapes(1)): Map<string, Tensor> {
  return new Map([...tensorsOf(shapes)].map(([own, tensor]) => [name(own), tensor]));
}

/** A file with the weights of a deep network and other tensors, of any element type. */
function withOthers(others: Readonly<Record<string, readonly [dtype: string, shape: number[], bytes: Uint8Array]>>) {
  const own = [...tensorsOf(deepShapes(1))].map(
    ([name, { data, shape }]) => [name, ['F64', shape, new Uint8Array(data.buffer)]] as const,
  );
  const pieces: Uint8Array[] = [];
  let at = 0;
  const header = [...own, ...Object.entries(others)].map(([name, [dtype, shape, bytes]]) => {
    pieces.push(bytes);
    at += bytes.length;
    return [name, { dtype, shape, data_offsets: [at - bytes.length, at] }];
  });
  const json = JSON.stringify(Object.fromEntries(header));
  return fileIn(root, `file-${files++}.safetensors`, rawFile(json, Buffer.concat(pieces)));
}

const floats = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);

async function sameAs(file: string, other: string, options = {}): Promise<void> {
  const [a, b] = [await loadModel(file, options), await loadModel(other)];
  for (const measure of ['gaussian', 'weights'] as const)
    expect((await similarity(a, b, { measure })).similarity).toBe(1);
}

describe('names that wrappers leave', () => {
  test.each([
    'module.',
    '_orig_mod.',
    'model.',
    'net.',
    'base_model.model.',
    'module._orig_mod.',
    '_orig_mod.module.model.',
    'policy.actor.',
  ])('%s before all of them is taken off', async (prefix) => {
    const [plain, wrapped] = [await write(deepShapes(1)), await write(renamed((name) => prefix + name))];
    await sameAs(wrapped, plain);
    expect(await inspect(wrapped)).toMatchObject({ family: 'deep', prefix, problems: [], parameters: 92 });
    expect((await inspect(wrapped)).tensors[0].name).toBe(`${prefix}embed.weight`);
  });

  test('a compiled or sharded module within the network is known by the name of its wrapper', async () => {
    const inside = renamed((name) =>
      name.replace('body.', 'body._orig_mod.').replace('.l.', '._fsdp_wrapped_module.l.'),
    );
    await sameAs(await write(inside), await write(deepShapes(1)));
    await sameAs(
      await write(renamed((name) => `module.${name.replace('body.', 'body._orig_mod.')}`)),
      await write(deepShapes(1)),
    );
  });

  test.each(['ddp.pt', 'compiled.pt', 'lightning_ckpt.pt', 'wrapped.npz'])('%s is a model', async (name) => {
    expect(await inspect(fixture(name))).toMatchObject({ family: 'deep', problems: [] });
  });

  test('what a family begins with itself stays', async () => {
    const shapes = { 'transformer.h.0.mlp.w.weight': [4, 2], 'transformer.h.0.mlp.p.weight': [2, 2] };
    const file = await write(shapes);
    expect(await inspect(file, { config: { block: 0 } })).toMatchObject({ family: 'language model', prefix: null });
    const wrapped = await write(
      Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [`model.${name}`, shape])),
    );
    expect(await inspect(wrapped, { config: { block: 0 } })).toMatchObject({
      family: 'language model',
      prefix: 'model.',
    });
  });

  test('numbers are those of layers and no wrappers', async () => {
    const file = await write({ '0.left.weight': [2, 2], '0.right.weight': [2, 2], '0.down.weight': [2, 2] });
    expect((await rejection(loadModel(file))).code).toBe('UNSUPPORTED_LAYER');
  });

  test('errors name the tensor as in the file', async () => {
    const bad = renamed((name) => `module.${name}`);
    (bad.get('module.head.weight') as Tensor).data[3] = Number.NaN;
    expect(await rejection(loadModel(await write(bad)))).toMatchObject({
      code: 'NOT_FINITE',
      tensor: 'module.head.weight',
    });
    const odd = await write({
      ...Object.fromEntries([...renamed((name) => `module.${name}`)].map(([n, t]) => [n, t.shape])),
      'module.head.weight': [2, 5],
    });
    expect((await rejection(loadModel(odd))).message).toContain('"module.head.weight"');
    const more = new Map([...renamed((name) => `module.${name}`), ...tensorsOf({ 'module.extra.weight': [2] })]);
    const { message } = await rejection(loadModel(await write(more)));
    expect(message).toContain('the nearest is deep, with "module.extra.weight" left over');
    expect(message).toContain("--ignore 'module.extra.weight'");
    more.delete('module.body.0.r.weight');
    expect((await rejection(loadModel(await write(more)))).message).toContain('"module.body.0.r.weight" missing');
  });

  test('a name that is not under the prefix could be a weight, until it is ignored', async () => {
    const file = await write(new Map([...renamed((name) => `model.${name}`), ...tensorsOf({ 'loss.weight': [3] })]));
    expect(await rejection(loadModel(file))).toMatchObject({ code: 'UNSUPPORTED_LAYER' });
    await sameAs(file, await write(deepShapes(1)), { ignore: ['loss.*'] });
  });

  test('a model.json names tensors as in the file, or without the prefix', async () => {
    const file = await write(renamed((name) => `module.${name}`, { 'a.W': [2, 3], 'b.W': [2, 2] }));
    const description = (before: string) =>
      fileIn(
        root,
        `model-${files++}.json`,
        JSON.stringify({
          schema: 'tensim.model/1',
          layers: [
            { type: 'linear', weight: `${before}a.W` },
            { type: 'linear', weight: `${before}b.W` },
          ],
        }),
      );
    const full = await loadModel(file, { model: description('module.') });
    const short = await loadModel(file, { model: description('') });
    expect([...full.parameters.keys()]).toEqual(['module.a.W', 'module.b.W']);
    expect([...short.parameters.keys()]).toEqual(['a.W', 'b.W']);
    expect((await similarity(full, short)).similarity).toBe(1);
    const visit = (model: string) => firstVisit(file, { model }, () => false).then(({ outline }) => outline.identity);
    expect(await visit(description(''))).not.toBe(await visit(description('module.')));
  });

  test('a model.json beside that was written for the names in the file goes before what is taken off', async () => {
    const folder = join(root, `beside-${files++}`);
    mkdirSync(folder);
    const names = ['left', 'right', 'down'].map((side) => `net.${side}.weight`);
    await writeCheckpoint(folder, 'a.safetensors', Object.fromEntries(names.map((name) => [name, [2, 2]])));
    const file = join(folder, 'a.safetensors');
    expect(await inspect(file)).toMatchObject({ family: 'sides', prefix: 'net.' });
    const [left, right, down] = names;
    const layers = [{ type: 'bilinear', left, right, down, residual: { lerp: 0.5 } }];
    fileIn(folder, 'model.json', JSON.stringify({ schema: 'tensim.model/1', layers }));
    expect(await inspect(file)).toMatchObject({ family: 'custom', prefix: null, problems: [] });
    fileIn(
      folder,
      'model.json',
      JSON.stringify({ schema: 'tensim.model/1', layers: [{ type: 'linear', weight: 'gone' }] }),
    );
    expect(await inspect(file)).toMatchObject({ family: 'sides', prefix: 'net.' });
  });
});

describe('tensors that are no weights', () => {
  const causal = floats(1, 0, 0, 1, 1, 0, 1, 1, 1);
  const infinite = Number.NEGATIVE_INFINITY;
  test.each<[name: string, dtype: string, shape: number[], bytes: Uint8Array]>([
    ['bn.num_batches_tracked', 'I64', [], new Uint8Array(8)],
    ['n_averaged', 'I64', [], new Uint8Array(8)],
    ['_extra_state', 'U8', [0], new Uint8Array(0)],
    ['body.0._extra_state', 'U8', [5], new Uint8Array(5)],
    ['left.over', 'F32', [0, 3], new Uint8Array(0)],
    ['body.0.rotary.inv_freq', 'F32', [2], new Uint8Array(8)],
    ['position_ids', 'I64', [1, 2], new Uint8Array(16)],
    ['body.0.mask', 'F32', [3, 3], causal],
    ['body.0.attn.bias', 'F32', [1, 1, 3, 3], causal],
    ['body.0.attn.bias', 'U8', [1, 1, 2, 2], Uint8Array.of(1, 0, 1, 1)],
    ['body.0.attn.mask', 'BOOL', [3, 3], new Uint8Array(9)],
    ['body.0.causal_mask', 'F32', [2, 2], floats(0, infinite, 0, 0)],
    ['body.0.attn_mask', 'F32', [2, 2], floats(0, -1e9, 0, 0)],
    ['body.0.tril', 'F32', [2, 2], floats(1, 0, 1, 1)],
    ['body.0.mask', 'F32', [2, 2], floats(0, 1, 0, 0)],
  ])('%s, %s %j', async (name, dtype, shape, bytes) => {
    const file = withOthers({ [name]: [dtype, shape, bytes] });
    await sameAs(file, await write(deepShapes(1)));
    const { setAside, problems, tensors, parameters } = await inspect(file);
    expect({ names: setAside.map((one) => one.name), problems, parameters }).toEqual({
      names: [name],
      problems: [],
      parameters: 92,
    });
    expect(tensors.map((tensor) => tensor.name)).toContain(name);
  });

  test.each<[name: string, dtype: string, shape: number[], bytes: Uint8Array]>([
    ['body.0.mask', 'F32', [2, 2], floats(1, 0, 1, 0)],
    ['body.0.mask', 'F32', [2, 2], floats(1, 0, 0, 1)],
    ['body.0.mask', 'F32', [2, 2], floats(1, 0.5, 1, 1)],
    ['body.0.mask', 'F32', [3, 3], floats(1, 0, 0, 1, 1, 1, 1, 1, 1)],
    ['body.0.mask', 'F32', [2], floats(1, 1)],
    ['body.0.weight_mask', 'BOOL', [3, 3], new Uint8Array(9)],
    ['body.0.q', 'F32', [3, 3], causal],
    ['qweight', 'I32', [1], new Uint8Array(4)],
    ['logit_scale', 'F32', [], floats(2)],
  ])('but not %s, %s %j: it could be one', async (name, dtype, shape, bytes) => {
    const file = withOthers({ [name]: [dtype, shape, bytes] });
    const error = await rejection(loadModel(file));
    expect(error.code).toBe('UNSUPPORTED_LAYER');
    expect(error.message).toContain(`"${name}" left over`);
    await sameAs(file, await write(deepShapes(1)), { ignore: [name] });
  });

  test.each(['nbt.pt', 'extra_state_empty.pt', 'extra_buffer.pt'])('%s is a model', async (name) => {
    const { family, setAside, problems } = await inspect(fixture(name));
    expect({ family, setAside: setAside.length, problems }).toEqual({ family: 'deep', setAside: 1, problems: [] });
  });

  test('a network whose weights are called so keeps them', async () => {
    const description = fileIn(
      root,
      'mask.json',
      JSON.stringify({ schema: 'tensim.model/1', layers: [{ type: 'linear', weight: 'mask' }] }),
    );
    const file = await write(new Map([['mask', { data: Float64Array.of(1, 0, 1, 1), shape: [2, 2] }]]));
    expect([...(await loadModel(file, { model: description })).parameters.keys()]).toEqual(['mask']);
  });

  test('a description need not list them, and what it ignores is told', async () => {
    const description = fileIn(
      root,
      'ignores.json',
      JSON.stringify({
        schema: 'tensim.model/1',
        layers: [{ type: 'linear', weight: 'a' }],
        ignore: ['optimizer.*'],
      }),
    );
    const file = await write(
      new Map([
        ...tensorsOf({ a: [2, 2], 'optimizer.m': [2, 2] }),
        ['mask', { data: Float64Array.of(1, 0, 1, 1), shape: [2, 2] }],
      ]),
    );
    const { setAside, problems } = await inspect(file, { model: description });
    expect(problems).toEqual([]);
    expect(setAside).toEqual([
      { name: 'mask', reason: 'a causal mask' },
      { name: 'optimizer.m', reason: 'ignored by the description' },
    ]);
    const error = await rejection(loadModel(file, { model: description, ignore: ['a'] }));
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', tensor: 'a' });
  });
});

describe('ignore', () => {
  const odd = () =>
    write(new Map([...renamed((name) => `module.${name}`), ...tensorsOf({ 'module.probe.weight': [3], other: [1] })]));

  test('leaves out by patterns, in every command that reads models, and says so', async () => {
    const [file, plain] = [await odd(), await write(deepShapes(1))];
    const flags = ['--ignore', 'module.probe.*', '--ignore', 'other'];
    for (const command of [
      ['compare', file, plain],
      ['explain', file, plain],
      ['gate', file, '--against', plain],
      ['matrix', file, plain],
    ])
      expect(await tensim([...command, ...flags])).toMatchObject({ code: 0 });
    const { code, stdout } = await tensim(['inspect', file, ...flags]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/prefix +module\. \(taken off\)/);
    expect(stdout).toMatch(/set aside\n +module\.probe\.weight +ignored as asked\n +other +ignored as asked\n/);
  });

  test('goes along with jobs and members', async () => {
    const [file, plain] = [await odd(), await write(deepShapes(1))];
    const load = { ignore: ['*probe*', 'other'] };
    const jobs: TileJob[] = [];
    const { cosine } = await matrixBy(
      {
        tiles: (members, comparison) => ({
          atOnce: 1,
          prepared: 0,
          open: async () => ({ tile: 2, block: 4 }),
          run: async (job) => {
            const written = await writeTileJob(await writeSetting(comparison), members, job);
            jobs.push(written);
            return readTile(await runJob(JSON.parse(JSON.stringify(written))), job, 0);
          },
          close: async () => {},
        }),
      },
      [file, plain],
      { load },
    );
    expect(cosine[0][1]).toBe(1);
    expect(jobs[0].models.find(({ path }) => path === file)).toMatchObject({ ignore: load.ignore });
    const [job] = jobs;
    const changed = { ...job, models: job.models.map(({ ignore, ...model }) => model) };
    expect(await rejection(runJob(changed))).toMatchObject({ code: 'UNSUPPORTED_LAYER' });
  });

  test('is a list of texts', async () => {
    const file = await write(deepShapes(1));
    for (const ignore of ['head.*', [7]])
      expect(await rejection(loadModel(file, { ignore: ignore as never }))).toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

describe('tied weights', () => {
  const metadata = { n_head: '2', n_ctx: '3', mask: 'causal', attn_scale: '1' };
  const whole = tensorsOf(attentionShapes(1));
  whole.set('unembed.weight', whole.get('embed.weight')!);
  const stored = new Map([...whole].filter(([name]) => name !== 'unembed.weight'));

  test('that are stored once, as the metadata say, are those of both places', async () => {
    const written = await write(whole, metadata);
    const tied = await write(stored, { ...metadata, format: 'pt', 'unembed.weight': 'embed.weight' });
    const [a, b] = [await loadModel(tied), await loadModel(written)];
    expect((await similarity(a, b, { measure: 'weights' })).similarity).toBe(1);
    expect(a.parameterCount).toBe(b.parameterCount);
    expect(a.layers.at(-1)).toMatchObject({ weight: { shape: [5, 4] } });
    expect(await inspect(tied)).toMatchObject({
      family: 'attention',
      problems: [],
      tied: { 'unembed.weight': 'embed.weight' },
    });
    expect((await tensim(['inspect', tied])).stdout).toMatch(/tied +unembed\.weight is embed\.weight\n/);
  });

  test('under a prefix too', async () => {
    const wrapped = new Map([...stored].map(([name, tensor]) => [`model.${name}`, tensor]));
    const file = await write(wrapped, { ...metadata, 'model.unembed.weight': 'model.embed.weight' });
    expect(await inspect(file)).toMatchObject({ family: 'attention', prefix: 'model.', problems: [] });
  });

  test('a bias that a network need not have is not lost', async () => {
    const file = await write(deepShapes(1, true), {});
    const biased = await loadModel(file);
    const tensors = tensorsOf(deepShapes(1, true));
    tensors.set('body.0.r.bias', tensors.get('body.0.l.bias')!);
    const written = await write(tensors);
    tensors.delete('body.0.r.bias');
    const tied = await write(tensors, { 'body.0.r.bias': 'body.0.l.bias' });
    await sameAs(tied, written);
    expect((await similarity(biased, await loadModel(tied))).similarity).toBeLessThan(1);
  });

  test('metadata that name a tensor may say something else', async () => {
    const plain = await write(deepShapes(1));
    for (const prefix of ['', 'module.']) {
      const metadata = { output_layer: `${prefix}head.weight` };
      const file = await write(
        renamed((name) => prefix + name),
        metadata,
      );
      await sameAs(file, plain);
      expect(await inspect(file)).toMatchObject({ tied: {}, prefix: prefix || null });
    }
  });

  test('but not by metadata that name no tensor', async () => {
    const file = await write(stored, { ...metadata, 'unembed.weight': 'gone.weight' });
    expect(await loadModel(file).catch((error) => error)).toBeInstanceOf(TensimError);
  });
});
