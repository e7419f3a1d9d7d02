import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { blockMatrix } from '../../../lib/blocks/matrix.js';
import { withBlocks } from '../../../lib/blocks/open.js';
import { similarityOfBlocks } from '../../../lib/blocks/similarity_of_blocks.js';
import { openCheckpoint } from '../../../lib/formats/checkpoint.js';
import { inspect } from '../../../lib/model/reading/inspect.js';
import { allPieces } from '../../../lib/model/transformers/network.js';
import { tensim } from '../../cli/run.js';
import {
  awq,
  fourBits,
  fp8,
  gptq,
  int8,
  llmInt8,
  mlx,
  mxfp4,
  packedIntegers,
  type Quantiser,
  torchao,
} from '../../support/quantisers.js';
import { random } from '../../support/random.js';
import { type RawTensor, rawSafetensors, writeRaw } from '../../support/stored_tensors.js';
import { temporaryFolder } from '../safetensors/helpers.js';

const root = temporaryFolder();
const CONFIG = { n_head: 4, num_key_value_heads: 2, hidden_act: 'silu' };
const [D, UNITS, LAYERS] = [32, 64, 2];

const plain = (data: Float32Array, shape: readonly number[]): RawTensor => ({
  dtype: 'F32',
  shape,
  bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
});

/** A Llama whose matrices in layers are quantised, and the same with what they become by that. */
function made(quantise: Quantiser): Record<'quantised' | 'decoded', Record<string, RawTensor>> {
  const { normal } = random(3);
  const draw = (size: number) => Float64Array.from({ length: size }, () => normal() / Math.sqrt(D));
  const ends = {
    'model.embed_tokens.weight': plain(Float32Array.from(draw(8 * D)), [8, D]),
    'model.norm.weight': plain(Float32Array.from(draw(D)), [D]),
  };
  const [quantised, decoded]: Record<string, RawTensor>[] = [{ ...ends }, { ...ends }];
  for (let layer = 0; layer < LAYERS; layer++) {
    const prefix = `model.layers.${layer}`;
    const matrices: [string, number, number][] = [
      ['self_attn.q_proj', D, D],
      ['self_attn.k_proj', D / 2, D],
      ['self_attn.v_proj', D / 2, D],
      ['self_attn.o_proj', D, D],
      ['mlp.gate_proj', UNITS, D],
      ['mlp.up_proj', UNITS, D],
      ['mlp.down_proj', D, UNITS],
    ];
    for (const [name, outputs, inputs] of matrices) {
      const { stored, values } = quantise(draw(outputs * inputs), outputs, inputs);
      for (const [part, tensor] of Object.entries(stored)) quantised[`${prefix}.${name}.${part}`] = tensor;
      decoded[`${prefix}.${name}.weight`] = plain(values, [outputs, inputs]);
    }
    for (const norm of ['input_layernorm', 'post_attention_layernorm'])
      quantised[`${prefix}.${norm}.weight`] = decoded[`${prefix}.${norm}.weight`] = plain(Float32Array.from(draw(D)), [
        D,
      ]);
  }
  return { quantised, decoded };
}

const told = (quantization_config: Record<string, unknown>) => ({ ...CONFIG, quantization_config });
const GPTQ = { quant_method: 'gptq', bits: 4, group_size: 16, sym: true, checkpoint_format: 'gptq' };

interface Format {
  readonly quantise: Quantiser;
  readonly config?: Record<string, unknown>;
  readonly called: string;
}

