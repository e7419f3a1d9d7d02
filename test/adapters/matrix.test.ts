import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { adapterMatrix } from '../../lib/adapters/matrix.js';
import { encodeSafetensors } from '../../lib/formats/safetensors/write.js';
import { decodeFloats, encodeFloats, type FloatFormat, floatArray } from '../../lib/tensor/convert.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { rejection, temporaryFolder } from '../formats/safetensors/helpers.js';
import { drawModules, type MadeModule, multipliedOut, writeAdapter } from '../support/adapters.js';
import { random } from '../support/random.js';

const root = temporaryFolder();
let places = 0;
const place = (): string => join(root, `adapter_${places++}`);

const SHAPES = {
  'model.layers.0.self_attn.q_proj': [20, 12],
  'model.layers.0.mlp.down_proj': [12, 30],
  'model.layers.1.self_attn.q_proj': [20, 12],
} as const;

/** ⟨ΔW, ΔW'⟩ of whole adapters, multiplied out. */
function dense(one: readonly MadeModule[], scale: number, other: readonly MadeModule[], otherScale: number): number {
  let sum = 0;
  for (const module of one) {
    const answer = other.find(({ name }) => name === module.name);
    if (answer === undefined) continue;
    const [a, b] = [multipliedOut(module, scale), multipliedOut(answer, otherScale)];
    for (let k = 0; k < a.length; k++) sum += a[k] * b[k];
  }
  return sum;
}

/** Adapters of several ranks and scales, one of them of MLX, one without a module; how each is made and what it is. */
function family() {
  const made = [4, 4, 2, 7, 4, 4].map((rank, seed) => drawModules(SHAPES, rank, seed));
  made[2] = made[2].slice(0, 2);
  const scales = [2, 8 / 4, 3 / 2, 8 / Math.sqrt(7), 0.5, 8 / (12 + 1e-5)];
  const diagonal = Float64Array.of(0.5, -1, 0.25, 2);
  const paths = [
    writeAdapter(place(), made[0]),
    writeAdapter(place(), made[1]),
    writeAdapter(place(), made[2], { r: 2, lora_alpha: 3 }),
    writeAdapter(place(), made[3], { r: 7, use_rslora: true }),
    writeMlx(place(), made[4], 0.5),
    writeAdaLora(place(), made[5], diagonal),
  ];
  made[5] = made[5].map((module) => ({
    ...module,
    a: module.a.map((value, at) => value * diagonal[Math.floor(at / module.inputs)]),
  }));
  return { paths, made, scales };
}

function writeMlx(folder: string, modules: readonly MadeModule[], scale: number): string {
  const tensors = new Map<string, Tensor>();
  const turned = (data: Float64Array, rows: number, columns: number) =>
    data.map((_, at) => data[(at % rows) * columns + Math.floor(at / rows)]);
  for (const { name, a, b, rank, inputs, outputs } of modules) {
    tensors.set(`${name}.lora_a`, { data: turned(a, rank, inputs), shape: [inputs, rank] });
    tensors.set(`${name}.lora_b`, { data: turned(b, outputs, rank), shape: [rank, outputs] });
  }
  return writeFiles(folder, 'adapters.safetensors', tensors, {
    fine_tune_type: 'lora',
    lora_parameters: { rank: 4, scale },
  });
}

function writeAdaLora(folder: string, modules: readonly MadeModule[], diagonal: Float64Array): string {
  const tensors = new Map<string, Tensor>();
  for (const { name, a, b, rank, inputs, outputs } of modules) {
    tensors.set(`base_model.model.${name}.lora_A`, { data: a, shape: [rank, inputs] });
    tensors.set(`base_model.model.${name}.lora_B`, { data: b, shape: [outputs, rank] });
    tensors.set(`base_model.model.${name}.lora_E`, { data: diagonal, shape: [rank, 1] });
  }
  const config = { peft_type: 'ADALORA', r: 8, init_r: 12, lora_alpha: 8 };
  return writeFiles(folder, 'adapter_model.safetensors', tensors, config);
}

function writeFiles(folder: string, name: string, tensors: Map<string, Tensor>, config: object): string {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, name), encodeSafetensors(tensors, {}, { dtype: 'F32' }));
  writeFileSync(join(folder, 'adapter_config.json'), JSON.stringify(config));
  return folder;
}

test('inner products from factors are those of what is multiplied out, of any kind and rank', async () => {
  const { paths, made, scales } = family();
  const { gram, cosine, labels, modules, adapters, dtype } = await adapterMatrix(paths);
  expect({ labels: labels.length, modules, dtype }).toEqual({ labels: 6, modules: 3, dtype: 'float64' });
  expect(adapters.map(({ kind, rank, modules: own }) => [kind, rank, own])).toEqual([
    ['LoRA', 4, 3],
    ['LoRA', 4, 3],
    ['LoRA', 2, 2],
    ['rsLoRA', 7, 3],
    ['MLX LoRA', 4, 3],
    ['AdaLoRA', 4, 3],
  ]);
  const expected = made.map((one, i) => made.map((other, j) => dense(one, scales[i], other, scales[j])));
  for (const [i, row] of expected.entries())
    for (const [j, value] of row.entries()) {
      const size = Math.sqrt(expected[i][i] * expected[j][j]);
      expect(Math.abs(gram[i][j] - value) / size).toBeLessThan(1e-10);
      expect(Math.abs(cosine[i][j] - value / size)).toBeLessThan(1e-10);
      expect(gram[i][j]).toBe(gram[j][i]);
    }
});

