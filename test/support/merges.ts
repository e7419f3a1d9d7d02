import { decodeFloats, encodeFloats, type FloatFormat } from '../../lib/tensor/convert.js';
import { drawModules, type MadeModule, multipliedOut, type Named, writeAdapter, writeNetworkOf } from './adapters.js';
import { random } from './random.js';

/* A small network, adapters of it, and merges of both. */

export const [d, kv, units, tokens, rank] = [24, 12, 40, 30, 4];
export const Q = 'model.layers.0.self_attn.q_proj';
export const K = 'model.layers.0.self_attn.k_proj';
export const V = 'model.layers.0.self_attn.v_proj';
export const MODULES = {
  [Q]: [d, d],
  [V]: [kv, d],
  'model.layers.0.mlp.down_proj': [d, units],
  'model.layers.1.self_attn.q_proj': [d, d],
  'model.layers.1.self_attn.v_proj': [kv, d],
  'model.layers.1.mlp.down_proj': [d, units],
} as const;

/** A small network, its weights as those of trained ones. */
export function baseTensors(seed: number): Named {
  const { normal } = random(seed);
  const draw = (...shape: number[]) => ({
    data: Float64Array.from({ length: shape.reduce((size, one) => size * one, 1) }, () => Math.fround(0.2 * normal())),
    shape,
  });
  const tensors: Named = { 'model.embed_tokens.weight': draw(tokens, d) };
  for (const layer of [0, 1]) {
    const shapes = { q_proj: [d, d], k_proj: [kv, d], v_proj: [kv, d], o_proj: [d, d] };
    for (const [name, shape] of Object.entries(shapes))
      tensors[`model.layers.${layer}.self_attn.${name}.weight`] = draw(...shape);
    tensors[`model.layers.${layer}.mlp.up_proj.weight`] = draw(units, d);
    tensors[`model.layers.${layer}.mlp.down_proj.weight`] = draw(d, units);
    tensors[`model.layers.${layer}.input_layernorm.weight`] = draw(d);
  }
  tensors['model.norm.weight'] = draw(d);
  tensors['lm_head.weight'] = draw(tokens, d);
  return tensors;
}

export const copyOf = (tensors: Named): Named =>
  Object.fromEntries(
    Object.entries(tensors).map(([name, { data, shape }]) => [name, { data: Float64Array.from(data), shape }]),
  );

/** Numbers as a type has them. */
export function rounded(tensors: Named, dtype: FloatFormat): Named {
  const as = (data: Float64Array) => {
    const values = new Float32Array(data.length);
    decodeFloats(encodeFloats(data, dtype), dtype, values);
    return Float64Array.from(values);
  };
  return Object.fromEntries(
    Object.entries(tensors).map(([name, { data, shape }]) => [name, { data: as(data as Float64Array), shape }]),
  );
}

/** Adds what adapters change to the tensors of a network. */
export function add(
  tensors: Named,
  modules: readonly MadeModule[],
  scale: number,
  names = (name: string) => name,
): Named {
  for (const module of modules) {
    const delta = multipliedOut(module, scale);
    const { data } = tensors[`${names(module.name)}.weight`];
    for (let i = 0; i < delta.length; i++) data[i] += delta[i];
  }
  return tensors;
}

/** Makes the usual three, with a merge that is made as wanted, in places of their own. */
export const scenariosIn =
  (place: () => string) =>
  (change: (merged: Named, modules: MadeModule[], base: Named) => Named | undefined, seed = 1) => {
    const base = baseTensors(seed);
    const modules = drawModules(MODULES, rank, seed + 100);
    const made = copyOf(base);
    const merged = change(made, modules, base) ?? made;
    return {
      base: writeNetworkOf(place(), base),
      adapter: writeAdapter(place(), modules),
      merged: writeNetworkOf(place(), merged),
      modules,
    };
  };