const FORMATS: Readonly<Record<string, Format>> = {
  gptq: { quantise: gptq(false), config: told(GPTQ), called: 'GPTQ int4' },
  'gptq in the order of activations': {
    quantise: gptq(true),
    config: told({ ...GPTQ, desc_act: true }),
    called: 'GPTQ int4',
  },
  awq: { quantise: awq, config: told({ quant_method: 'awq', bits: 4, version: 'gemm' }), called: 'AWQ int4' },
  'bitsandbytes in four bits': { quantise: fourBits, called: 'nf4' },
  'LLM.int8': { quantise: llmInt8, called: 'LLM.int8' },
  fp8: { quantise: fp8, config: told({ quant_method: 'fp8', weight_block_size: [8, 16] }), called: 'fp8' },
  'compressed-tensors in 4 bits': { quantise: packedIntegers(4), called: 'int4' },
  'compressed-tensors in 8 bits': { quantise: packedIntegers(8), called: 'int8' },
  int8: { quantise: int8, called: 'int8' },
  mlx: { quantise: mlx, config: { ...CONFIG, quantization: { group_size: 16, bits: 4 } }, called: 'MLX int4' },
  torchao: { quantise: torchao, called: 'fp8' },
};

const isOfModule = (name: string) => name.includes('_proj.');

/** What torchao says of every weight. */
function metadataOf(tensors: Record<string, RawTensor>): Record<string, string> {
  const names = Object.keys(tensors).flatMap((name) => /^(.*)\._weight_qdata$/.exec(name)?.[1] ?? []);
  return Object.fromEntries(
    names.map((name) => [`${name}.weight`, JSON.stringify({ _type: 'Float8Tensor', _data: {} })]),
  );
}

describe.each(Object.entries(FORMATS))('%s', (name, { quantise, config = CONFIG, called }) => {
  const { quantised, decoded } = made(quantise);
  const path = writeRaw(join(root, name), quantised, config, metadataOf(quantised));
  const original = writeRaw(join(root, `${name} decoded`), decoded, CONFIG);

  test('a network of it is the one that it decodes to, weight by weight', async () => {
    const { layers, embedding } = await similarityOfBlocks(path, original);
    expect(layers.map(({ weights }) => weights)).toEqual(layers.map(() => ({ cosine: 1, nmse: 0, equal: true })));
    for (const { mlp } of layers) expect(mlp!.similarity).toBeCloseTo(1, 12);
    expect(embedding).toEqual({ cosine: 1, nmse: 0, equal: true });
  });

  test('is listed as it is by openCheckpoint, and as weights where it is a model', async () => {
    const stored = await openCheckpoint(path);
    expect([...stored.tensors.keys()]).toEqual(Object.keys(quantised));
    await stored.close();
    const { tensors, problems, sha256 } = await inspect(path);
    expect(problems.map(({ code }) => code)).not.toContain('UNSUPPORTED_DTYPE');
    const listed = tensors.map(({ name: one, dtype, shape }) => [one, dtype, shape]);
    for (const tensor of tensors) expect(tensor.quantised).toBe(isOfModule(tensor.name) ? called : undefined);
    const { stdout } = await tensim(['inspect', path]);
    expect(stdout).toMatch(
      new RegExp(`layers\\.1\\.mlp\\.up_proj\\.weight +F32 of ${called.replace('.', '\\.')} +\\[64, 32\\]`),
    );
    expect(listed.sort()).toEqual(
      Object.entries(decoded)
        .map(([one, { dtype, shape }]) => [one, dtype, shape])
        .sort(),
    );
    expect(sha256).toBe((await inspect(path)).sha256);
    await withBlocks(path, {}, async ({ checkpoint }) => {
      for (const entry of checkpoint.tensors.values()) {
        expect(entry.quantised?.format).toBe(isOfModule(entry.name) ? called : undefined);
        expect(entry.quantised?.stored.every((part) => quantised[part] !== undefined)).not.toBe(false);
      }
    });
  });

  test('rows of it are read by themselves, and layers are kept', async () => {
    await withBlocks(path, {}, async (blocks) => {
      const pieces = allPieces(blocks.network).filter(({ tensor }) => isOfModule(tensor));
      for (const piece of pieces) {
        const [outputs, inputs] = blocks.extent(piece);
        const { bytes } = decoded[piece.tensor];
        const values = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
        const rows = { from: 3, to: outputs - 2 };
        const apart = Array.from(await blocks.read(piece, { rows }));
        await blocks.keep([piece]);
        expect(apart).toEqual(Array.from(values.subarray(rows.from * inputs, rows.to * inputs)));
        expect(Array.from(await blocks.read(piece))).toEqual(Array.from(values));
        blocks.letGo();
      }
      expect(pieces.length).toBe(7 * LAYERS);
    });
  });
});

