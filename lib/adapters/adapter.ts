import { dirname, join } from 'node:path';
import { TensimError } from '../errors.js';
import type { StampedCheckpoint, TensorEntry } from '../formats/checkpoint.js';
import type { Companions } from '../formats/companions.js';
import { exists } from '../formats/exists.js';
import type { Stamp } from '../formats/stamp.js';
import { floatFormatOf } from '../formats/tensor_data.js';
import { CONFIG_BYTES } from '../model/reading/configs.js';
import { withCheckpoint } from '../model/reading/model_file.js';
import { isFolder, type ReadingOptions } from '../model/reading/source.js';
import { sizeOf } from '../tensor/tensor.js';
import { quoted } from '../words/names.js';
import { type AdapterConfig, type AdapterKind, adapterConfig } from './config.js';
import { type FactorNames, sortNames } from './names.js';

/** The change of one weight, s · B A, as places in the files of an adapter; its factors are read when they are needed. */
export interface AdapterModule {
  /** Of the module in the network: `model.layers.0.self_attn.q_proj`. */
  readonly name: string;
  readonly rank: number;
  /** Columns of A; of a convolution all that a kernel sees. */
  readonly inputs: number;
  /** Rows of B. */
  readonly outputs: number;
  readonly scale: number;
  /** The weight is stored as inputs by outputs, as those of embeddings and of GPT-2 are. */
  readonly turned: boolean;
  readonly a: TensorEntry;
  readonly b: TensorEntry;
  /** The diagonal between them, of AdaLoRA. */
  readonly e?: TensorEntry;
  /** Factors are stored as MLX does, (inputs, rank) and (rank, outputs); else (rank, inputs) and (outputs, rank). */
  readonly mlx: boolean;
}

/** An adapter: low-rank changes of the weights of a network, never multiplied out. */
export interface Adapter {
  /** As the caller gave it. */
  readonly path: string;
  readonly kind: AdapterKind;
  /** The largest of its modules. */
  readonly rank: number;
  /** Of most of its modules. */
  readonly scale: number;
  readonly alpha: number | null;
  /** By their names, in the order of the files. */
  readonly modules: ReadonlyMap<string, AdapterModule>;
  /** Whole tensors that it brings along in place of the network's, by their names there. */
  readonly whole: ReadonlyMap<string, TensorEntry>;
  readonly notes: readonly string[];
  readonly files: readonly string[];
  /** What the system said of its files when they were listed. */
  readonly stamp: Stamp;
}

/** As PEFT and MLX save them. */
const WEIGHTS = ['adapter_model.safetensors', 'adapter_model.bin', 'adapters.safetensors', 'adapters.npz'];
/** What says by what factors are multiplied, beside them. */
export const CONFIG = 'adapter_config.json';

/**
 * Opens an adapter and checks what it lists; no factor is read yet.
 * @param path of the folder that PEFT or MLX saved it to, or of the file of its weights with adapter_config.json beside
 * @throws TensimError as `openCheckpoint`; `FILE_NOT_FOUND` without an adapter_config.json; `UNSUPPORTED_LAYER` for
 * another kind of adapter; `SHAPE_MISMATCH` for factors that do not fit together
 */
export async function readAdapter(path: string, { key, signal }: ReadingOptions = {}): Promise<Adapter> {
  return withCheckpoint(await weightsIn(path), { key, signal }, async (checkpoint, { companions }) => {
    const config = await configFor(path, checkpoint, companions!);
    return described(path, checkpoint, config);
  });
}

async function weightsIn(path: string): Promise<string> {
  if (typeof path !== 'string' || !(await isFolder(path))) return path;
  for (const name of WEIGHTS) if (await exists(join(path, name))) return join(path, name);
  return path;
}

async function configFor(path: string, { path: weights }: StampedCheckpoint, companions: Companions) {
  const file = join(dirname(weights), CONFIG);
  const text = await companions.read(file, CONFIG_BYTES).catch((cause: unknown) => {
    if (!(cause instanceof TensimError) || cause.code !== 'FILE_NOT_FOUND') throw cause;
    throw new TensimError('FILE_NOT_FOUND', `there is no ${CONFIG} beside it, which says by what B A is multiplied`, {
      file: path,
      hint: 'Give the folder that the training saved the adapter to',
      cause,
    });
  });
  return adapterConfig({ path: file, text });
}

