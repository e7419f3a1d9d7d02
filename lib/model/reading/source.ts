import { readdir, stat } from 'node:fs/promises';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { TensimError } from '../../errors.js';
import { isChange } from '../../formats/changed.js';
import { type CheckpointFormat, type OpenOptions, openCheckpoint } from '../../formats/checkpoint.js';
import { Companions } from '../../formats/companions.js';
import { formatAt } from '../../formats/content.js';
import { hasEnding, isIndex, preferredCheckpoints } from '../../formats/endings.js';
import { refusalOf, SAVED_MODEL } from '../../formats/foreign.js';
import { NoModelError } from '../../formats/no_model.js';
import { addressBeside, isHubAddress, parseAddress } from '../../hub/address.js';
import { refuseWebAddress } from '../../hub/web_address.js';
import { count } from '../../words/counts.js';
import type { ConfigFile, ModelConfig } from '../settings.js';
import { CONFIG_BYTES } from './configs.js';
import { claimsToBeDescription, type Description, parseDescription } from './description.js';

/** Far above any list of layers. */
const DESCRIPTION_BYTES = 4 * 1024 * 1024;

/** What a path given as a model stands for. */
export interface ModelSource {
  readonly checkpoint: string;
  /** The commit it is of, if it is from the Hugging Face Hub. */
  readonly revision?: string;
  /** The model.json that the caller gave, as an option or as the path itself. */
  readonly description?: Description;
  /** Settings that the caller gave. */
  readonly config?: ModelConfig;
  /** The config.json that the caller gave. */
  readonly configFile?: ConfigFile;
  /** Patterns of the names of tensors that the caller wants left out. */
  readonly ignore?: readonly string[];
  /** Take note of what is read beside the checkpoint. */
  readonly companions?: Companions;
  /** What becomes of networks of no known family. */
  readonly unknown?: 'refuse' | 'parameters';
}

