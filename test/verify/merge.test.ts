import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { encodeSafetensors } from '../../lib/formats/safetensors/write.js';
import { decodeFloats, encodeFloats, type FloatFormat } from '../../lib/tensor/convert.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { verifyMerge } from '../../lib/verify/merge.js';
import { rejection, temporaryFolder } from '../formats/safetensors/helpers.js';
import {
  drawModules,
  type MadeModule,
  multipliedOut,
  type Named,
  writeAdapter,
  writeNetworkOf,
} from '../support/adapters.js';
import { random } from '../support/random.js';

const root = temporaryFolder();
let places = 0;
const place = (): string => join(root, String(places++));

const [d, kv, units, tokens, rank] = [24, 12, 40, 30, 4];
const Q = 'model.layers.0.self_attn.q_proj';
const K = 'model.layers.0.self_attn.k_proj';
const V = 'model.layers.0.self_attn.v_proj';
const MODULES = {
  [Q]: [d, d],
  [V]: [kv, d],
  'model.layers.0.mlp.down_proj': [d, units],
  'model.layers.1.self_attn.q_proj': [d, d],
  'model.layers.1.self_attn.v_proj': [kv, d],
  'model.layers.1.mlp.down_proj': [d, units],
} as const;

/** A small network, its weights as those of trained ones. */
function baseTensors(seed: number): Named {
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

const copyOf = (tensors: Named): Named =>
  Object.fromEntries(
    Object.entries(tensors).map(([name, { data, shape }]) => [name, { data: Float64Array.from(data), shape }]),
  );

/** Numbers as a type has them. */
function rounded(tensors: Named, dtype: FloatFormat): Named {
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
function add(tensors: Named, modules: readonly MadeModule[], scale: number, names = (name: string) => name): Named {
  for (const module of modules) {
    const delta = multipliedOut(module, scale);
    const { data } = tensors[`${names(module.name)}.weight`];
    for (let i = 0; i < delta.length; i++) data[i] += delta[i];
  }
  return tensors;
}

/** The usual three, with a merge that is made as wanted. */
function scenario(change: (merged: Named, modules: MadeModule[], base: Named) => Named | undefined, seed = 1) {
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
}

const scale = 2;
const check = ({ base, adapter, merged }: { base: string; adapter: string; merged: string }) =>
  verifyMerge(base, [adapter], merged);

describe('right merges', () => {
  test('in float32, with what was found of every tensor', async () => {
    const { faults, tensors, ...result } = await check(scenario((merged, modules) => add(merged, modules, scale)));
    expect(faults).toEqual([]);
    expect(result).toMatchObject({ outcome: 'pass', adapters: [{ kind: 'LoRA', rank, scale }], notes: [] });
    expect(result.summary).toBe("merged: 6 tensors have their changes, and 11 others are the base's");
    expect(tensors.map(({ tensor, layer, state }) => [tensor, layer, state])).toEqual([
      ...Object.keys(MODULES).map((name) => [`${name}.weight`, Number(name.split('.')[2]), 'merged']),
    ]);
    for (const { factor, error } of tensors) {
      expect(factor).toBeCloseTo(1, 6);
      expect(error).toBeLessThan(1e-6);
    }
  });

  test.each(['BF16', 'F16'] as const)('rounded to %s, of a base that was so or was not', async (dtype) => {
    const modules = drawModules(MODULES, rank, 7, 0.05);
    const adapter = writeAdapter(place(), modules);
    for (const base of [rounded(baseTensors(2), dtype), baseTensors(2)]) {
      const merged = add(copyOf(base), modules, scale);
      const result = await verifyMerge(
        writeNetworkOf(place(), base),
        [adapter],
        writeNetworkOf(place(), rounded(merged, dtype), dtype),
      );
      expect(result.faults).toEqual([]);
      expect(result.outcome).toBe('pass');
      expect(new Set(result.tensors.map(({ state }) => state))).toEqual(new Set(['rounded']));
    }
  });

  test('computed in bfloat16, factors and products rounded, and stored as float32', async () => {
    const base = baseTensors(3);
    const modules = drawModules(MODULES, rank, 8, 0.2);
    const coarse = modules.map((module) => {
      const { a, b } = rounded({ a: { data: module.a, shape: [] }, b: { data: module.b, shape: [] } }, 'BF16');
      return { ...module, a: a.data as Float64Array, b: b.data as Float64Array };
    });
    const merged = copyOf(base);
    for (const name of Object.keys(MODULES)) {
      const own = rounded({ own: merged[`${name}.weight`] }, 'BF16').own;
      merged[`${name}.weight`] = own;
    }
    add(merged, coarse, scale);
    for (const name of Object.keys(MODULES))
      merged[`${name}.weight`] = rounded({ own: merged[`${name}.weight`] }, 'BF16').own;
    const result = await verifyMerge(
      writeNetworkOf(place(), base),
      [writeAdapter(place(), modules)],
      writeNetworkOf(place(), merged),
    );
    expect(result.faults).toEqual([]);
    expect(result.outcome).toBe('pass');
  });

  test('of two adapters, one after the other', async () => {
    const base = baseTensors(4);
    const [one, other] = [drawModules(MODULES, rank, 9), drawModules({ [Q]: [d, d] }, 2, 10)];
    const merged = add(add(copyOf(base), one, 2), other, 8 / 2);
    const paths = [writeAdapter(place(), one), writeAdapter(place(), other, { r: 2 })];
    const result = await verifyMerge(writeNetworkOf(place(), base), paths, writeNetworkOf(place(), merged));
    expect(result).toMatchObject({ outcome: 'pass', faults: [] });
    // One of them left out is told by its name.
    const half = await verifyMerge(
      writeNetworkOf(place(), base),
      paths,
      writeNetworkOf(place(), add(copyOf(base), one, 2)),
    );
    expect(half.faults).toMatchObject([{ cause: 'not-merged', tensor: `${Q}.weight` }]);
    expect(half.faults[0].text).toContain(paths[1]);
  });

  test('of weights that are stored as inputs by outputs, packed', async () => {
    const name = 'h.0.attn.c_attn';
    const [module] = drawModules({ [`transformer.${name}`]: [3 * d, d] }, rank, 11);
    const { normal } = random(12);
    const data = Float64Array.from({ length: 3 * d * d }, () => Math.fround(normal()));
    const base: Named = { [`${name}.weight`]: { data, shape: [d, 3 * d] } };
    const delta = multipliedOut(module, scale);
    const merged = copyOf(base);
    for (let i = 0; i < 3 * d; i++)
      for (let j = 0; j < d; j++) merged[`${name}.weight`].data[j * 3 * d + i] += delta[i * d + j];
    const adapter = writeAdapter(place(), [module], { fan_in_fan_out: true });
    const folder = writeNetworkOf(place(), base);
    const result = await verifyMerge(folder, [adapter], writeNetworkOf(place(), merged));
    expect(result).toMatchObject({ outcome: 'pass', faults: [] });
    // The change of the queries in the place of the keys.
    const moved = copyOf(base);
    for (let i = 0; i < d; i++)
      for (let j = 0; j < d; j++) moved[`${name}.weight`].data[j * 3 * d + d + i] += delta[i * d + j];
    const { faults, tensors } = await verifyMerge(folder, [adapter], writeNetworkOf(place(), moved));
    expect(tensors).toMatchObject([{ tensor: `${name}.weight`, state: 'wrong-slice' }]);
    expect(faults).toMatchObject([{ cause: 'wrong-slice', tensor: `${name}.weight`, layer: 0 }]);
    expect(faults[0].text).toContain(`has in rows ${d} to ${2 * d - 1} what is the change of its rows 0 to ${d - 1}`);
  });

  test('under other names, in shards, in another order', async () => {
    const { base, adapter, modules } = scenario(() => undefined, 5);
    const merged = add(copyOf(baseTensors(5)), modules, scale);
    const names = Object.keys(merged).reverse();
    const folder = place();
    writeNetworkOf(folder, {});
    const weightMap: Record<string, string> = {};
    for (const [shard, some] of [names.slice(0, 6), names.slice(6)].entries()) {
      const file = `model-0000${shard + 1}-of-00002.safetensors`;
      const tensors = new Map(some.map((name) => [`module.${name}`, merged[name]]));
      for (const name of tensors.keys()) weightMap[name] = file;
      writeFileSync(join(folder, file), encodeSafetensors(tensors, {}, { dtype: 'F32' }));
    }
    writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: weightMap }));
    const result = await verifyMerge(base, [adapter], join(folder, 'model.safetensors.index.json'));
    expect(result).toMatchObject({ outcome: 'pass', faults: [] });
  });

  test('without the output matrix that is the embedding, and with a head that the adapter brings along', async () => {
    const base = baseTensors(6);
    base['lm_head.weight'] = base['model.embed_tokens.weight'];
    const modules = drawModules(MODULES, rank, 13);
    const { 'lm_head.weight': _, ...merged } = add(copyOf(base), modules, scale);
    const adapter = writeAdapter(place(), modules);
    const folder = writeNetworkOf(place(), base);
    const result = await verifyMerge(folder, [adapter], writeNetworkOf(place(), merged));
    expect(result).toMatchObject({ outcome: 'pass', faults: [] });
    expect(result.notes[0]).toContain('lm_head.weight');

    const head = {
      data: Float64Array.from({ length: tokens * d }, (_, i) => Math.fround(Math.sin(i))),
      shape: [tokens, d],
    };
    const bringing = writeAdapter(place(), modules, {}, { whole: { 'lm_head.weight': head } });
    const full = add(copyOf(base), modules, scale);
    const left = await verifyMerge(folder, [bringing], writeNetworkOf(place(), full));
    expect(left.faults).toMatchObject([{ cause: 'not-merged', tensor: 'lm_head.weight' }]);
    const whole = await verifyMerge(folder, [bringing], writeNetworkOf(place(), { ...full, 'lm_head.weight': head }));
    expect(whole).toMatchObject({ outcome: 'pass', faults: [] });
  });

  test('of alphas of their own, the root of the rank, and another module order', async () => {
    const base = baseTensors(14);
    const modules = drawModules(MODULES, rank, 15);
    const config = { use_rslora: true, alpha_pattern: { 'layers.1.self_attn.q_proj': 16 } };
    const merged = copyOf(base);
    for (const module of modules)
      add(merged, [module], (module.name.includes('1.self_attn.q') ? 16 : 8) / Math.sqrt(rank));
    const result = await verifyMerge(
      writeNetworkOf(place(), base),
      [writeAdapter(place(), modules, config)],
      writeNetworkOf(place(), merged),
    );
    expect(result).toMatchObject({ outcome: 'pass', faults: [], adapters: [{ kind: 'rsLoRA', scale: 4 }] });
  });
});

