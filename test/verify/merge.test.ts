import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { encodeSafetensors } from '../../lib/formats/safetensors/write.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { verifyMerge } from '../../lib/verify/merge.js';
import { rejection, temporaryFolder } from '../formats/safetensors/helpers.js';
import { drawModules, multipliedOut, type Named, writeAdapter, writeNetworkOf } from '../support/adapters.js';
import { add, baseTensors, copyOf, d, MODULES, Q, rank, rounded, scenariosIn, tokens } from '../support/merges.js';
import { random } from '../support/random.js';

const root = temporaryFolder();
let places = 0;
const place = (): string => join(root, String(places++));
const scenario = scenariosIn(place);

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