test('factors of all types are what their files say, in both types that are computed in', async () => {
  const formats = ['F64', 'F32', 'F16', 'BF16', 'BF16', 'F16', 'BF16'] as const;
  const rounded = (values: Float64Array, format: FloatFormat) => {
    const kept = floatArray(format, values.length);
    decodeFloats(encodeFloats(values, format), format, kept);
    return Float64Array.from(kept);
  };
  const made = formats.map((format, i) =>
    drawModules(SHAPES, i === 4 ? 3 : 5, 70 + i).map((module) => ({
      ...module,
      ...{ a: rounded(module.a, format), b: rounded(module.b, format) },
    })),
  );
  const paths = made.map((modules, i) => writeAdapter(place(), modules, { r: 4 }, { dtype: formats[i] }));
  const scales = made.map(([{ rank }]) => 8 / rank);
  const expected = made.map((one, i) => made.map((other, j) => dense(one, scales[i], other, scales[j])));
  for (const dtype of ['float64', 'float32'] as const) {
    const { gram } = await adapterMatrix(paths, { dtype });
    for (const [i, row] of expected.entries())
      for (const [j, value] of row.entries())
        expect(Math.abs(gram[i][j] - value) / Math.sqrt(expected[i][i] * expected[j][j])).toBeLessThan(
          dtype === 'float64' ? 1e-12 : 1e-6,
        );
  }
});

test('the memory limit changes no bit, and float32 no more than its digits', async () => {
  const { paths: some } = family();
  const more = Array.from({ length: 40 }, (_, i) => writeAdapter(place(), drawModules(SHAPES, 128, 100 + i, 0.1)));
  const paths = [...some, ...more];
  const { gram, cosine } = await adapterMatrix(paths);
  // Blocks of a few adapters; one module after the other, and none in advance.
  const tight = await adapterMatrix(paths, { memoryLimit: 20 * 128 * 42 * 4 });
  expect(tight.gram).toEqual(gram);
  const single = await adapterMatrix(paths, { dtype: 'float32' });
  expect(single.dtype).toBe('float32');
  for (const [i, row] of single.cosine.entries())
    for (const [j, value] of row.entries()) expect(Math.abs(value - cosine[i][j])).toBeLessThan(1e-5);
});

test('copies are 1, what is turned around −1, and what is zero is undefined', async () => {
  const modules = drawModules(SHAPES, 4, 50);
  const around = modules.map((module) => ({ ...module, a: module.a.map((value) => -value) }));
  const zero = modules.map((module) => ({ ...module, b: new Float64Array(module.b.length) }));
  const { cosine } = await adapterMatrix([modules, modules, around, zero].map((made) => writeAdapter(place(), made)));
  expect([...cosine[0]]).toEqual([1, 1, -1, Number.NaN]);
});

test('progress counts pairs of every module, and an abort rejects with its reason', async () => {
  const { paths } = family();
  const seen: number[][] = [];
  await adapterMatrix(paths, { onProgress: ({ done, total }) => seen.push([done, total]) });
  expect(seen[0]).toEqual([0, 2 * 21 + 15]);
  expect(seen.at(-1)).toEqual([57, 57]);
  const control = new AbortController();
  control.abort(new Error('enough'));
  await expect(adapterMatrix(paths, { signal: control.signal })).rejects.toThrow('enough');
});

test('adapters of different networks, numbers that are none and options that cannot be are told', async () => {
  const paths = [writeAdapter(place(), drawModules(SHAPES, 2, 1))];
  const wide = writeAdapter(place(), drawModules({ 'model.layers.0.self_attn.q_proj': [21, 12] }, 2, 1));
  expect((await rejection(adapterMatrix([...paths, wide]))).code).toBe('SHAPE_MISMATCH');
  const { normal } = random(1);
  const odd = drawModules(SHAPES, 2, 1).map((module) => ({
    ...module,
    a: module.a.map((value, at) => (at === 1 ? Number.NaN : value * normal())),
  }));
  expect((await rejection(adapterMatrix([...paths, writeAdapter(place(), odd)]))).code).toBe('NOT_FINITE');
  expect((await rejection(adapterMatrix([]))).code).toBe('INVALID_ARGUMENT');
  expect((await rejection(adapterMatrix(paths, { memoryLimit: -1 }))).code).toBe('INVALID_ARGUMENT');
  expect((await rejection(adapterMatrix(paths, { dtype: 'float16' as never }))).code).toBe('INVALID_ARGUMENT');
});