test('adapters of embeddings, and of MLX, whose factors stand the other way around', async () => {
  const base = baseTensors(30);
  const folder = writeNetworkOf(place(), base);
  const [query] = drawModules({ [Q]: [d, d] }, rank, 31);
  const [embedding] = drawModules({ 'model.embed_tokens': [d, tokens] }, rank, 32);
  const turned = (data: Float64Array, rows: number, columns: number) =>
    data.map((_, at) => data[(at % rows) * columns + Math.floor(at / rows)]);
  const merged = add(copyOf(base), [query], scale);
  const delta = multipliedOut(embedding, scale);
  const { data } = merged['model.embed_tokens.weight'];
  for (let token = 0; token < tokens; token++)
    for (let i = 0; i < d; i++) data[token * d + i] += delta[i * tokens + token];
  const target = writeNetworkOf(place(), merged);

  const peft = place();
  writeAdapter(peft, [query]);
  const named = new Map<string, Tensor>([
    [`base_model.model.${Q}.lora_A.weight`, { data: query.a, shape: [rank, d] }],
    [`base_model.model.${Q}.lora_B.weight`, { data: query.b, shape: [d, rank] }],
    ['base_model.model.model.embed_tokens.lora_embedding_A', { data: embedding.a, shape: [rank, tokens] }],
    ['base_model.model.model.embed_tokens.lora_embedding_B', { data: embedding.b, shape: [d, rank] }],
  ]);
  writeFileSync(join(peft, 'adapter_model.safetensors'), encodeSafetensors(named, {}, { dtype: 'F32' }));

  const mlx = place();
  mkdirSync(mlx);
  const others = new Map<string, Tensor>([
    [`${Q}.lora_a`, { data: turned(query.a, rank, d), shape: [d, rank] }],
    [`${Q}.lora_b`, { data: turned(query.b, d, rank), shape: [rank, d] }],
    ['model.embed_tokens.lora_a', { data: turned(embedding.a, rank, tokens), shape: [tokens, rank] }],
    ['model.embed_tokens.lora_b', { data: turned(embedding.b, d, rank), shape: [rank, d] }],
  ]);
  writeFileSync(join(mlx, 'adapters.safetensors'), encodeSafetensors(others, {}, { dtype: 'F32' }));
  const config = { fine_tune_type: 'lora', lora_parameters: { rank, scale } };
  writeFileSync(join(mlx, 'adapter_config.json'), JSON.stringify(config));

  for (const adapter of [peft, mlx]) {
    const result = await verifyMerge(folder, [adapter], target);
    expect(result).toMatchObject({ outcome: 'pass', faults: [] });
    expect(result.tensors.map(({ tensor, state }) => [tensor, state])).toEqual([
      ['model.embed_tokens.weight', 'merged'],
      [`${Q}.weight`, 'merged'],
    ]);
  }
});