test('one in several files is read whichever of them has which part', async () => {
  const { quantised, decoded } = made(gptq(true));
  const folder = dirname(writeRaw(join(root, 'shards'), {}, FORMATS.gptq.config));
  const names = Object.keys(quantised);
  const shardOf = (name: string) => `model-0000${1 + (names.indexOf(name) % 3)}-of-00003.safetensors`;
  for (const shard of new Set(names.map(shardOf))) {
    const own = Object.entries(quantised).filter(([name]) => shardOf(name) === shard);
    writeFileSync(join(folder, shard), rawSafetensors(Object.fromEntries(own)));
  }
  const index = join(folder, 'quantised.safetensors.index.json');
  writeFileSync(index, JSON.stringify({ weight_map: Object.fromEntries(names.map((name) => [name, shardOf(name)])) }));
  const original = writeRaw(join(root, 'shards decoded'), decoded, CONFIG);
  const { layers } = await similarityOfBlocks(index, original);
  expect(layers.every(({ weights }) => weights.equal)).toBe(true);
});

test('networks of several formats are one matrix', async () => {
  const paths = ['awq', 'awq decoded', 'mlx', 'fp8'].map((name) => join(root, name));
  const { layers } = await blockMatrix(paths);
  for (const { mlp } of layers) {
    expect(mlp!.similarity[0][1]).toBe(1);
    expect(mlp!.similarity[0][2]).toBeGreaterThan(0.99);
    expect(mlp!.similarity[0][3]).toBeLessThan(0.9999);
  }
});

test('experts of gpt-oss are read as the matrices that they decode to', async () => {
  const { quantised } = made(int8);
  const { normal } = random(8);
  const draw = (size: number) => Float64Array.from({ length: size }, normal);
  const [common, apart, whole]: Record<string, RawTensor>[] = [{}, {}, {}];
  for (const [name, tensor] of Object.entries(quantised))
    if (!name.includes('.mlp.') && !name.includes('.layers.1.')) common[name] = tensor;
  const mlp = 'model.layers.0.mlp';
  common[`${mlp}.router.weight`] = plain(Float32Array.from(draw(2 * D)), [2, D]);
  common[`${mlp}.router.bias`] = plain(Float32Array.from(draw(2)), [2]);
  common[`${mlp}.experts.gate_up_proj_bias`] = plain(Float32Array.from(draw(4 * UNITS)), [2, 2 * UNITS]);
  common[`${mlp}.experts.down_proj_bias`] = plain(Float32Array.from(draw(2 * D)), [2, D]);
  for (const [name, outputs, inputs] of [
    ['gate_up_proj', 2 * UNITS, D],
    ['down_proj', D, UNITS],
  ] as const) {
    const { stored, values } = mxfp4(draw(2 * outputs * inputs), [2, outputs, inputs]);
    for (const [part, tensor] of Object.entries(stored)) apart[`${mlp}.experts.${name}${part}`] = tensor;
    whole[`${mlp}.experts.${name}`] = plain(values, [2, outputs, inputs]);
  }
  const path = writeRaw(join(root, 'oss'), { ...common, ...apart }, CONFIG);
  const original = writeRaw(join(root, 'oss decoded'), { ...common, ...whole }, CONFIG);
  const { layers } = await similarityOfBlocks(path, original);
  // They are clamped, so that their weights are what is compared.
  expect(layers[0].experts!.experts.map(({ weights }) => weights!.equal)).toEqual([true, true]);
  await withBlocks(path, {}, async ({ checkpoint }) => {
    expect(checkpoint.tensors.get(`${mlp}.experts.gate_up_proj`)!.quantised!.format).toBe('MXFP4');
  });
});
