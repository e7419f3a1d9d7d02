import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { writeNpz } from '../../lib/formats/numpy/write.js';
import type { TensorInMemory } from '../../lib/formats/outgoing.js';
import { writeSafetensorsFile } from '../../lib/formats/safetensors/write.js';
import { encodeFloats, type FloatFormat, isFloatFormat } from '../../lib/tensor/convert.js';
import { GGUF_KIND, type GgufTensor, type GgufValue, gguf } from '../support/gguf.js';
import { dict, global, int, pickle, tensor, text } from '../support/pickle.js';
import { type PackedType, quantise } from '../support/quantise.js';
import type { Given } from '../support/transformers.js';
import { zip } from '../support/zip.js';

/* Networks on disk, as the programs of the field leave them. */

/** A tensor as it is to be stored. */
export interface Stored {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}
export type AllStored = Readonly<Record<string, Stored>>;

/** Numbers of one floating-point type, rounded to nearest. */
export function stored(tensors: Given, dtype: FloatFormat = 'F32'): AllStored {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, [data, ...shape]]) => [
      name,
      { dtype, shape, bytes: encodeFloats(data, dtype) },
    ]),
  );
}

const outgoing = (tensors: AllStored): TensorInMemory[] =>
  Object.entries(tensors).map(([name, { dtype, shape, bytes }]) => ({
    ...{ name, dtype, shape, bytes: bytes.length },
    pieces: () => [bytes],
  }));

export type Config = Readonly<Record<string, unknown>>;

function place(folder: string, config: Config | undefined): void {
  mkdirSync(folder, { recursive: true });
  if (config !== undefined) writeFileSync(join(folder, 'config.json'), JSON.stringify(config, undefined, 2));
}

/** A folder as Hugging Face has them, with one safetensors file. */
export async function writeFolder(folder: string, tensors: AllStored, config?: Config): Promise<string> {
  place(folder, config);
  await writeSafetensorsFile(join(folder, 'model.safetensors'), outgoing(tensors), { format: 'pt' });
  return folder;
}

/** The same in shards of so many tensors. */
export async function writeShards(folder: string, tensors: AllStored, config: Config, each: number): Promise<string> {
  place(folder, config);
  const all = outgoing(tensors);
  const count = Math.ceil(all.length / each);
  const weights: Record<string, string> = {};
  for (let shard = 0; shard < count; shard++) {
    const [number, of] = [shard + 1, count].map((one) => String(one).padStart(5, '0'));
    const name = `model-${number}-of-${of}.safetensors`;
    const own = all.slice(shard * each, (shard + 1) * each);
    for (const one of own) weights[one.name] = name;
    await writeSafetensorsFile(join(folder, name), own, { format: 'pt' });
  }
  const total = all.reduce((sum, { bytes }) => sum + bytes, 0);
  const index = { metadata: { total_size: total }, weight_map: weights };
  writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify(index));
  return folder;
}

const STORAGES: Readonly<Record<string, readonly [type: string, bytes: number]>> = {
  F64: ['DoubleStorage', 8],
  F32: ['FloatStorage', 4],
  F16: ['HalfStorage', 2],
  BF16: ['BFloat16Storage', 2],
};

/** What torch.save writes of a state dict, at this key of a larger one where it is given, and its config.json. */
export function writeTorch(path: string, tensors: AllStored, config?: Config, key?: string): string {
  place(dirname(path), config);
  const entries = Object.entries(tensors);
  const states = entries.map(([name, { dtype, shape, bytes }], at) => {
    const [type, size] = STORAGES[dtype];
    const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, extent) => product * extent, 1));
    const claims = { type: global('torch', type), key: String(at), elements: bytes.length / size };
    return [text(name), tensor({ ...claims, shape, strides })] as const;
  });
  const state = dict(...states);
  const whole = key === undefined ? state : dict([text(key), state], [text('step'), int(1000)]);
  const members = entries.map(([, { bytes }], at) => ({ name: `archive/data/${at}`, data: bytes }));
  writeFileSync(path, zip([{ name: 'archive/data.pkl', data: pickle(whole) }, ...members]));
  return path;
}

export async function writeArchive(path: string, tensors: AllStored, config: Config): Promise<string> {
  place(dirname(path), config);
  await writeNpz(path, outgoing(tensors));
  return path;
}

const GGUF_TYPES: Readonly<Record<string, number>> = {
  ...{ F32: 0, F16: 1, Q4_0: 2, Q8_0: 8, Q4_K: 12, Q6_K: 14, BF16: 30 },
};
type GgufType = FloatFormat | PackedType;
/** The type of all matrices, or that of each by its name. */
export type GgufTypes = GgufType | ((name: string) => GgufType);
const FRACTIONS = /epsilon|freq_base|scaling\.factor|softcapping$/;

/** A file of llama.cpp. */
export function writeGguf(
  path: string,
  tensors: AllStored,
  metadata: Readonly<Record<string, string | number>>,
): string {
  place(dirname(path), undefined);
  const settingOf = (key: string, value: string | number): GgufValue => {
    if (typeof value === 'string') return [GGUF_KIND.text, value];
    return [FRACTIONS.test(key) ? GGUF_KIND.f32 : GGUF_KIND.u32, value];
  };
  const own = Object.entries(tensors).map(
    ([name, { dtype, shape, bytes }]): GgufTensor => ({
      ...{ name, extents: [...shape].reverse(), type: GGUF_TYPES[dtype], data: bytes },
    }),
  );
  const said = Object.entries(metadata).map(([key, value]) => [key, settingOf(key, value)] as const);
  writeFileSync(path, gguf({ metadata: said, tensors: own }));
  return path;
}

/** As llama.cpp's programs do it: what has one axis stays in single precision. */
export function storedGguf(tensors: Given, dtype: GgufTypes): AllStored {
  const typeOf = typeof dtype === 'string' ? () => dtype : dtype;
  return Object.fromEntries(
    Object.entries(tensors).map(([name, [data, ...shape]]) => {
      const type = shape.length > 1 ? typeOf(name) : 'F32';
      const bytes = isFloatFormat(type) ? encodeFloats(data, type) : quantise(type, data);
      return [name, { dtype: type, shape, bytes }];
    }),
  );
}