/** What a caller says about how to read a model. */
export interface ReadingOptions {
  /** Path of a model.json. */
  readonly model?: string | undefined;
  /** Settings, or the path of a config.json, or its text. */
  readonly config?: ModelConfig | string | undefined;
  /** Where the state dict is in a PyTorch file. */
  readonly key?: string | undefined;
  /** Names of tensors to be left out, in which `*` stands for anything. */
  readonly ignore?: readonly string[] | undefined;
  /** What becomes of networks of no known family: default `refuse`; `parameters` takes their tensors without layers. */
  readonly unknown?: 'refuse' | 'parameters' | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Finds the checkpoint of a path: a file of any format that is read, the index of a sharded one, a folder with exactly
 * one of these, or a model.json with `weights`; or the address of one of them on the Hugging Face Hub, from where it is
 * fetched.
 * @throws TensimError `FILE_NOT_FOUND`, `INVALID_FILE` or `INVALID_ARGUMENT` naming the path.
 */
export async function findSource(
  path: string,
  options: ReadingOptions = {},
  companions = new Companions(),
): Promise<ModelSource> {
  const { config, ignore, unknown } = options;
  const found = {
    ...(await findCheckpoint(path, options, companions)),
    ...(ignore !== undefined && { ignore }),
    ...(unknown !== undefined && { unknown }),
  };
  if (config === undefined) return found;
  const [fields, file] = typeof config === 'string' ? [undefined, config] : [config, config.file];
  return {
    ...found,
    ...(fields !== undefined && { config: fields }),
    ...(file !== undefined && { configFile: await configGiven(file, companions) }),
  };
}

/** A config.json by its path, or its text. */
async function configGiven(file: string, companions: Companions): Promise<ConfigFile> {
  if (isConfigText(file)) return { path: 'the given settings', text: file, isText: true };
  return { path: file, text: await companions.read(file, CONFIG_BYTES) };
}

/** Whether settings are given as their text, and not by the path of a file. */
export function isConfigText(config: string): boolean {
  return /^\s*\{/.test(config);
}

async function findCheckpoint(given: string, options: ReadingOptions, companions: Companions): Promise<ModelSource> {
  await refuseWebAddress(given);
  if (!isHubAddress(given)) return findLocally(given, options, companions);
  const { fetchFromHub } = await import('../../hub/repository.js');
  const { path, revision } = await fetchFromHub(given, options.signal);
  const source = await findLocally(path, options, companions);
  const weights = source.checkpoint === path ? undefined : source.description?.weights;
  if (weights === undefined) return { ...source, revision };
  // A model.json: its weights are in the same repository, at the same commit.
  const beside = addressBeside(parseAddress(given), revision, weights);
  return { ...source, checkpoint: (await fetchFromHub(beside, options.signal)).path, revision };
}

async function findLocally(path: string, options: ReadingOptions, companions: Companions): Promise<ModelSource> {
  const { model } = options;
  const given = model === undefined ? undefined : await readDescription(model, companions);
  const checkpoint = (await isFolder(path)) ? await onlyCheckpointIn(path, options) : path;
  const isDescription = /\.json$/i.test(checkpoint) && !isIndex(checkpoint);
  const own = isDescription ? await readOwnDescription(checkpoint, companions) : undefined;
  if (own === undefined) return { checkpoint, ...(given && { description: given }) };
  if (given !== undefined) {
    throw new TensimError('INVALID_ARGUMENT', `is itself a model.json, and ${model} is given as another`, {
      file: path,
      hint: 'Give the checkpoint as the model, or leave out the second description',
    });
  }
  if (own.weights === undefined) {
    throw new TensimError('INVALID_FILE', 'describes a model but does not say where its "weights" are', {
      file: path,
      hint: 'Add "weights" with the path of the checkpoint, or give the checkpoint as the model and this file as its description',
    });
  }
  return {
    checkpoint: isAbsolute(own.weights) ? own.weights : join(dirname(path), own.weights),
    description: own,
  };
}

/**
 * The checkpoints in a folder (not below it), a sharded one by its index and not by its shards: safetensors files, or,
 * where there are none, those of PyTorch, then ONNX models, or else archives of NumPy.
 * @throws TensimError `FILE_NOT_FOUND` if there is none; `INVALID_FILE` for an index that is damaged.
 */
export async function checkpointsIn(folder: string, signal?: AbortSignal): Promise<string[]> {
  const paths = await candidatesIn(folder, signal);
  const shards = new Set<string>();
  for (const index of paths.filter(isIndex)) for (const shard of await shardsOf(index, signal)) shards.add(shard);
  return paths.filter((path) => !shards.has(resolve(path)));
}

/**
 * The same by names, and by the content of files whose names tell nothing: shards beside their index, and files that
 * are not written to the end.
 * @throws TensimError `FILE_NOT_FOUND` if there is none
 */
export async function candidatesIn(folder: string, signal?: AbortSignal): Promise<string[]> {
  const names = (await readdir(folder).catch((cause: Error) => {
    throw new TensimError('FILE_NOT_FOUND', `the folder cannot be read: ${cause.message}`, { file: folder, cause });
  })) as string[];
  const visible = names.filter((name) => !name.startsWith('.'));
  const formats = new Map<string, CheckpointFormat>();
  for (const name of visible.filter((one) => !hasEnding(one))) {
    signal?.throwIfAborted();
    const format = await formatAt(join(folder, name));
    if (format !== undefined) formats.set(name, format);
  }
  const found = preferredCheckpoints(visible, formats);
  if (found.length === 0) {
    if (visible.includes('saved_model.pb')) throw refusalOf(SAVED_MODEL, folder);
    throw new TensimError('FILE_NOT_FOUND', 'there is no checkpoint in this folder', {
      file: folder,
      hint: 'Looked for *.safetensors, *.safetensors.index.json, *.pt, *.pth, *.bin, *.ckpt, *.pth.tar, *.onnx and *.npz; folders inside it are not searched',
    });
  }
  return found.map((name) => join(folder, name));
}

/** The absolute paths of the shards of an index. */
export async function shardsOf(index: string, signal?: AbortSignal): Promise<string[]> {
  const checkpoint = await openCheckpoint(index, signal);
  await checkpoint.close();
  return checkpoint.files.slice(1).map((file) => resolve(file));
}

export async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}

async function onlyCheckpointIn(folder: string, { key, signal }: ReadingOptions): Promise<string> {
  const found = await checkpointsIn(folder, signal);
  const [first, ...others] = found.length === 1 ? found : await withModels(found, { key, signal });
  if (first !== undefined && others.length === 0) return first;
  throw new SeveralCheckpoints(folder, [first, ...others]);
}

/** A folder with several checkpoints where one is wanted. Whether all of them are models is not known yet. */
export class SeveralCheckpoints extends TensimError {
  /** Not enumerated: an error is logged with all that it shows. */
  readonly #paths: readonly string[];

  constructor(folder: string, paths: readonly string[]) {
    super('INVALID_ARGUMENT', `this folder holds ${count(paths.length)} checkpoints, not one`, {
      file: folder,
      hint: 'Give the path of one of them; "tensim matrix" compares all of a folder',
    });
    this.#paths = paths;
  }

  get paths(): readonly string[] {
    return this.#paths;
  }
}

/** Those in which there may be models: others hold the state of an optimizer, say. All, if there is none. */
async function withModels(paths: readonly string[], options: OpenOptions): Promise<readonly string[]> {
  const found: string[] = [];
  for (const path of paths) {
    const isNone = await openCheckpoint(path, options).then(
      async (checkpoint) => checkpoint.close().then(() => false),
      (error: unknown) => error instanceof NoModelError,
    );
    if (!isNone) found.push(path);
  }
  return found.length === 0 ? paths : found;
}

async function readDescription(file: string, companions: Companions): Promise<Description> {
  return parseDescription(await companions.read(file, DESCRIPTION_BYTES), file);
}

/** A description if there is a file and it claims to be one of ours; model.json is a common name. */
export async function readOwnDescription(file: string, companions: Companions): Promise<Description | undefined> {
  const text = await companions.read(file, DESCRIPTION_BYTES).catch((error: unknown) => {
    if (error instanceof TensimError && !isChange(error)) return '';
    throw error;
  });
  return claimsToBeDescription(text) ? parseDescription(text, file) : undefined;
}