describe('wrong merges', () => {
  test('that left the base', async () => {
    const { outcome, faults, tensors } = await check(scenario(() => undefined));
    expect(outcome).toBe('fail');
    expect(faults).toMatchObject([{ cause: 'not-merged', layer: 0 }]);
    expect(faults[0].tensors).toHaveLength(6);
    expect(faults[0].text).toContain('nothing was merged');
    for (const { state, factor } of tensors) expect([state, factor]).toEqual(['not-merged', 0]);
  });

  test('that left one layer out', async () => {
    const { faults } = await check(
      scenario((merged, modules) =>
        add(
          merged,
          modules.filter(({ name }) => !name.includes('layers.1')),
          scale,
        ),
      ),
    );
    expect(faults).toMatchObject([{ cause: 'not-merged', layer: 1 }]);
    expect(faults[0].tensors).toHaveLength(3);
  });

  test('that merged twice', async () => {
    const { faults, tensors } = await check(scenario((merged, modules) => add(merged, modules, 2 * scale)));
    expect(faults).toMatchObject([{ cause: 'merged-twice' }]);
    expect(tensors[0].factor).toBeCloseTo(2, 6);
  });

  test.each([
    [8, 'α = 8 in place of α/r'],
    [1, 'B A was added without a scale'],
    [4, 'merged-twice'],
    [0.25, '1/r in place of α/r'],
    [-2, 'taken off'],
    [0.7, 'times 0.35'],
  ])('by %f in place of 2', async (applied, text) => {
    const { faults, tensors } = await check(scenario((merged, modules) => add(merged, modules, applied)));
    expect(faults).toHaveLength(1);
    expect(faults[0].tensors).toHaveLength(6);
    expect(tensors[0].factor).toBeCloseTo(applied / scale, 5);
    if (text === 'merged-twice') expect(faults[0].cause).toBe('merged-twice');
    else {
      expect(faults[0].cause).toBe('wrong-scale');
      expect(faults[0].text).toContain(text);
    }
  });

  test('with the change of the queries in the values of the next layer', async () => {
    const { faults } = await check(
      scenario((merged, modules) => {
        const names = (name: string) => (name === V ? 'model.layers.1.self_attn.k_proj' : name);
        return add(merged, modules, scale, names);
      }),
    );
    expect(faults.map(({ cause, tensor }) => [cause, tensor])).toEqual([
      ['wrong-slice', 'model.layers.1.self_attn.k_proj.weight'],
      ['not-merged', `${V}.weight`],
    ]);
    expect(faults[0].text).toContain(`the change of "${V}.weight"`);
  });

  test('with the changes of two layers exchanged', async () => {
    const swap = (name: string) => name.replace(/\d/, (layer) => String(1 - Number(layer)));
    const { faults } = await check(scenario((merged, modules) => add(merged, modules, scale, swap)));
    expect(faults.map(({ cause }) => cause)).toEqual(Array(6).fill('wrong-slice'));
    expect(faults[0].text).toContain('model.layers.1.self_attn.q_proj.weight');
  });

  test('with one change transposed', async () => {
    const { faults } = await check(
      scenario((merged, modules) => {
        add(merged, modules.slice(1), scale);
        const delta = multipliedOut(modules[0], scale);
        const { data } = merged[`${Q}.weight`];
        for (let i = 0; i < d; i++) for (let j = 0; j < d; j++) data[j * d + i] += delta[i * d + j];
        return merged;
      }),
    );
    expect(faults).toMatchObject([{ cause: 'transposed', tensor: `${Q}.weight` }]);
  });

  test('with something else changed: the embedding, keys, a norm of the base', async () => {
    const { faults } = await check(
      scenario((merged, modules) => {
        merged['model.embed_tokens.weight'].data[5] += 0.01;
        merged[`${K}.weight`].data[0] *= 1.001;
        return add(merged, modules, scale);
      }),
    );
    expect(faults).toMatchObject([
      { cause: 'changed-elsewhere', tensors: ['model.embed_tokens.weight', `${K}.weight`] },
    ]);
  });

  test('with noise beside the change', async () => {
    const { normal } = random(99);
    const { faults } = await check(
      scenario((merged, modules) => {
        const { data } = add(merged, modules, scale)[`${V}.weight`];
        for (let i = 0; i < data.length; i++) data[i] += 0.05 * normal();
        return merged;
      }),
    );
    expect(faults).toMatchObject([{ cause: 'perturbed', tensor: `${V}.weight` }]);
  });

  test('with NaN, a tensor less, a tensor more, another shape', async () => {
    const { faults } = await check(
      scenario((merged, modules) => {
        const made = add(merged, modules, scale);
        made[`${Q}.weight`].data[0] = Number.NaN;
        const { [`${K}.weight`]: _, ...rest } = made;
        return {
          ...rest,
          'extra.weight': { data: new Float64Array(2), shape: [2] },
          'model.norm.weight': { data: new Float64Array(d + 1), shape: [d + 1] },
        };
      }),
    );
    expect(faults.map(({ cause, tensor }) => [cause, tensor])).toEqual([
      ['not-finite', `${Q}.weight`],
      ['wrong-shape', 'model.norm.weight'],
      ['missing-tensor', `${K}.weight`],
      ['extra-tensor', 'extra.weight'],
    ]);
  });
});

