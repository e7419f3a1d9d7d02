import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { evaluate } from '../../lib/evaluation/evaluate.js';
import type { AttentionLayer, BilinearLayer, LinearLayer } from '../../lib/model/model.js';
import { inspect } from '../../lib/model/reading/inspect.js';
import { type LoadOptions, loadModel } from '../../lib/model/reading/load.js';
import { similarity } from '../../lib/similarity/similarity.js';
import { fileIn, rejection, temporaryFolder } from '../formats/safetensors/helpers.js';
import { attentionShapes, imageShapes, type Shapes, tensorsOf, transformerShapes, writeCheckpoint } from './helpers.js';

const root = temporaryFolder();
let folders = 0;
const METADATA = { n_head: '2', n_ctx: '3', attn_scale: '0.25', mask: 'causal' };

/** A checkpoint in a folder of its own, with what lies beside it. */
async function checkpoint(shapes: Shapes, metadata: Readonly<Record<string, string>>, config?: object | string) {
  const folder = join(root, `${folders++}`);
  mkdirSync(folder);
  if (config !== undefined) fileIn(folder, 'config.json', typeof config === 'string' ? config : JSON.stringify(config));
  return { folder, path: await writeCheckpoint(folder, 'net.safetensors', shapes, metadata) };
}

async function load(
  shapes: Shapes,
  metadata: Readonly<Record<string, string>>,
  options?: LoadOptions,
  config?: object,
) {
  return loadModel((await checkpoint(shapes, metadata, config)).path, options);
}

const without = (key: string) => Object.fromEntries(Object.entries(METADATA).filter(([name]) => name !== key));
const attentionOf = (model: { layers: readonly unknown[] }, index = 1) => model.layers[index] as AttentionLayer;

