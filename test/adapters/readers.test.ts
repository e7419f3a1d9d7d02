import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readAdapter } from '../../lib/adapters/adapter.js';
import { readFactors } from '../../lib/adapters/factors.js';
import { encodeSafetensors } from '../../lib/formats/safetensors/write.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { rejection, temporaryFolder } from '../formats/safetensors/helpers.js';

const root = temporaryFolder();
let places = 0;

const PEFT = { peft_type: 'LORA', r: 2, lora_alpha: 8 };
const factor = (...shape: number[]): Tensor => ({
  data: Float64Array.from({ length: shape.reduce((size, one) => size * one, 1) }, (_, i) => i + 1),
  shape,
});
const PAIR = {
  'base_model.model.h.0.q.lora_A.weight': factor(2, 3),
  'base_model.model.h.0.q.lora_B.weight': factor(4, 2),
};

function write(
  tensors: Record<string, Tensor>,
  config: object | string | undefined,
  name = 'adapter_model.safetensors',
) {
  const folder = join(root, String(places++));
  mkdirSync(folder);
  writeFileSync(join(folder, name), encodeSafetensors(new Map(Object.entries(tensors)), {}, { dtype: 'F32' }));
  if (config !== undefined)
    writeFileSync(join(folder, 'adapter_config.json'), typeof config === 'string' ? config : JSON.stringify(config));
  return folder;
}

describe('PEFT', () => {
  test('factors by module, with the scale of each', async () => {
    const folder = write(PAIR, PEFT);
    for (const path of [folder, join(folder, 'adapter_model.safetensors')]) {
      const adapter = await readAdapter(path);
      expect(adapter).toMatchObject({ path, kind: 'LoRA', rank: 2, scale: 4, alpha: 8, notes: [] });
      const module = adapter.modules.get('h.0.q')!;
      expect(module).toMatchObject({ rank: 2, inputs: 3, outputs: 4, scale: 4, turned: false });
      const { a, b } = await readFactors(adapter, module);
      expect([...a]).toEqual([1, 2, 3, 4, 5, 6]);
      expect([...b]).toEqual([1, 3, 5, 7, 2, 4, 6, 8]);
    }
  });

  test.each([
    [{ use_rslora: true }, 'rsLoRA', 8 / Math.sqrt(2)],
    [{ alpha_pattern: { q: 6 } }, 'LoRA', 3],
    [{ alpha_pattern: { '^h\\.0\\.q$': 6 } }, 'LoRA', 3],
    [{ alpha_pattern: { '^q': 6, 'h.*.q': 10 } }, 'LoRA', 5],
    [{ alpha_pattern: { other: 6 } }, 'LoRA', 4],
  ] as const)('%j', async (config, kind, scale) => {
    expect(await readAdapter(write(PAIR, { ...PEFT, ...config }))).toMatchObject({ kind, scale });
  });

  test('names of an adapter in them, embeddings, convolutions and tensors that it brings along', async () => {
    const adapter = await readAdapter(
      write(
        {
          'base_model.model.h.0.q.lora_A.default.weight': factor(2, 3),
          'base_model.model.h.0.q.lora_B.default.weight': factor(4, 2),
          'base_model.model.wte.lora_embedding_A': factor(2, 9),
          'base_model.model.wte.lora_embedding_B': factor(3, 2),
          'base_model.model.conv.lora_A.weight': factor(2, 3, 5, 5),
          'base_model.model.conv.lora_B.weight': factor(7, 2, 1, 1),
          'base_model.model.head.modules_to_save.default.weight': factor(4, 3),
          'base_model.model.h.0.q.base_layer.bias': factor(4),
        },
        { ...PEFT, fan_in_fan_out: false },
      ),
    );
    expect([...adapter.whole.keys()]).toEqual(['head.weight', 'h.0.q.bias']);
    expect(
      [...adapter.modules.values()].map(({ name, inputs, outputs, turned }) => [name, inputs, outputs, turned]),
    ).toEqual([
      ['h.0.q', 3, 4, false],
      ['wte', 9, 3, true],
      ['conv', 75, 7, false],
    ]);
  });

  test('AdaLoRA has a diagonal between its factors, and a scale of the rank that it began with', async () => {
    const names = ['A', 'B', 'E'].map((letter) => `base_model.model.lin0.lora_${letter}`);
    const tensors = { [names[0]]: factor(2, 3), [names[1]]: factor(4, 2), [names[2]]: factor(2, 1) };
    const config = { peft_type: 'ADALORA', r: 8, init_r: 12, lora_alpha: 6 };
    const adapter = await readAdapter(write(tensors, config));
    expect(adapter).toMatchObject({ kind: 'AdaLoRA', rank: 2, scale: 6 / (12 + 1e-5) });
    const { a } = await readFactors(adapter, adapter.modules.get('lin0')!);
    expect([...a]).toEqual([1, 2, 3, 8, 10, 12]);
    const { [names[2]]: _, ...without } = tensors;
    expect((await rejection(readAdapter(write(without, config)))).message).toContain('no lora_E');
  });
});

