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