describe('attention', () => {
  test('is read with its settings; the rows of the embedding are tokens', async () => {
    const model = await load(attentionShapes(2, true), METADATA);
    expect(model).toMatchObject({ family: 'attention', inputShape: [3, 5], outputShape: [3, 5], degree: 25 });
    expect(attentionOf(model, 2)).toMatchObject({
      heads: 2,
      mask: 'causal',
      rotaryBase: 10_000,
      alpha: 1,
      beta: 0.25,
    });
    const rows = model.parameters.get('embed.weight')!.data;
    const columns = (model.layers[0] as LinearLayer).weight;
    expect(columns.shape).toEqual([4, 5]);
    for (let token = 0; token < 5; token++)
      for (let i = 0; i < 4; i++) expect(columns.data[i * 5 + token]).toBe(rows[token * 4 + i]);
    expect(attentionOf(model).k2Bias).toBe(model.parameters.get('layers.0.k2.bias'));
    expect(attentionOf(model).vBias).toBeUndefined();
  });

  test('q and k alone are both pairs, and count once among the parameters', async () => {
    const model = await load(attentionShapes(1, true, ['q', 'k']), METADATA);
    const { q1, q2, k1, k2, q1Bias, q2Bias } = attentionOf(model);
    expect(q1).toBe(q2);
    expect(k1).toBe(k2);
    expect(q1Bias).toBe(q2Bias);
    expect(model.parameterCount).toBe(2 * 20 + 4 * 16 + 2 * 4);
  });

  test('q and k beside q1 are no known family', async () => {
    const { path } = await checkpoint({ ...attentionShapes(1), 'layers.0.q.weight': [4, 4] }, METADATA);
    expect(await rejection(loadModel(path))).toMatchObject({ code: 'UNSUPPORTED_LAYER' });
  });

  test('a final mean energy scales the unembedding', async () => {
    const tensors = tensorsOf(attentionShapes(1));
    const plain = await loadModel(await writeCheckpoint(root, 'plain.safetensors', tensors, METADATA));
    tensors.set('final_norm.running_mean_energy', { data: Float64Array.of(0.25), shape: [] });
    const scaled = await loadModel(await writeCheckpoint(root, 'scaled.safetensors', tensors, METADATA));
    const tokens = [[4, 0, 2]];
    const [x, y] = [await evaluate(plain, tokens), await evaluate(scaled, tokens)];
    const factor = (0.25 + 1e-6) ** -0.5;
    for (const [i, value] of x.data.entries()) expect(y.data[i] / (factor * value)).toBeCloseTo(1, 12);
    expect(scaled.parameters.has('final_norm.running_mean_energy')).toBe(true);
    for (const [data, code] of [
      [[-1], 'NOT_FINITE'],
      [[1, 2], 'SHAPE_MISMATCH'],
    ] as const) {
      tensors.set('final_norm.running_mean_energy', { data: Float64Array.from(data), shape: [data.length] });
      const path = await writeCheckpoint(root, 'wrong.safetensors', tensors, METADATA);
      expect(await rejection(loadModel(path))).toMatchObject({ code, tensor: 'final_norm.running_mean_energy' });
    }
  });

  test('a layer of normalisation is refused by its name', async () => {
    const { path } = await checkpoint({ ...attentionShapes(2), 'layers.0.norm.weight': [4] }, METADATA);
    const error = await rejection(loadModel(path));
    expect(error.code).toBe('UNSUPPORTED_LAYER');
    expect(error.message).toContain('"layers.0.norm.weight" looks like a normalisation');
  });

  test('is compared exactly with one layer, and not with two; inspect says so', async () => {
    const { path } = await checkpoint(attentionShapes(1), METADATA);
    const model = await loadModel(path);
    expect((await similarity(model, model, { measure: 'weights' })).similarity).toBe(1);
    expect(await similarity(model, model)).toMatchObject({ similarity: 1, method: 'exact', exact: true });
    const found = await inspect(path);
    expect(found).toMatchObject({
      family: 'attention',
      positions: 3,
      inputs: 5,
      outputs: 5,
      degree: 5,
      method: 'exact',
    });
    expect(found.layers).toEqual([
      'linear 5 → 4',
      'attention 4 → 2 × 2 → 4, causal, rotary base 10000, residual 1 x + 0.25 block(x)',
      'linear 4 → 5',
    ]);
    expect(found.problems).toEqual([]);
    const deep = (await checkpoint(attentionShapes(2), METADATA)).path;
    const exact = { method: 'exact' } as const;
    expect(await rejection(similarity(await loadModel(deep), model, exact))).toMatchObject({
      code: 'UNSUPPORTED_LAYER',
    });
    expect(await inspect(deep)).toMatchObject({ method: 'sampled', problems: [] });
  });
});

describe('transformer and image', () => {
  test('a transformer is attention and a bilinear block in turns, with one lerp residual', async () => {
    const model = await load(transformerShapes(2, true), { n_head: '1', n_ctx: '4', mask: 'none', scale: '0.5' });
    expect(model).toMatchObject({ family: 'transformer', inputShape: [4, 3], outputShape: [4, 2], degree: 100 });
    expect(model.layers.map(({ type }) => type)).toEqual([
      'linear',
      'attention',
      'bilinear',
      'attention',
      'bilinear',
      'linear',
    ]);
    for (const layer of model.layers.slice(1, -1)) expect(layer).toMatchObject({ alpha: 0.5, beta: 0.5 });
    expect(attentionOf(model).q1Bias?.shape).toEqual([4]);
    expect(attentionOf(model)).toMatchObject({ heads: 1, mask: 'none' });
  });

  test('a transformer does not guess its scale', async () => {
    const { path } = await checkpoint(transformerShapes(1), { n_head: '1', n_ctx: '4', mask: 'none' });
    expect((await rejection(loadModel(path))).message).toContain('"scale"');
  });

  test.each([
    [undefined, 0],
    ['false', 0],
    ['True', 1],
    ['1', 1],
  ])('an image model with the residual %s has α = %s', async (residual, alpha) => {
    const model = await load(imageShapes(3, true), residual === undefined ? {} : { residual });
    expect(model).toMatchObject({ family: 'image', inputShape: [1, 6], outputShape: [1, 3], degree: 8 });
    const block = model.layers[1] as BilinearLayer;
    const whole = model.parameters.get('blocks.0.weight')!;
    expect(block).toMatchObject({ alpha, beta: 1 });
    expect(block.down).toBeUndefined();
    expect(block.left.data).toEqual(whole.data.subarray(0, 16));
    expect(block.right.data).toEqual(whole.data.subarray(16));
    expect(block.rightBias?.shape).toEqual([4]);
  });
});