describe('MLX', () => {
  const tensors = { 'model.layers.7.q_proj.lora_a': factor(3, 2), 'model.layers.7.q_proj.lora_b': factor(2, 4) };

  test('factors the other way around, and the scale as it is told', async () => {
    const config = { fine_tune_type: 'lora', lora_parameters: { rank: 2, scale: 20 } };
    const adapter = await readAdapter(write(tensors, config, 'adapters.safetensors'));
    expect(adapter).toMatchObject({ kind: 'MLX LoRA', rank: 2, scale: 20, alpha: null, notes: [] });
    const module = adapter.modules.get('model.layers.7.q_proj')!;
    expect(module).toMatchObject({ inputs: 3, outputs: 4 });
    const { a, b } = await readFactors(adapter, module);
    expect([...a]).toEqual([1, 3, 5, 2, 4, 6]);
    expect([...b]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  test('an alpha, as older versions have one, is part of the scale, and told', async () => {
    const config = { use_dora: false, lora_parameters: { rank: 2, scale: 2, alpha: 16 } };
    const { scale, notes } = await readAdapter(write(tensors, config, 'adapters.safetensors'));
    expect(scale).toBe(16);
    expect(notes[0]).toContain('scale · α / rank');
  });
});

describe('what is refused by name', () => {
  test.each([
    [{ ...PEFT, use_dora: true }, 'DoRA'],
    [{ ...PEFT, peft_type: 'IA3' }, '"IA3"'],
    [{ ...PEFT, peft_type: 'UNILORA' }, '"UNILORA"'],
    [{ ...PEFT, layer_replication: [[0, 4]] }, 'layer_replication'],
    [{ ...PEFT, target_parameters: ['experts'] }, 'target_parameters'],
    [{ ...PEFT, trainable_token_indices: [3] }, 'trainable_token_indices'],
    [{ ...PEFT, alpha_pattern: { '(a+)+$': 3 } }, 'regular expression'],
    [{ use_dora: true, lora_parameters: { scale: 1 } }, 'DoRA of MLX'],
    [{ fine_tune_type: 'full', lora_parameters: { scale: 1 } }, '"full" of MLX'],
  ])('%j', async (config, text) => {
    const { code, message } = await rejection(readAdapter(write(PAIR, config)));
    expect(code).toBe('UNSUPPORTED_LAYER');
    expect(message).toContain(text);
  });

  test('parameters beside the factors', async () => {
    for (const name of ['h.0.q.lora_magnitude_vector', 'h.0.q.ia3_l', 'unilora_theta_d', 'h.0.q.lora_B.bias']) {
      const error = await rejection(readAdapter(write({ ...PAIR, [`base_model.model.${name}`]: factor(4) }, PEFT)));
      expect(error.code).toBe('UNSUPPORTED_LAYER');
      expect(error.message).toContain(name);
    }
  });
});

test.each<[string, Record<string, Tensor>, object | string | undefined, string]>([
  ['no configuration', PAIR, undefined, 'there is no adapter_config.json'],
  ['a configuration that is no JSON', PAIR, '{', 'is no JSON'],
  ['one of something else', PAIR, { model_type: 'llama' }, 'neither an adapter of PEFT'],
  ['an alpha that is no number', PAIR, { ...PEFT, lora_alpha: 'many' }, '"lora_alpha" must be a number'],
  ['half of a pair', { 'base_model.model.q.lora_A.weight': factor(2, 3) }, PEFT, 'one factor without the other'],
  ['ranks that differ', { ...PAIR, 'base_model.model.h.0.q.lora_B.weight': factor(4, 3) }, PEFT, 'no rank in common'],
  ['no factors', { 'model.weight': factor(2, 2) }, PEFT, 'no factors'],
  [
    'two adapters in one file',
    { ...PAIR, 'base_model.model.h.0.q.lora_A.other.weight': factor(2, 3) },
    PEFT,
    'several adapters of one module',
  ],
])('%s is told', async (_, tensors, config, text) => {
  expect((await rejection(readAdapter(write(tensors, config)))).message).toContain(text);
});

test('an adapter that is written to between its listing and its reading is not read', async () => {
  const folder = write(PAIR, PEFT);
  const adapter = await readAdapter(folder);
  writeFileSync(
    join(folder, 'adapter_model.safetensors'),
    encodeSafetensors(new Map(Object.entries({ ...PAIR, more: factor(1) })), {}, { dtype: 'F32' }),
  );
  expect((await rejection(readFactors(adapter, adapter.modules.get('h.0.q')!))).code).toBe('FILE_CHANGED');
});
