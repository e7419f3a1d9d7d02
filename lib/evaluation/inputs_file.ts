import { TensimError } from '../errors.js';
import { type Checkpoint, withOpen } from '../formats/checkpoint.js';
import { localFile } from '../hub/local_file.js';
import { type IntegerTensor, isIntegerFormat } from '../tensor/integers.js';
import type { Tensor } from '../tensor/tensor.js';
import { quoted } from '../words/names.js';

/** The tensor that holds the inputs in a file with more than one. */
const NAME = 'inputs';

/**
 * Reads inputs for models: an .npy file, or a file of another format that is read (.npz, .safetensors, .pt), or one on
 * the Hugging Face Hub (hf://…), with one tensor or one that is called `inputs`. Floats are vectors, (batch, n, d) or
 * (batch, d); integers are token ids, (batch, n) or (batch), or vectors where they have the shape of these; truth
 * values are vectors of zeros and ones.
 *
 *     const { behaviour } = await similarity(a, b, { measure: 'behavioural', inputs: await loadInputs('digits.npy') });
 *
 * @throws TensimError `FILE_NOT_FOUND`, `INVALID_FILE`, `UNSUPPORTED_DTYPE`; whether they fit a model is judged where
 * they are used.
 */
export async function loadInputs(path: string, signal?: AbortSignal): Promise<Tensor | IntegerTensor> {
  return withOpen(await localFile(path, signal), { signal }, async (checkpoint) => {
    const name = nameOfInputs(checkpoint, path);
    const { dtype } = checkpoint.tensors.get(name)!;
    if (dtype === 'BOOL') {
      const { shape } = checkpoint.tensors.get(name)!;
      return { data: Float32Array.from(await checkpoint.readBytes(name, signal), (byte) => Math.min(1, byte)), shape };
    }
    return await (isIntegerFormat(dtype) ? checkpoint.readIntegers(name, signal) : checkpoint.read(name, signal));
  });
}

/**
 * The tensor that holds the inputs: the only one, or the one of that name.
 * @throws TensimError `INVALID_FILE`
 */
export function nameOfInputs({ tensors }: Pick<Checkpoint, 'tensors'>, path: string): string {
  const all = [...tensors.values()];
  // What has no axes is a number beside them.
  const names = (all.length === 1 ? all : all.filter(({ shape }) => shape.length > 0)).map(({ name }) => name);
  const name = names.length === 1 ? names[0] : names.find((candidate) => candidate === NAME);
  if (name !== undefined) return name;
  throw new TensimError('INVALID_FILE', `has ${names.length === 0 ? 'no tensors' : quoted(names)}`, {
    file: path,
    hint: `Inputs are the only tensor of a file, or the one called "${NAME}"`,
  });
}
