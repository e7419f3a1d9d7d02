import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TensimError } from '../../errors.js';
import { valueText } from '../../words/quoting.js';
import type { Model } from '../model.js';
import type { ModelConfig } from '../settings.js';
import { withModelFile } from './model_file.js';
import { readModel } from './weights.js';

/** How a model is read from a file. */
export interface LoadOptions {
  /**
   * Path of a model.json that describes the layers; see `Description`. Default: by the tensors' names, or a model.json
   * beside.
   */
  readonly model?: string | undefined;
  /**
   * What the tensors do not tell: the activation, heads, context length, scale, mask, rotary base; or the path of a
   * config.json that says so, or its text. It goes before the checkpoint's metadata, and that before a config.json
   * beside the checkpoint.
   */
  readonly config?: ModelConfig | string | undefined;
  /**
   * Where the state dict is in a PyTorch file that holds several: names, and numbers for the places of lists, with
   * points between, as `model` or `ema.shadow_params`; `.` is the top. Default: the only place that could be one. Files
   * of other formats have no such places, and are read as without it.
   */
  readonly key?: string | undefined;
  /**
   * Names of tensors to be left out, as they stand in the file; `*` stands for anything: `['body.*.mask']`. What is
   * known to be no weight (counters, causal masks, tables of rotary embeddings, empty tensors) need not be named.
   */
  readonly ignore?: readonly string[] | undefined;
  /**
   * What becomes of a network of no known family: default `refuse`. With `parameters` it is a model of the family
   * `unknown`, without layers, whose `parameters` can be compared by the measure `weights`, which needs no more.
   */
  readonly unknown?: 'refuse' | 'parameters' | undefined;
  /**
   * Of bytes: the name of the file that they are of, whose ending says what they are; without one their beginning does.
   */
  readonly name?: string | undefined;
  /** Default: the file's name without its ending. */
  readonly label?: string | undefined;
  /** Aborting rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads a model from a safetensors file, given by its path, its URL or its bytes, the `.safetensors.index.json` of a sharded one, a PyTorch checkpoint (`.pt`,
 * `.pth`, `.bin`, `.ckpt`, `.pth.tar`), a folder that holds exactly one of these, or a model.json that names its
 * `weights`. Types, names and shapes are checked before any weight is read.
 *
 *     const model = await loadModel('step_06000.safetensors');
 *     const same = await loadModel(await readFile('step_06000.safetensors'), { name: 'step_06000.safetensors' });
 *
 * A path can also be an address on the Hugging Face Hub, hf://OWNER/NAME[@REVISION]/PATH, or hf://datasets/… of a
 * dataset: the file is then fetched into the cache that its programs share, with the token in HF_TOKEN or of "hf auth
 * login" if there is one, and `provenance.revision` is the commit. Where the Hub gives no answer the cache is used,
 * with a warning of the process where it may be behind.
 *
 * @throws TensimError `FILE_NOT_FOUND`; `INVALID_FILE` for a damaged file, one of several models without a `key`, or a
 * description that does not fit;
 * `UNSUPPORTED_LAYER` for a model that is no known chain of layers; `UNSUPPORTED_DTYPE`, `SHAPE_MISMATCH`, `NOT_FINITE`
 * naming the tensor.
 */
export async function loadModel(source: string | URL | Uint8Array, options: LoadOptions = {}): Promise<Model> {
  if (source instanceof Uint8Array) return loadBytes(source, options);
  const path = source instanceof URL ? pathOf(source) : source;
  return withModelFile(path, options, (file) => readModel(file, options));
}

/** A file by its address; others are told apart, and refused, by their text. */
const pathOf = (url: URL): string => (url.protocol === 'file:' ? fileURLToPath(url) : url.href);

/** Bytes are read as the file that they are of would be: from a folder of their own, which is removed again. */
async function loadBytes(bytes: Uint8Array, options: LoadOptions): Promise<Model> {
  const { name = 'model' } = options;
  if (typeof name !== 'string' || !/^(?!\.{1,2}$)[^/\\\0]+$/.test(basename(name)))
    throw new TensimError('INVALID_ARGUMENT', `the name of a model's bytes is ${valueText(name)}`, {
      hint: 'Give that of the file, such as "model.safetensors"',
    });
  const folder = await mkdtemp(join(tmpdir(), 'tensim-bytes-'));
  const path = join(folder, basename(name));
  try {
    await writeFile(path, bytes, { signal: options.signal });
    return await withModelFile(path, options, (file) => readModel({ ...file, path: name }, options));
  } catch (error) {
    options.signal?.throwIfAborted();
    throw error instanceof TensimError ? renamed(error, path, name) : error;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** An error about a file by another name. */
function renamed(error: TensimError, from: string, to: string): TensimError {
  const { code, tensor, reason, hint, cause } = error;
  const changed = (text: string | undefined) => text?.replaceAll(from, to);
  const copy = new TensimError(code, '', {
    file: to,
    ...(tensor !== undefined && { tensor }),
    ...(reason !== undefined && { reason: changed(reason) as string }),
    ...(hint !== undefined && { hint: changed(hint) as string }),
    ...(cause !== undefined && { cause }),
  });
  copy.message = changed(error.message) as string;
  return copy;
}
