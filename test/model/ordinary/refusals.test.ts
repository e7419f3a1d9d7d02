import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeSafetensors } from '../../../lib/formats/safetensors/write.js';
import { inspect } from '../../../lib/model/reading/inspect.js';
import { loadModel } from '../../../lib/model/reading/load.js';
import { similarity } from '../../../lib/similarity/similarity.js';
import { tensim } from '../../cli/run.js';
import type { Given } from '../../support/transformers.js';
import { asGpt2, asLens, asLlama, asNeox, smallTransformer } from '../../support/whole_transformers.js';

const NETWORK = smallTransformer(1, 2);
const PLAIN = smallTransformer(2, 4);
const CONFIG = { num_attention_heads: 4, num_key_value_heads: 2, hidden_act: 'silu', rms_norm_eps: 1e-5 };
const GPT2 = { n_head: 4, activation_function: 'gelu_new' };

let folder = '';
let count = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tensim-refused-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function write(tensors: Given, config?: Readonly<Record<string, unknown>>): Promise<string> {
  const own = join(folder, String(count++));
  await mkdir(own);
  const given = Object.entries(tensors).map(([key, [data, ...shape]]) => [key, { data, shape }] as const);
  await writeSafetensors(join(own, 'model.safetensors'), Object.fromEntries(given));
  if (config !== undefined) await writeFile(join(own, 'config.json'), JSON.stringify(config));
  return own;
}

describe('what changes the function and is not run is refused by name', () => {
  const extra = (name: string): Given => ({
    ...asLlama(NETWORK),
    [`model.layers.0.self_attn.${name}`]: [new Float64Array(4), 4],
  });
  test.each<[string, Given, Readonly<Record<string, unknown>>, RegExp]>([
    ['an unknown architecture', asLlama(NETWORK), { ...CONFIG, model_type: 'cohere' }, /architecture "cohere"/],
    ['capped logits', asLlama(NETWORK), { ...CONFIG, final_logit_softcapping: 30 }, /caps its logits.*"30"/],
    ['clipped queries', asLlama(NETWORK), { ...CONFIG, clip_qkv: 8 }, /clips queries/],
    ['scaled logits', asLlama(NETWORK), { ...CONFIG, logit_scale: 0.1 }, /scales its logits/],
    ['attention in both directions', asLlama(NETWORK), { ...CONFIG, use_bidirectional_attention: true }, /both/],
    ['sinks', extra('sinks'), CONFIG, /"model.layers.0.self_attn.sinks", of which its forward pass is not known/],
    ['a window of nobody knows which layers', asLlama(NETWORK), { ...CONFIG, sliding_window: 4 }, /nearest 4 of 32/],
    [
      'TransformerLens with turned positions',
      asLens(PLAIN, true),
      {
        act_fn: 'relu',
        positional_embedding_type: 'rotary_of_another_kind',
      },
      /positions of another kind/,
    ],
    [
      'an unembedding that is missing',
      asLlama(NETWORK, { tied: true }),
      {
        ...CONFIG,
        tie_word_embeddings: false,
      },
      /not tied/,
    ],
  ])('%s', async (_, tensors, config, message) => {
    const refused = expect(loadModel(await write(tensors, config))).rejects;
    await refused.toMatchObject({ code: 'UNSUPPORTED_LAYER', message: expect.stringMatching(message) });
  });

  test.each([
    ['post_attention_layernorm', /one norm in layer 1, not two/],
    ['model.norm', /without its last norm/],
  ])('a part without %s', async (name, message) => {
    const tensors = asLlama(NETWORK);
    delete tensors[name.startsWith('model') ? `${name}.weight` : `model.layers.1.${name}.weight`];
    await expect(loadModel(await write(tensors, CONFIG))).rejects.toThrow(message);
  });

  test('and every refusal names what can be done with its blocks', async () => {
    const path = await write(asLlama(NETWORK), { ...CONFIG, model_type: 'cohere' });
    await expect(loadModel(path)).rejects.toMatchObject({ hint: expect.stringContaining('tensim blocks A B') });
  });
});