function described(path: string, checkpoint: StampedCheckpoint, config: AdapterConfig): Adapter {
  const { tensors, files, stamp } = checkpoint;
  const { modules: named, whole, foreign, doubled } = sortNames(tensors.keys());
  if (foreign.length > 0)
    throw new TensimError('UNSUPPORTED_LAYER', `has parameters beside the factors of LoRA: ${quoted(foreign)}`, {
      file: path,
      hint: 'Those that are read change weights by s · B A: LoRA, rsLoRA and AdaLoRA of PEFT, LoRA of MLX',
    });
  if (doubled.length > 0)
    throw new TensimError('INVALID_FILE', `holds several adapters of one module: ${quoted(doubled)}`, {
      file: path,
      hint: 'Save them one by one',
    });
  if (named.size === 0)
    throw new TensimError('INVALID_FILE', 'has no factors of an adapter: no tensor is called lora_A or lora_B', {
      file: path,
      hint: 'A merged model is no adapter: give it as --merged, or to "tensim blocks"',
    });
  const modules = new Map<string, AdapterModule>();
  for (const [name, factors] of named) modules.set(name, moduleOf(name, factors, tensors, config, path));
  const all = [...modules.values()];
  return {
    ...{ path, kind: config.kind, alpha: config.alpha, modules, notes: config.notes, files, stamp },
    rank: all.reduce((most, { rank }) => Math.max(most, rank), 0),
    scale: mostFrequent(all.map(({ scale }) => scale)),
    whole: new Map([...whole].map(([name, stored]) => [name, tensors.get(stored)!])),
  };
}

function moduleOf(
  name: string,
  { a, b, e, embedding }: FactorNames,
  tensors: ReadonlyMap<string, TensorEntry>,
  config: AdapterConfig,
  file: string,
): AdapterModule {
  if (a === undefined || b === undefined)
    throw new TensimError('INVALID_FILE', `module "${name}" has one factor without the other`, {
      file,
      tensor: (a ?? b ?? e)!,
      hint: 'The file is not complete: save the adapter again',
    });
  const [first, second, middle] = [a, b, e].map((one) => (one === undefined ? undefined : tensors.get(one)!));
  for (const entry of [first, second, middle]) if (entry !== undefined) floatFormatOf(entry);
  const mlx = config.kind === 'MLX LoRA';
  const [one, other] = [first!.shape, second!.shape];
  const rank = mlx ? (one[1] ?? 0) : (one[0] ?? 0);
  const [inputs, outputs] = mlx ? [one[0] ?? 0, other[1] ?? 0] : [sizeOf(one.slice(1)), other[0] ?? 0];
  const fits = sizeOf(one) === rank * inputs && sizeOf(other) === rank * outputs && rank * inputs * outputs > 0;
  const flat = mlx ? one.length === 2 && other.length === 2 && other[0] === rank : other[1] === rank;
  const diagonal = middle === undefined || sizeOf(middle.shape) === rank;
  if (!fits || !flat || !diagonal)
    throw new TensimError(
      'SHAPE_MISMATCH',
      `factors of [${one.join(', ')}] and [${other.join(', ')}] have no rank in common`,
      { file, tensor: second!.name },
    );
  if (config.kind === 'AdaLoRA' && middle === undefined)
    throw new TensimError('INVALID_FILE', `module "${name}" has no lora_E`, { file, tensor: first!.name });
  const isEmbedding = embedding ?? (mlx && /(?:^|\.)(?:\w*embed\w*|wte)$/.test(name));
  return {
    ...{ name, rank, inputs, outputs, mlx, a: first!, b: second! },
    ...(middle && { e: middle }),
    scale: config.scaleOf(name, rank),
    turned: isEmbedding || config.fanInFanOut,
  };
}

function mostFrequent(values: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].reduce((best, one) => (one[1] > best[1] ? one : best))[0];
}
