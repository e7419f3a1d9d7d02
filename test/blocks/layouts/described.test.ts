import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { similarityOfBlocks } from '../../../lib/blocks/similarity_of_blocks.js';
import { encodeSafetensors } from '../../../lib/formats/safetensors/write.js';
import { parseDescription } from '../../../lib/model/reading/description.js';
import { loadModel } from '../../../lib/model/reading/load.js';
import { BLOCKS_FIELDS } from '../../../lib/model/transformers/described.js';
import { tensim } from '../../cli/run.js';
import { rejection, temporaryFolder } from '../../formats/safetensors/helpers.js';
import { type Given, joined, llamaTensors, smallLayer, TOKENS, transposed } from '../../support/transformers.js';

const root = temporaryFolder();
const CONFIG = { n_head: 4, num_key_value_heads: 2, hidden_act: 'silu' };
const one = smallLayer(1);
const { d, heads, groups, width, units } = one;

function written(name: string, tensors: Given, beside: Record<string, object>): string {
  const folder = join(root, name);
  mkdirSync(folder, { recursive: true });
  const named = new Map(Object.entries(tensors).map(([key, [data, ...shape]]) => [key, { data, shape }]));
  writeFileSync(join(folder, 'model.safetensors'), encodeSafetensors(named));
  for (const [file, json] of Object.entries(beside)) writeFileSync(join(folder, file), JSON.stringify(json));
  return folder;
}

const described = (blocks: object) => ({ schema: 'tensim.model/1', blocks });

const OWN: Given = {
  'net.tok': [one.embedding, TOKENS, d],
  'net.3.end': [one.gains[0], d],
  'net.stack.0.att.q': [one.query, heads * width, d],
  'net.stack.0.att.k': [one.key, groups * width, d],
  'net.stack.0.att.v': [one.value, groups * width, d],
  'net.stack.0.att.o.weight': [one.output, d, heads * width],
  'net.stack.0.ff.both': [joined(one.gate, one.up), 2 * units, d],
  'net.stack.0.ff.back': [one.down, d, units],
  'net.stack.0.n1': [one.gains[0], d],
  'net.stack.0.n2': [one.gains[1], d],
  'net.stack.0.scale': [one.gains[0], d],
};
const BLOCKS = {
  layer: 'net.stack.{L}.',
  ...{ heads: 4, groups: 2 },
  attention: { query: 'att.q', key: 'att.k', value: 'att.v', output: 'att.o' },
  mlp: { packed: 'ff.both', down: 'ff.back' },
  norms: { kind: 'rms', attention: 'n1', mlp: 'n2', final: 'net.3.end' },
  embedding: 'net.tok',
  rotary: { interleaved: false, base: 10_000 },
  activation: 'silu',
};

let base: string;
beforeAll(() => {
  base = written('base', llamaTensors([one]), { 'config.json': CONFIG });
});

