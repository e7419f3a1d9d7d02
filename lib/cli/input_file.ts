import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { TensimError } from '../errors.js';
import { withOpen } from '../formats/checkpoint.js';
import { parseJson, readText } from '../formats/text_file.js';
import { localFile } from '../hub/local_file.js';
import type { InputLaw } from '../similarity/terms/types.js';
import { type Tensor, tensor } from '../tensor/tensor.js';
import { parseDecimal, quoted } from '../words/names.js';

/** A covariance of some 3,000 inputs, as JSON. */
const JSON_BYTES = 256 * 1024 * 1024;

/**
 * The input law that `--input` names: `standard`, `onehot`, `tokens`, `sigma=S`, or a file with `mean` (d) and/or `cov`
 * (d, d): JSON if its name ends in .json, else safetensors. A law from a file is named after the file.
 * @throws TensimError `INVALID_ARGUMENT`, `FILE_NOT_FOUND`, `INVALID_FILE`; sizes and definiteness are judged by the
 * comparison.
 */
export async function readInput(text: string, signal?: AbortSignal): Promise<InputLaw> {
  if (text === 'standard' || text === 'onehot' || text === 'tokens') return text;
  if (text.startsWith('sigma=')) {
    const sigma = parseDecimal(text.slice('sigma='.length));
    if (sigma !== undefined && sigma > 0) return { sigma };
    throw new TensimError('INVALID_ARGUMENT', `--input ${text}: sigma must be a positive number`);
  }
  const file = await localFile(text, signal);
  await stat(file).catch((cause: unknown) => {
    throw new TensimError('FILE_NOT_FOUND', 'there is no such file', {
      file: text,
      hint: '--input is "standard", "onehot", "tokens", "sigma=S" or a file with "mean" and/or "cov"',
      cause,
    });
  });
  const law = /\.json$/i.test(file)
    ? parseLaw(await readText(file, JSON_BYTES), file)
    : await readTensors(file, signal);
  if (law.mean === undefined && law.cov === undefined)
    throw new TensimError('INVALID_FILE', 'has neither "mean" nor "cov"', { file: text });
  return { ...law, name: basename(text) };
}

interface Law {
  readonly mean?: Float64Array;
  readonly cov?: Tensor;
}

function parseLaw(text: string, file: string): Law {
  const fail = (problem: string): never => {
    throw new TensimError('INVALID_FILE', problem, { file, hint: 'It should be { "mean": […], "cov": [[…], …] }' });
  };
  let json: unknown;
  try {
    json = parseJson(text);
  } catch (error) {
    return fail(`is not JSON: ${(error as Error).message}`);
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return fail('is not an object');
  const { mean, cov, ...others } = json as Record<string, unknown>;
  if (Object.keys(others).length > 0) fail(`has an unknown field ${quoted(Object.keys(others))}`);
  const numbers = (value: unknown, name: string): Float64Array =>
    Array.isArray(value) && value.every((entry) => typeof entry === 'number' && Number.isFinite(entry))
      ? Float64Array.from(value)
      : fail(`${name} must be a list of numbers`);
  const square = (value: unknown): Tensor => {
    if (!Array.isArray(value)) return fail('"cov" must be a list of rows');
    // Every row is looked at before the square is reserved: a file of empty rows is small, and their square is not.
    for (const [index, row] of value.entries()) {
      if (!Array.isArray(row)) return fail(`row ${index + 1} of "cov" must be a list of numbers`);
      if (row.length !== value.length)
        fail(`"cov" has ${value.length} rows, but row ${index + 1} has length ${row.length}`);
    }
    const data = new Float64Array(value.length ** 2);
    for (const [index, row] of value.entries())
      data.set(numbers(row, `row ${index + 1} of "cov"`), index * value.length);
    return tensor(data, [value.length, value.length]);
  };
  return {
    ...(mean !== undefined && { mean: numbers(mean, '"mean"') }),
    ...(cov !== undefined && { cov: square(cov) }),
  };
}

async function readTensors(file: string, signal?: AbortSignal): Promise<Law> {
  return withOpen(file, { signal }, async (checkpoint) => {
    const unknown = [...checkpoint.tensors.keys()].filter((name) => name !== 'mean' && name !== 'cov');
    if (unknown.length > 0)
      throw new TensimError('INVALID_FILE', `has ${quoted(unknown)}; an input law has "mean" and "cov" only`, { file });
    const read = async (name: string, axes: number): Promise<Tensor | undefined> => {
      const shape = checkpoint.tensors.get(name)?.shape;
      if (shape === undefined) return undefined;
      if (shape.length === axes) return checkpoint.read(name, signal);
      throw new TensimError(
        'SHAPE_MISMATCH',
        `has shape [${shape.join(', ')}], but must have ${axes === 1 ? 'one axis' : 'two axes'}`,
        {
          file,
          tensor: name,
        },
      );
    };
    const mean = await read('mean', 1);
    const cov = await read('cov', 2);
    return { ...(mean && { mean: Float64Array.from(mean.data) }), ...(cov && { cov }) };
  });
}