describe('settings', () => {
  test.each([
    ['n_head', 'config.heads'],
    ['n_ctx', 'config.context'],
    ['attn_scale', 'config.scale'],
    ['mask', 'config.mask'],
  ])('a missing %s is an error that names it and says where it may be given', async (name, option) => {
    const { path } = await checkpoint(attentionShapes(1), without(name), { other: 1 });
    const error = await rejection(loadModel(path));
    expect(error).toMatchObject({ code: 'INVALID_FILE', file: path });
    for (const part of [`"${name}"`, 'metadata', 'config.json', option]) expect(error.message).toContain(part);
  });

  test('options go before metadata, and that before a config.json beside the checkpoint', async () => {
    const shapes = attentionShapes(1);
    const beside = { n_head: 4, n_ctx: 9, attn_scale: 3, mask: 'none', rotary_base: 'none' };
    expect((await load(shapes, {}, {}, { ...beside })).inputShape[0]).toBe(9);
    expect(attentionOf(await load(shapes, {}, {}, beside))).toMatchObject({
      heads: 4,
      beta: 3,
      mask: 'none',
      rotaryBase: null,
    });
    const both = await load(shapes, METADATA, {}, beside);
    expect(attentionOf(both)).toMatchObject({ heads: 2, beta: 0.25, mask: 'causal', rotaryBase: null });
    const config = { heads: 1, context: 2, scale: 0.5, mask: 'none', rotaryBase: 77 } as const;
    const chosen = await load(shapes, METADATA, { config }, beside);
    expect(attentionOf(chosen)).toMatchObject({ heads: 1, beta: 0.5, mask: 'none', rotaryBase: 77 });
    expect(chosen.inputShape).toEqual([2, 5]);
    const none = await load(shapes, { ...METADATA, rotary_base: '500' }, { config: { rotaryBase: null } });
    expect(attentionOf(none).rotaryBase).toBeNull();
  });

  test('a config.json that is given goes before metadata', async () => {
    const { path, folder } = await checkpoint(attentionShapes(1), METADATA);
    const config = fileIn(folder, 'mine.json', JSON.stringify({ n_ctx: 6, rotary_base: null }));
    const model = await loadModel(path, { config });
    expect(model.inputShape).toEqual([6, 5]);
    expect(attentionOf(model)).toMatchObject({ heads: 2, rotaryBase: null });
    expect(await rejection(loadModel(path, { config: join(folder, 'no.json') }))).toMatchObject({
      code: 'FILE_NOT_FOUND',
    });
  });

  test.each([
    ['n_head', '0'],
    ['n_head', '1.5'],
    ['n_head', 'two'],
    ['n_ctx', '-3'],
    ['n_ctx', '1e300'],
    ['attn_scale', 'nan'],
    ['mask', 'sliding'],
    ['rotary_base', '0'],
    ['rotary_base', '-1'],
  ])('%s = %s is refused', async (name, value) => {
    const { path } = await checkpoint(attentionShapes(1), { ...METADATA, [name]: value });
    const error = await rejection(loadModel(path));
    expect(error).toMatchObject({ code: 'INVALID_FILE', file: path });
    expect(error.message).toContain(`"${name}" is "${value}"`);
  });

  test('a wrong option is an argument that cannot be', async () => {
    const { path } = await checkpoint(attentionShapes(1), METADATA);
    for (const config of [{ heads: 0 }, { mask: 'full' as never }, { context: Number.NaN }])
      expect(await rejection(loadModel(path, { config }))).toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  test('a config.json is no matter where nothing is looked for in it, and must be an object where it is', async () => {
    const complete = await checkpoint(attentionShapes(1), { ...METADATA, rotary_base: '100' }, 'not JSON');
    expect(attentionOf(await loadModel(complete.path)).rotaryBase).toBe(100);
    for (const text of ['not JSON', '[1]', 'null']) {
      const { path, folder } = await checkpoint(attentionShapes(1), {}, text);
      expect(await rejection(loadModel(path))).toMatchObject({
        code: 'INVALID_FILE',
        file: join(folder, 'config.json'),
      });
    }
  });

  test('heads that do not divide the width, or are odd under a rotary embedding, are refused by the tensor', async () => {
    for (const n_head of ['3', '4']) {
      const { path } = await checkpoint(attentionShapes(1), { ...METADATA, n_head });
      expect(await rejection(loadModel(path))).toMatchObject({ code: 'SHAPE_MISMATCH', tensor: 'layers.0.q1.weight' });
    }
  });
});

describe('a model.json with attention', () => {
  const layers = [
    { type: 'linear', weight: 'tok', transposed: true },
    {
      type: 'attention',
      q: 'a.q',
      k: 'a.k',
      qBias: 'a.b',
      v: 'a.v',
      o: 'a.o',
      heads: 2,
      mask: 'causal',
      rotaryBase: null,
      residual: { add: 0.5 },
    },
    { type: 'linear', weight: 'out', meanEnergy: 'energy' },
  ];
  const shapes: Shapes = {
    tok: [5, 4],
    'a.q': [4, 4],
    'a.k': [4, 4],
    'a.b': [4],
    'a.v': [4, 4],
    'a.o': [4, 4],
    out: [5, 4],
    energy: [1],
  };
  const describeAs = (folder: string, fields: object) =>
    fileIn(folder, 'model.json', JSON.stringify({ schema: 'tensim.model/1', ...fields }));

  test('describes what the family attention has', async () => {
    const { path, folder } = await checkpoint(shapes, {});
    describeAs(folder, { positions: 3, layers });
    const model = await loadModel(path);
    expect(model).toMatchObject({ family: 'custom', inputShape: [3, 5], outputShape: [3, 5], degree: 5 });
    const { q1, q2, q1Bias, q2Bias, k1Bias } = attentionOf(model);
    expect([q1, q1Bias]).toEqual([q2, q2Bias]);
    expect(k1Bias).toBeUndefined();
    const out = model.parameters.get('out')!.data;
    const factor = (model.parameters.get('energy')!.data[0] + 1e-6) ** -0.5;
    expect((model.layers[2] as LinearLayer).weight.data[7]).toBeCloseTo(out[7] * factor, 12);
  });

  const [embed, attention, head] = layers;
  test.each([
    ['no positions', { layers }, '"positions"'],
    ['positions that are none', { positions: 0, layers }, '"positions"'],
    ['no heads', { positions: 3, layers: [embed, { ...attention, heads: undefined }, head] }, '"heads"'],
    ['no mask', { positions: 3, layers: [embed, { ...attention, mask: undefined }, head] }, '"mask"'],
    [
      'no rotary base',
      { positions: 3, layers: [embed, { ...attention, rotaryBase: undefined }, head] },
      '"rotaryBase"',
    ],
    ['no values', { positions: 3, layers: [embed, { ...attention, v: undefined }, head] }, '"v"'],
    ['q beside q1', { positions: 3, layers: [embed, { ...attention, q1: 'a.q' }, head] }, '"q" as well as "q1"'],
    [
      'a flag that is none',
      { positions: 3, layers: [{ ...embed, transposed: 'yes' }, attention, head] },
      '"transposed"',
    ],
    ['softmax', { positions: 3, layers: [embed, { ...attention, softmax: true }, head] }, '"softmax"'],
  ])('%s is refused by name', async (_, fields, name) => {
    const { path, folder } = await checkpoint(shapes, {});
    describeAs(folder, fields);
    const error = await rejection(loadModel(path));
    expect(error.code).toBe('INVALID_FILE');
    expect(error.message).toContain(name);
  });
});
