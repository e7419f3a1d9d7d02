import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { draftModel, type ModelDraft } from '../../lib/model/reading/draft/draft.js';
import { type LoadOptions, loadModel } from '../../lib/model/reading/load.js';
import { tensim } from '../cli/run.js';
import { fileIn, rejection, temporaryFolder } from '../formats/safetensors/helpers.js';
import { node, onnx, tensor } from '../support/onnx.js';
import {
  attentionShapes,
  bilinearShapes,
  deepShapes,
  imageShapes,
  type Shapes,
  transformerShapes,
  writeCheckpoint,
} from './helpers.js';

const root = temporaryFolder();
let folders = 0;
const write = async (shapes: Shapes, beside: Readonly<Record<string, object>> = {}): Promise<string> => {
  const folder = join(root, `${folders++}`);
  mkdirSync(folder);
  for (const [name, fields] of Object.entries(beside)) fileIn(folder, name, JSON.stringify(fields));
  return writeCheckpoint(folder, 'net.safetensors', shapes);
};
const asFile = ({ description }: Pick<ModelDraft, 'description'>): string =>
  fileIn(root, `model${folders++}.json`, JSON.stringify(description, null, 2));

const pairs = (prefix: string, suffix = ''): Shapes =>
  Object.fromEntries(['q1', 'k1', 'q2', 'k2', 'v', 'o'].map((part) => [`${prefix}.${part}${suffix}.weight`, [4, 4]]));
const SETTINGS = { heads: 2, context: 3, mask: 'causal', scale: 0.25, residual: true } as const;
const VPD: Shapes = {
  'embed.weight': [5, 4],
  ...pairs('blocks.0.attn', '_proj'),
  'blocks.0.mlp.w_m.weight': [3, 4],
  'blocks.0.mlp.w_n.weight': [3, 4],
  'blocks.0.mlp.w_proj.weight': [4, 3],
  ...{ 'blocks.0.norm_attn.scale': [4], 'blocks.0.norm_mlp.scale': [4], 'final_norm.scale': [4] },
  'unembed.weight': [5, 4],
};

describe('a draft of a known family', () => {
  test.each<[string, Shapes, LoadOptions['config']]>([
    ['bilinear', bilinearShapes(), {}],
    ['deep', deepShapes(2, true), { scale: 0.5 }],
    ['image', imageShapes(2, true), {}],
    ['attention', { ...attentionShapes(2), 'final_norm.running_mean_energy': [1] }, SETTINGS],
    ['transformer', transformerShapes(1, true), { ...SETTINGS, rotaryBase: null }],
    [
      'tensor_language',
      { 'embed.weight': [5, 4], ...pairs('layers.0'), 'head.weight': [5, 4] },
      { heads: 2, context: 3, norm: 'none' },
    ],
    ['bilinear_vpd', VPD, { heads: 2, context: 3, norm: 'channel' }],
    ['bae', { left: [4, 6], right: [4, 6], down: [6, 3] }, {}],
    ['mlp', { 'fc1.weight': [6, 4], 'fc1.bias': [6], 'fc2.weight': [2, 6] }, { activation: 'leaky_relu(0.2)' }],
    ['gated', { 'gate.weight': [6, 4], 'up.weight': [6, 4], 'down.weight': [4, 6] }, { activation: 'silu' }],
  ])('%s describes it as it is read', async (family, shapes, config) => {
    const path = await write(shapes);
    const known = await loadModel(path, { config });
    expect(known.family).toBe(family);
    const draft = await draftModel(path, { config });
    expect(draft).toMatchObject({ guessed: false, missing: [], left: [] });
    const described = await loadModel(path, { model: asFile(draft) });
    expect(described.layers).toEqual(known.layers);
    expect(described.inputShape).toEqual(known.inputShape);
  });

  test('leaves out what belongs to no layer, and says what was assumed', async () => {
    const policy: Shapes = {
      ...{ 'mlp_extractor.policy_net.0.weight': [8, 4], 'mlp_extractor.policy_net.0.bias': [8] },
      ...{ 'mlp_extractor.value_net.0.weight': [8, 4], 'mlp_extractor.value_net.0.bias': [8] },
      ...{ 'action_net.weight': [2, 8], 'action_net.bias': [2], 'value_net.weight': [1, 8], 'value_net.bias': [1] },
    };
    const path = await write(policy);
    const draft = await draftModel(path, { config: { activation: 'tanh' } });
    expect(draft.description.ignore).toContain('value_net.weight');
    expect(draft.description.remarks).toContainEqual('activation is tanh: given.');
    expect((await loadModel(path, { model: asFile(draft) })).outputShape).toEqual([1, 2]);
  });
});

