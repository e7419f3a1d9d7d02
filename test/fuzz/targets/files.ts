import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TensimError } from '../../../lib/errors.js';
import { loadInputs } from '../../../lib/evaluation/inputs_file.js';
import { openCheckpoint } from '../../../lib/formats/checkpoint.js';
import { encodeSafetensors } from '../../../lib/formats/safetensors/write.js';
import type { Model } from '../../../lib/model/model.js';
import { loadModel } from '../../../lib/model/reading/load.js';
import type { Tensor } from '../../../lib/tensor/tensor.js';
import { type Shapes, tensorsOf } from '../../model/helpers.js';
import { type Accepted, type Mutate, type Reader, type Target, Wrong } from '../engine/target.js';

/** What is read of a file at most: a few bytes can stand for a tensor of any size, by strides. */
const MOST_BYTES = 4 * 2 ** 20;

/** A target whose inputs are files of a format. */
export function fileTarget(
  format: string,
  about: string,
  seeds: () => readonly Uint8Array[],
  mutate: Mutate,
  simplify?: Target['simplify'],
): Target {
  return {
    name: format,
    about,
    mutate,
    ...(simplify && { simplify }),
    async prepare(folder) {
      const path = join(folder, `input.${format}`);
      const copy = join(folder, 'copy.safetensors');
      const isArrays = /^np/.test(format);
      const read: Reader = async (bytes, thorough) => {
        writeFileSync(path, bytes);
        const tensors = await readTensors(path);
        if (thorough) await compareCopy(tensors, copy);
        // Arrays are what inputs come in; in other files they are looked for now and then.
        const inputs = isArrays || thorough ? await tried(loadInputs(path)) : undefined;
        const model = await tried(loadModel(path));
        return {
          deep: (model ?? inputs) !== undefined,
          digest: digestOf(tensors) + (model ? digestOfModel(model) : ''),
        };
      };
      return { seeds: seeds(), read };
    },
  };
}

/** All tensors of a checkpoint that can be weights, and those of whole numbers. */
export async function readTensors(path: string): Promise<Map<string, Tensor>> {
  const checkpoint = await openCheckpoint(path);
  try {
    const tensors = new Map<string, Tensor>();
    let left = MOST_BYTES;
    for (const { name, bytes, shape } of checkpoint.tensors.values()) {
      left -= bytes;
      if (left < 0) continue;
      const read = (await tried(checkpoint.read(name))) ?? (await tried(checkpoint.readIntegers(name)));
      if (read === undefined) continue;
      const size = shape.reduce((product, extent) => product * extent, 1);
      if (read.data.length !== size) throw new Wrong(`${name} has ${read.data.length} elements, not ${size}`);
      if (read.data instanceof Float64Array || read.data instanceof Float32Array) tensors.set(name, read as Tensor);
    }
    return tensors;
  } finally {
    await checkpoint.close();
  }
}

/** What our own writer makes of tensors must be read as the same. */
async function compareCopy(tensors: ReadonlyMap<string, Tensor>, path: string): Promise<void> {
  const copy = await triedNow(() => encodeSafetensors(tensors));
  if (copy === undefined) return;
  writeFileSync(path, copy);
  const again = await readTensors(path);
  if (digestOf(again) !== digestOf(tensors)) throw new Wrong('written and read again, the tensors are others');
}

/** What a promise resolves to; undefined if it is refused as it may be. */
export async function tried<Value>(promise: Promise<Value>): Promise<Value | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof TensimError && error.code !== 'INTERNAL') return undefined;
    throw error;
  }
}

export const triedNow = <Value>(work: () => Value): Promise<Value | undefined> => tried(Promise.resolve().then(work));

export function digestOf(tensors: ReadonlyMap<string, Tensor>): string {
  const hash = createHash('sha1');
  for (const [name, { data, shape }] of tensors) {
    hash.update(JSON.stringify([name, shape, data.constructor.name]));
    const { buffer, byteOffset, byteLength } = data as Float64Array;
    hash.update(new Uint8Array(buffer, byteOffset, byteLength));
  }
  return hash.digest('hex');
}

export function digestOfModel({ layers, parameters, inputShape, outputShape }: Model): string {
  const kinds = layers.map((layer) => Object.entries(layer).map(([name, part]) => [name, part?.shape ?? part]));
  return JSON.stringify([kinds, inputShape, outputShape]) + digestOf(parameters);
}

/** A small checkpoint of ours. */
export function checkpointOf(shapes: Shapes, metadata: Readonly<Record<string, string>> = {}, dtype?: 'F32' | 'BF16') {
  return Buffer.from(encodeSafetensors(tensorsOf(shapes), metadata, dtype === undefined ? {} : { dtype }));
}

export const accepted = (digest: string, deep = true): Accepted => ({ deep, digest });

/** For inputs that are not for this machine: too large to be computed many times a second, or about other folders. */
export function leftOut(): TensimError {
  return new TensimError('INVALID_ARGUMENT', 'left out');
}
