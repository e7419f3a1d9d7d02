import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeSafetensors } from '../../lib/formats/safetensors/write.js';
import { type Given, joined, type SmallLayer, TOKENS } from './transformers.js';

/** The settings of networks of small layers with two groups of heads, as Llama's. */
export const LLAMA = { n_head: 4, num_key_value_heads: 2, hidden_act: 'silu' };
/** Of those with as many groups as heads, as GPT's. */
export const GPT = { n_head: 4, activation_function: 'gelu_new', positional_embedding_type: 'standard' };

/** Writes tensors to a file. */
export function writeTensors(path: string, tensors: Given): string {
  const named = new Map(Object.entries(tensors).map(([key, [data, ...shape]]) => [key, { data, shape }]));
  writeFileSync(path, encodeSafetensors(named));
  return path;
}

/** A folder with a network and its settings. */
export function writeNetwork(
  root: string,
  name: string,
  tensors: Given,
  config: Record<string, unknown> | undefined = LLAMA,
): string {
  const folder = join(root, name);
  mkdirSync(folder, { recursive: true });
  writeTensors(join(folder, 'model.safetensors'), tensors);
  if (config !== undefined) writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  return folder;
}

/** A network of these layers, of as many groups as heads, as nanoGPT names it: layer norms and biases everywhere. */
export function gptTensors(layers: readonly SmallLayer[]): Given {
  const [{ d, embedding }] = layers;
  const tensors: Given = { 'transformer.wte.weight': [embedding, TOKENS, d] };
  for (const [number, one] of layers.entries()) {
    const { heads, width, units } = one;
    const rows = heads * width;
    const own: Given = {
      'attn.c_attn.weight': [joined(one.query, one.key, one.value), 3 * rows, d],
      'attn.c_attn.bias': [joined(one.queryBias, one.keyBias, one.valueBias), 3 * rows],
      'attn.c_proj.weight': [one.output, d, rows],
      'attn.c_proj.bias': [one.outputBias, d],
      'mlp.c_fc.weight': [one.up, units, d],
      'mlp.c_fc.bias': [one.upBias, units],
      'mlp.c_proj.weight': [one.down, d, units],
      'mlp.c_proj.bias': [one.downBias, d],
      'ln_1.weight': [one.gains[0], d],
      'ln_1.bias': [one.shifts[0], d],
      'ln_2.weight': [one.gains[1], d],
      'ln_2.bias': [one.shifts[1], d],
    };
    for (const [name, tensor] of Object.entries(own)) tensors[`transformer.h.${number}.${name}`] = tensor;
  }
  return tensors;
}