describe('a draft of an ONNX model', () => {
  const gemm = (attributes: Record<string, number>) =>
    fileIn(
      root,
      `gemm${folders++}.onnx`,
      onnx({
        nodes: [node('Gemm', ['x', 'w', 'b'], ['y'], attributes)],
        tensors: [tensor('w', [2, 3], [1, -2, 3, 0.5, 4, -1]), tensor('b', [2], [10, 20])],
        input: ['n', 3],
      }),
    );

  test('describes what its graph says', async () => {
    const path = gemm({ transB: 1 });
    const draft = await draftModel(path);
    expect(draft.description.layers).toEqual([{ type: 'linear', weight: 'w', bias: 'b' }]);
    expect((await loadModel(path, { model: asFile(draft) })).layers).toEqual((await loadModel(path)).layers);
  });

  test('is refused where no description can', async () => {
    const unknown = onnx({ nodes: [node('TopK', ['x'], ['y'])], tensors: [], input: ['n', 3] });
    for (const path of [gemm({ transB: 1, beta: 2.5 }), fileIn(root, 'unknown.onnx', unknown)])
      expect(await rejection(draftModel(path))).toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: expect.stringContaining('says itself what its layers are'),
      });
  });
});

describe('a draft of a network that is not known', () => {
  test('of a chain says where something may stand, and is read when that is filled in', async () => {
    const path = await write({ 'enc_a.weight': [6, 4], 'enc_b.weight': [6, 5], 'enc_b.bias': [5], 'z.weight': [2, 5] });
    const draft = await draftModel(path);
    expect(draft).toMatchObject({ guessed: true, left: [] });
    expect(draft.missing).toEqual([
      expect.stringMatching(/^layers\[0\]\.activation: /),
      expect.stringMatching(/^layers\[1\]\.activation: /),
    ]);
    expect(await rejection(loadModel(path, { model: asFile(draft) }))).toMatchObject({
      code: 'INVALID_FILE',
      message: expect.stringContaining('FILL IN'),
    });
    const text = JSON.stringify(draft.description).replaceAll(/FILL IN[^"\\]*(?:\\"[^"\\]*)*/g, 'relu');
    const model = await loadModel(path, { model: fileIn(root, `filled${folders++}.json`, text) });
    expect(model.layers.map(({ type }) => type)).toEqual(['hidden', 'hidden', 'linear']);
    // The second matrix is stored with its inputs in rows, as only its neighbours tell.
    expect(model.layers[1]).toMatchObject({ weight: { shape: [5, 6] } });
  });

  test('of blocks has them by their numbers, with the norms before them, and marks every guess', async () => {
    const block = (i: number): Shapes => ({
      ...Object.fromEntries(
        ['wq', 'q', 'k', 'v', 'o'].slice(1).map((part) => [`net.block.${i}.att.${part}_proj.weight`, [4, 4]]),
      ),
      [`net.block.${i}.norm1.weight`]: [4],
      [`net.block.${i}.ff.up.weight`]: [8, 4],
      [`net.block.${i}.ff.down.weight`]: [4, 8],
      [`net.block.${i}.ff.down.bias`]: [4],
      [`net.block.${i}.norm2.gamma`]: [4],
    });
    const blocks = Object.assign({}, ...Array.from({ length: 11 }, (_, i) => block(10 - i)));
    const shapes: Shapes = {
      'net.lm_head.weight': [9, 4],
      ...blocks,
      'net.tok_emb.weight': [9, 4],
      'net.last_norm.weight': [4],
    };
    const draft = await draftModel(await write(shapes));
    const layers = draft.description.layers as readonly { type: string; branches?: readonly { q?: string }[][] }[];
    expect(layers.map(({ type }) => type)).toEqual([
      'linear',
      ...Array.from({ length: 22 }, () => 'parallel'),
      'rms_norm',
      'linear',
    ]);
    expect(layers[21].branches?.[0]).toMatchObject([
      { type: 'rms_norm', weight: 'net.block.10.norm1.weight' },
      { type: 'softmax_attention', q: 'net.block.10.att.q_proj.weight', heads: expect.stringMatching(/^FILL IN/) },
    ]);
    expect(layers[22].branches?.[0]).toMatchObject([
      { type: 'rms_norm', weight: 'net.block.10.norm2.gamma' },
      { type: 'hidden', weight: 'net.block.10.ff.up.weight', downBias: 'net.block.10.ff.down.bias' },
    ]);
    for (const layer of layers.slice(0, -1)) expect(layer).toMatchObject({ remark: expect.stringContaining('Guess') });
    expect(draft.missing[0]).toMatch(/^positions: /);
    expect(draft.missing).toHaveLength(1 + 22);
    const filled = JSON.stringify(draft.description)
      .replaceAll(/"FILL IN: the number of heads"/g, '2')
      .replace(/"FILL IN: positions of an input"/, '3')
      .replaceAll(/"FILL IN(?:[^"\\]|\\")*"/g, '"gelu"');
    const path = await write(shapes);
    const model = await loadModel(path, { model: fileIn(root, `filled${folders++}.json`, filled) });
    expect(model).toMatchObject({ inputShape: [3, 9], outputShape: [3, 9] });
  });

  test('of quadratic attention and bilinear blocks guesses that they add to their input', async () => {
    const shapes: Shapes = {
      'inp.weight': [4, 5],
      ...pairs('stack.0.mix'),
      ...{ 'stack.0.L.weight': [4, 6], 'stack.0.R.weight': [4, 6], 'stack.0.D.weight': [6, 4] },
      'out.weight': [3, 4],
    };
    const { description, missing } = await draftModel(await write(shapes));
    expect(description.layers).toMatchObject([
      { type: 'linear' },
      { type: 'attention', mask: 'causal', residual: { add: 1 } },
      { type: 'bilinear', left: { tensor: 'stack.0.L.weight', transposed: true }, residual: { add: 1 } },
      { type: 'linear', weight: 'out.weight' },
    ]);
    expect(missing).toEqual(['positions: positions of an input', 'layers[1].heads: the number of heads']);
  });

  test('names what no layer is made of, and ignores none of it', async () => {
    const shapes: Shapes = { 'a.0.attn.qkv.weight': [12, 4], 'a.0.attn.o.weight': [4, 4], conv: [3, 3, 3, 3] };
    const { description, left, missing } = await draftModel(await write(shapes));
    expect(left).toEqual(Object.keys(shapes));
    expect(description).not.toHaveProperty('ignore');
    expect(description.remarks).toContainEqual(expect.stringMatching(/^"a\.0\.attn\.qkv\.weight", .* are in no layer/));
    expect(missing).toEqual(['layers: none was found']);
  });
});

describe('tensim inspect --draft', () => {
  test('prints the description, and says beside it what has to be done', async () => {
    const path = await write({ 'one.weight': [6, 4], 'two.weight': [2, 6], 'odd.scale': [3] });
    const { code, stdout, stderr } = await tensim(['inspect', path, '--draft']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual((await draftModel(path)).description);
    expect(stdout).toContain('\n  "layers": [\n');
    expect(stderr).toMatch(/note: to be filled in: layers\[0\]\.activation/);
    expect(stderr).toContain('note: in no layer: "odd.scale"\n');
  });

  test('of a model that is known says that nothing is guessed', async () => {
    const { code, stderr } = await tensim(['inspect', await write(bilinearShapes()), '--draft']);
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: 'note: the model is read so already, and nothing in the draft is guessed\n',
    });
  });
});