describe('what tensors do not tell is asked for', () => {
  test.each<[string, Given, Readonly<Record<string, unknown>>, RegExp]>([
    ['heads', asLlama(NETWORK), { ...CONFIG, num_attention_heads: null }, /how many attention heads/],
    ['an epsilon without a usual one', asLlama(NETWORK), { ...CONFIG, rms_norm_eps: null }, /ε of its norms/],
    [
      'the scale of scores of Gemma 2',
      asLlama(NETWORK, { norms: 'around' }),
      {
        ...CONFIG,
        model_type: 'gemma2',
      },
      /what its scores are scaled by/,
    ],
    ['whether norms have no weights, or are none', asLens(PLAIN, false), { act_fn: 'relu' }, /norms without weights/],
    ['whether there are norms at all', asLlama(NETWORK, { norms: 'none' }), CONFIG, /norms without weights/],
    ['a mask that is none', asLens(PLAIN, true), { act_fn: 'relu', attention_dir: 'sideways' }, /a mask/],
  ])('%s', async (_, tensors, config, message) => {
    const refused = expect(loadModel(await write(tensors, config))).rejects;
    await refused.toMatchObject({ code: 'INVALID_FILE', message: expect.stringMatching(message) });
  });

  test('positions that are no number', async () => {
    const path = await write(asLlama(NETWORK), CONFIG);
    await expect(loadModel(path, { config: { context: 0.5 } })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    const many = { config: { context: 9 } };
    await expect(loadModel(await write(asGpt2(PLAIN, true), GPT2), many)).rejects.toMatchObject({
      code: 'SHAPE_MISMATCH',
    });
  });
});

describe('what is taken where nobody says it is told as a default', () => {
  test('positions, ε, the base of a rotation, parallel residuals', async () => {
    const path = await write(asNeox(PLAIN), { num_attention_heads: 4, hidden_act: 'relu', rotary_pct: 0.5 });
    const { settings, problems, positions, method } = await inspect(path);
    expect({ problems, positions, method }).toEqual({ problems: [], positions: 32, method: 'sampled' });
    const defaults = settings.filter(({ from }) => from === 'default').map(({ name, value }) => [name, value]);
    expect(Object.fromEntries(defaults)).toEqual({
      n_ctx: '32',
      norm_eps: '0.00001',
      rope_theta: '10000',
      use_parallel_residual: 'true',
    });
  });

  test('of learned positions all, if they are few, whatever config.json says of a context', async () => {
    const path = await write(asGpt2(PLAIN, true), { ...GPT2, n_ctx: 1024 });
    expect((await loadModel(path)).inputShape[0]).toBe(8);
    expect((await loadModel(path, { config: '{"n_ctx": 5}' })).inputShape[0]).toBe(5);
    expect((await inspect(path, { config: { context: 3 } })).settings).toContainEqual({
      name: 'n_ctx',
      value: '3',
      from: 'given',
    });
  });
});

test('parts of a transformer are no whole one', async () => {
  const tensors = asLlama(NETWORK);
  delete tensors['model.embed_tokens.weight'];
  await expect(loadModel(await write(tensors, CONFIG))).rejects.toThrow(/as a whole it has no exact comparison/);
});

test('one of its blocks can still be asked for', async () => {
  const path = await write(asLlama(NETWORK), CONFIG);
  expect(await loadModel(path, { config: { block: 0 } })).toMatchObject({ family: 'gated', inputShape: [1, 12] });
});

describe('from the command line', () => {
  test('logits are compared over random tokens, with an interval', async () => {
    const paths = [await write(asLlama(NETWORK), CONFIG), await write(asLlama(smallTransformer(3, 2)), CONFIG)];
    const args = ['--method', 'sampled', '--input', 'tokens', '--positions', '4', '--tolerance', '0.2'];
    const { code, stdout } = await tensim(['compare', ...paths, ...args, '--json']);
    expect(code).toBe(0);
    const found = JSON.parse(stdout);
    expect(found).toMatchObject({ method: 'sampled', exact: false });
    expect(found.standardError).toBeGreaterThan(0);
    expect(Math.abs(found.similarity)).toBeLessThan(1);
    const told = await tensim(['inspect', paths[0], '--positions', '4']);
    expect(told.stdout).toMatch(/setting +n_ctx = 4 \(given\)/);
  });

  test('exact methods refuse it, and name what is exact', async () => {
    const model = await loadModel(await write(asLlama(NETWORK), CONFIG));
    await expect(similarity(model, model, { method: 'exact' })).rejects.toMatchObject({
      code: 'UNSUPPORTED_LAYER',
      message: expect.stringMatching(/softmax attention, for which no method is exact.*tensim blocks/s),
    });
  });
});