test('adapters that are zero, as before training, prove nothing', async () => {
  const base = baseTensors(20);
  const modules = drawModules(MODULES, rank, 21).map((one) => ({ ...one, b: new Float64Array(one.b.length) }));
  const folder = writeNetworkOf(place(), base);
  const result = await verifyMerge(folder, [writeAdapter(place(), modules)], writeNetworkOf(place(), base));
  expect(result).toMatchObject({ outcome: 'undecided', faults: [] });
  expect(result.summary).toContain('zero');
});

test('a network that was saved with the adapter beside it is not merged', async () => {
  const { base, adapter, modules } = scenario(() => undefined, 22);
  const tensors: Named = {};
  for (const [name, tensor] of Object.entries(baseTensors(22))) {
    const isTouched = modules.some((module) => `${module.name}.weight` === name);
    tensors[`base_model.model.${isTouched ? name.replace('.weight', '.base_layer.weight') : name}`] = tensor;
  }
  for (const { name, a, b, inputs, outputs } of modules) {
    tensors[`base_model.model.${name}.lora_A.default.weight`] = { data: a, shape: [rank, inputs] };
    tensors[`base_model.model.${name}.lora_B.default.weight`] = { data: b, shape: [outputs, rank] };
  }
  const { faults } = await verifyMerge(base, [adapter], writeNetworkOf(place(), tensors));
  expect(faults).toMatchObject([{ cause: 'not-merged' }]);
  expect(faults[0].text).toContain('factors of an adapter still lie beside');
});

test('an adapter of another network is told', async () => {
  const { base, merged } = scenario(() => undefined, 23);
  const other = writeAdapter(place(), drawModules({ 'model.layers.7.self_attn.q_proj': [d, d] }, rank, 24));
  const error = await rejection(verifyMerge(base, [other], merged));
  expect(error.code).toBe('INVALID_ARGUMENT');
  expect(error.message).toContain('model.layers.7.self_attn.q_proj');
  const wide = writeAdapter(place(), drawModules({ [Q]: [d + 1, d] }, rank, 25));
  expect((await rejection(verifyMerge(base, [wide], merged))).code).toBe('SHAPE_MISMATCH');
  expect((await rejection(verifyMerge(base, [], merged))).code).toBe('INVALID_ARGUMENT');
});
