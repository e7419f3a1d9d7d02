import { join } from 'node:path';
import { writeSafetensors } from '../../lib/formats/safetensors/write.js';
import type { Tensor } from '../../lib/tensor/tensor.js';

export type Shapes = Readonly<Record<string, readonly number[]>>;

/** A tensor of small numbers, all different, counted from `start`. */
export function counting(shape: readonly number[], start = 1): Tensor {
  const size = shape.reduce((product, extent) => product * extent, 1);
  return { data: Float64Array.from({ length: size }, (_, index) => (start + index) / 8), shape };
}

/** Tensors of the given shapes by name; no two numbers in them are equal. */
export function tensorsOf(shapes: Shapes): Map<string, Tensor> {
  let start = 1;
  return new Map(
    Object.entries(shapes).map(([name, shape]) => {
      const tensor = counting(shape, start);
      start += tensor.data.length;
      return [name, tensor];
    }),
  );
}

/** Writes a checkpoint with tensors of these shapes and gives its path. */
export async function writeCheckpoint(
  folder: string,
  name: string,
  tensors: Shapes | ReadonlyMap<string, Tensor>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<string> {
  const path = join(folder, name);
  await writeSafetensors(path, tensors instanceof Map ? tensors : tensorsOf(tensors as Shapes), metadata);
  return path;
}

/** What a header lists, for code that reads no weights. */
export function listing(shapes: Shapes, dtype = 'F32') {
  return new Map(Object.entries(shapes).map(([name, shape]) => [name, { name, dtype, shape }]));
}

/** Shapes of a `bilinear` checkpoint: d inputs, h hidden units, o outputs. */
export const bilinearShapes = (d = 4, h = 3, o = 2): Shapes => ({
  'bi_linear.weight': [2 * h, d],
  'projection.weight': [o, h],
});

/** Shapes of a `deep` checkpoint with as many blocks; biases on request. */
export function deepShapes(blocks: number, biases = false, [d, m, h, o] = [3, 4, 6, 2]): Shapes {
  const shapes: Record<string, readonly number[]> = { 'embed.weight': [m, d] };
  const add = (module: string, out: number, takes: number) => {
    shapes[`${module}.weight`] = [out, takes];
    if (biases) shapes[`${module}.bias`] = [out];
  };
  for (let index = 0; index < blocks; index++) {
    add(`body.${index}.l`, h, m);
    add(`body.${index}.r`, h, m);
    add(`body.${index}.d`, m, h);
  }
  shapes['head.weight'] = [o, m];
  return shapes;
}

const QUERIES_AND_KEYS = ['q1', 'k1', 'q2', 'k2'];

/** Shapes of quadratic attention under a prefix: `queries` are q1, k1, q2, k2, or q and k alone. */
function attentionParts(prefix: string, width: number, queries: readonly string[], biases: boolean): Shapes {
  const weights = [...queries, 'v', 'o'].map((part) => [`${prefix}.${part}.weight`, [width, width]] as const);
  const constants = biases ? queries.map((part) => [`${prefix}.${part}.bias`, [width]] as const) : [];
  return Object.fromEntries([...weights, ...constants]);
}

/** Shapes of an `attention` checkpoint: a vocabulary of v, width d. */
export function attentionShapes(layers: number, biases = false, queries = QUERIES_AND_KEYS, [v, d] = [5, 4]): Shapes {
  const parts = Array.from({ length: layers }, (_, index) => attentionParts(`layers.${index}`, d, queries, biases));
  return Object.assign({ 'embed.weight': [v, d] }, ...parts, { 'unembed.weight': [v, d] });
}

/** Shapes of a `transformer` checkpoint. */
export function transformerShapes(blocks: number, biases = false, [d, m, h, o] = [3, 4, 6, 2]): Shapes {
  const parts = Array.from({ length: blocks }, (_, index) => ({
    ...attentionParts(`body.${index}.attn`, m, QUERIES_AND_KEYS, biases),
    [`body.${index}.mlp.l.weight`]: [h, m],
    [`body.${index}.mlp.r.weight`]: [h, m],
    [`body.${index}.mlp.d.weight`]: [m, h],
  }));
  return Object.assign({ 'embed.weight': [m, d] }, ...parts, { 'head.weight': [o, m] });
}

/** Shapes of an `image` checkpoint. */
export function imageShapes(blocks: number, biases = false, [d, h, o] = [6, 4, 3]): Shapes {
  const parts = Array.from({ length: blocks }, (_, index) => ({
    [`blocks.${index}.weight`]: [2 * h, h],
    ...(biases && { [`blocks.${index}.bias`]: [2 * h] }),
  }));
  return Object.assign({ 'embed.weight': [h, d] }, ...parts, { 'head.weight': [o, h] });
}

/** A chain d → h → … with these names of modules, of `weight` and, unless they are none, `bias`. */
export function chainShapes(
  modules: readonly string[],
  widths: readonly number[],
  biases = true,
): Record<string, readonly number[]> {
  return Object.fromEntries(
    modules.flatMap((module, i) => [
      [`${module}.weight`, [widths[i + 1], widths[i]]],
      ...(biases ? [[`${module}.bias`, [widths[i + 1]]]] : []),
    ]),
  );
}
