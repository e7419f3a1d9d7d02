import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from '../../../lib/model/reading/inspect.js';
import { loadModel } from '../../../lib/model/reading/load.js';
import { attentionShapes, bilinearShapes, deepShapes, imageShapes, transformerShapes } from '../../model/helpers.js';
import type { Reader, Target } from '../engine/target.js';
import { pick } from '../mutation/bytes.js';
import { type Json, jsonMutation, smallerJson, textOf } from '../mutation/json.js';
import { accepted, checkpointOf, digestOfModel, readTensors, tried } from './files.js';

const NAMED = {
  'enc.w': [4, 3],
  'enc.b': [4],
  'mlp.w12': [12, 4],
  'mlp.b12': [12],
  'mlp.w3': [4, 6],
  'mlp.l': [6, 4],
  'mlp.r': [6, 4],
  'dec.w': [2, 4],
  q: [4, 4],
  k: [4, 4],
  v: [4, 4],
  o: [4, 4],
};

const LINEAR = { type: 'linear', weight: 'enc.w', bias: 'enc.b' };
const STACKED = { type: 'bilinear', leftRight: 'mlp.w12', leftRightBias: 'mlp.b12', down: 'mlp.w3' };
const SIDES = { type: 'bilinear', left: 'mlp.l', right: 'mlp.r', down: 'mlp.w3', residual: { lerp: 0.5 } };
const ATTENTION = { type: 'attention', q1: 'q', k1: 'k', q2: 'q', k2: 'k', v: 'v', o: 'o', heads: 2 };
const MASKED = { ...ATTENTION, mask: 'causal', rotaryBase: null };
const LAST = { type: 'linear', weight: 'dec.w' };

const described = (layers: Json[], others: { [key: string]: Json } = {}): Json => ({
  schema: 'tensim.model/1',
  weights: 'net.safetensors',
  layers,
  ignore: ['*'],
  ...others,
});

const WORDS = [
  ...['schema', 'weights', 'layers', 'ignore', 'positions', 'type', 'weight', 'bias', 'left', 'right', 'down'],
  ...['leftRight', 'leftRightBias', 'leftBias', 'rightBias', 'downBias', 'residual', 'lerp', 'scale', 'alpha', 'beta'],
  ...['q1', 'k1', 'q2', 'k2', 'q', 'k', 'v', 'o', 'heads', 'mask', 'causal', 'none', 'rotary', 'rotaryBase', 'block'],
  ...['linear', 'bilinear', 'attention', 'tensim.model/1', 'net.safetensors', '*', 'enc.*', '__proto__', 'constructor'],
  ...Object.keys(NAMED),
];

export const readsDescriptions: Target = {
  name: 'model.json',
  about: 'descriptions of models beside their weights',
  mutate: jsonMutation({
    words: WORDS,
    values: (random) => structuredClone(pick(random, [LINEAR, STACKED, SIDES, MASKED, LAST])),
  }),
  simplify: smallerJson,
  async prepare(folder) {
    writeFileSync(join(folder, 'net.safetensors'), checkpointOf(NAMED));
    const path = join(folder, 'described.json');
    const seeds = [
      described([LINEAR, STACKED, LAST]),
      described([LINEAR, SIDES, SIDES, LAST], { ignore: ['q', 'k', 'v', 'o', 'mlp.*'] }),
      described([LINEAR, MASKED, LAST], { positions: 3 }),
      described([LINEAR, LAST]),
    ].map(textOf);
    const read: Reader = async (bytes) => {
      writeFileSync(path, bytes);
      await tried(loadModel(join(folder, 'net.safetensors'), { model: path }));
      return accepted(digestOfModel(await loadModel(path)));
    };
    return { seeds, read };
  },
};

const LANGUAGE = {
  'transformer.wte.weight': [5, 4],
  'transformer.h.0.mlp.w.weight': [12, 4],
  'transformer.h.0.mlp.p.weight': [4, 6],
};

const CONFIGURED: Readonly<Record<string, () => Buffer>> = {
  bilinear: () => checkpointOf(bilinearShapes()),
  deep: () => checkpointOf(deepShapes(1)),
  attention: () => checkpointOf(attentionShapes(1)),
  transformer: () => checkpointOf(transformerShapes(1)),
  image: () => checkpointOf(imageShapes(1)),
  language: () => checkpointOf(LANGUAGE),
};

const CONFIG_WORDS = [
  ...['n_head', 'n_ctx', 'mask', 'rotary_base', 'residual', 'block', 'attn_scale', 'scale', 'gate', '__proto__'],
  ...['causal', 'none', 'null', 'true', 'false', '1', '2', '3', '0.5', '1e3', '0x10', '10000', 'silu', ' 2 ', '-0'],
];

export const readsSettings: Target = {
  name: 'config.json',
  about: 'settings of models, as text and as a file beside the weights',
  mutate: jsonMutation({ words: CONFIG_WORDS }),
  simplify: smallerJson,
  async prepare(folder) {
    const files = Object.entries(CONFIGURED).map(([name, content]) => {
      const own = join(folder, name);
      mkdirSync(own);
      writeFileSync(join(own, 'net.safetensors'), content());
      return join(own, 'net.safetensors');
    });
    const seeds = [
      { n_head: 2, n_ctx: 3, attn_scale: 1, mask: 'causal', rotary_base: 'none', scale: 0.5 },
      { n_head: '4', n_ctx: '2', attn_scale: '0.1', mask: 'none', rotary_base: 500, residual: true, block: 0 },
      { block: 0, gate: null },
    ].map(textOf);
    const read: Reader = async (bytes, thorough) => {
      const text = Buffer.from(bytes).toString();
      // Text that begins like an object is the settings themselves; anything else would be the path of a file.
      const config = /^\s*\{/.test(text) ? text : `{${text}`;
      if (thorough) await Promise.all(files.map((file) => inspect(file, { config })));
      return accepted(digestOfModel(await loadModel(files[bytes.length % files.length], { config })));
    };
    return { seeds, read };
  },
};

const INDEX: Json = {
  metadata: { total_size: 100 },
  weight_map: { 'bi_linear.weight': 'model-1.safetensors', 'projection.weight': 'model-2.safetensors' },
};

export const readsIndexes: Target = {
  name: 'index.json',
  about: 'indexes of sharded checkpoints beside their shards',
  mutate: jsonMutation({
    words: [
      ...['metadata', 'weight_map', 'total_size', 'step', 'bi_linear.weight', 'projection.weight', '__proto__'],
      ...['model-1.safetensors', 'model-2.safetensors', 'model-3.safetensors', '../model-1.safetensors', 'format'],
    ],
  }),
  simplify: smallerJson,
  async prepare(folder) {
    const path = join(folder, 'model.safetensors.index.json');
    const [[first, both], [second, down]] = Object.entries(bilinearShapes());
    writeFileSync(join(folder, 'model-1.safetensors'), checkpointOf({ [first]: both }));
    writeFileSync(join(folder, 'model-2.safetensors'), checkpointOf({ [second]: down }));
    const seeds = [INDEX, { ...(INDEX as object), metadata: { step: '3', format: 'pt' } } as Json].map(textOf);
    const read: Reader = async (bytes) => {
      writeFileSync(path, bytes);
      await readTensors(path);
      return accepted(digestOfModel(await loadModel(path)));
    };
    return { seeds, read };
  },
};