describe('a model.json says where the blocks of a transformer are', () => {
  test('beside its checkpoint', async () => {
    const { layers, worst, embedding, norms, b } = await similarityOfBlocks(
      base,
      written('beside', OWN, { 'model.json': described(BLOCKS) }),
    );
    expect(worst).toBeNull();
    expect(layers[0].mlp!.fidelityError).toBeLessThan(1e-12);
    expect(layers[0].attention!.heads.every(({ qk, ov }) => qk! > 1 - 1e-12 && ov! > 1 - 1e-12)).toBe(true);
    expect(layers[0].norms!.map(({ norm, gain }) => [norm, gain!.equal])).toEqual([
      ['attention', true],
      ['mlp', true],
    ]);
    expect(norms).toEqual([{ norm: 'final', gain: { cosine: 1, nmse: 0, equal: true } }]);
    expect(embedding!.equal).toBe(true);
    expect(b).toMatchObject({ layout: 'described', left: ['net.stack.0.scale'] });
    expect(b.settings.heads).toEqual({ value: 4, from: expect.stringMatching(/"n_head" in .*model\.json/) });
  });

  test('or given, and goes before what is known', async () => {
    const folder = written('given', OWN, { 'config.json': CONFIG });
    const file = join(root, 'blocks.json');
    const { heads: _, groups: __, activation: ___, ...rest } = BLOCKS;
    writeFileSync(file, JSON.stringify({ ...described(rest), ignore: ['*.scale'] }));
    const { stdout, code } = await tensim(['blocks', folder, folder, '--model', file]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/All blocks are the same functions/);
    expect(stdout).not.toMatch(/not compared of/);
  });

  test('with experts, inputs by outputs, and slopes', async () => {
    const own: Given = {
      'h.0.qkv': [transposed(joined(one.query, one.key, one.value), 32, d), d, 32],
      'h.0.out': [transposed(one.output, d, 16), 16, d],
      'h.0.moe.r': [one.query.subarray(0, 2 * d), 2, d],
      'h.0.moe.0.u': [one.up, units, d],
      'h.0.moe.0.d': [one.down, d, units],
      'h.0.moe.1.u': [one.gate, units, d],
      'h.0.moe.1.d': [one.down, d, units],
    };
    const folder = written('moe', own, {
      'model.json': described({
        layer: 'h.{L}.',
        ...{ heads: 4, groups: 2, transposed: true, activation: 'relu', rotary: 'alibi' },
        attention: { packed: 'qkv', order: 'parts', output: 'out' },
        experts: { router: 'moe.r', up: 'moe.{E}.u', down: 'moe.{E}.d' },
        norms: { kind: 'none' },
      }),
    });
    const { layers } = await similarityOfBlocks(folder, folder);
    expect(layers[0].experts!.experts).toHaveLength(2);
    expect(layers[0].attention).toMatchObject({ slopes: true });
    expect(layers[0]).not.toHaveProperty('norms');
  });

  test('which is no description of the whole', async () => {
    const error = await rejection(loadModel(written('whole', OWN, {}), { model: await file() }));
    expect(error).toMatchObject({ code: 'UNSUPPORTED_LAYER' });
    expect(error.message).toMatch(/blocks of a transformer, and no layers/);
    async function file() {
      const path = join(root, 'only.json');
      writeFileSync(path, JSON.stringify(described(BLOCKS)));
      return path;
    }
  });

  test('which names what is not there', async () => {
    const wrong = (change: object) => written('wrong', OWN, { 'model.json': described({ ...BLOCKS, ...change }) });
    const message = async (change: object) => (await rejection(similarityOfBlocks(base, wrong(change)))).message;
    expect(await message({ layer: 'stack.{L}.' })).toMatch(/no tensor has such a name.*"net\.tok"/);
    expect(await message({ norms: { ...BLOCKS.norms, mlp: 'n3' } })).toMatch(
      /"n3" \("blocks\.norms\.mlp"\), which no layer has\. There are "att\.q"/,
    );
    expect(await message({ embedding: 'tok' })).toMatch(/"tok" \("blocks\.embedding"\), which the checkpoint has not/);
  });
});

describe('blocks of a model.json are refused', () => {
  test.each<[string, object, RegExp]>([
    ['without a place for the number', { layer: 'net.' }, /"blocks\.layer" is "net\.", without one \{L\}/],
    ['with a field that is not known', { mlps: {} }, /unknown field "mlps"/],
    ['of attention without its output', { attention: { query: 'q', key: 'k', value: 'v' } }, /has no "output"/],
    ['packed in no order', { attention: { packed: 'a', output: 'o' } }, /has no "order"/],
    [
      'packed in an unknown order',
      { attention: { packed: 'a', output: 'o', order: 'rows' } },
      /one of "parts", "heads"/,
    ],
    ['of an MLP without its end', { mlp: { up: 'u' } }, /"blocks\.mlp" has no "down"/],
    ['of experts without a router', { experts: { up: 'u', down: 'd' } }, /"blocks\.experts" has no "router"/],
    ['without norms', { norms: undefined }, /"blocks\.norms" must be an object/],
    ['of no known norm', { norms: { kind: 'batch' } }, /"blocks\.norms\.kind" must be one of/],
    ['that do not say how they turn', { rotary: undefined }, /has no "rotary"/],
    ['that turn somehow', { rotary: {} }, /"blocks\.rotary" has no "interleaved"/],
    ['of an activation that is none', { activation: 'blip' }, /"blocks\.activation" is "blip"/],
    ['of half a head', { heads: 0.5 }, /"blocks\.heads" must be a whole number/],
    ['of a truth that is none', { transposed: 'yes' }, /"blocks\.transposed" must be true or false/],
    ['of a base below zero', { rotary: { interleaved: true, base: -1 } }, /"blocks\.rotary\.base" must be above zero/],
    ['of nothing', { attention: undefined, mlp: undefined }, /no "attention", no "mlp" and no "experts"/],
  ])('%s', (_, change, message) => {
    const text = JSON.stringify(described({ ...BLOCKS, ...change }));
    expect(() => parseDescription(text, 'model.json')).toThrow(message);
  });
});

test('the schema knows the fields that are read', () => {
  const shipped = new URL('../../../schemas/tensim.model.1.schema.json', import.meta.url);
  const schema = JSON.parse(readFileSync(shipped, 'utf8')).$defs.blocks;
  const { attention, experts, norms, rotary } = schema.properties;
  const of = { blocks: schema, attention, mlp: schema.$defs.mlp, experts, norms, rotary: rotary.oneOf[2] };
  for (const [part, { properties, additionalProperties }] of Object.entries(of)) {
    expect(Object.keys(properties).sort()).toEqual([...BLOCKS_FIELDS[part as keyof typeof BLOCKS_FIELDS]].sort());
    expect(additionalProperties).toBe(false);
  }
});
