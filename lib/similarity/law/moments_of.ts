import { basename } from 'node:path';
import { Pacer } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { nameOfInputs } from '../../evaluation/inputs_file.js';
import { MomentSums, type MomentsOptions } from '../../evaluation/moments/sums.js';
import { type StampedCheckpoint, type TensorEntry, withOpen } from '../../formats/checkpoint.js';
import { SourceFile } from '../../formats/source_file.js';
import { floatPieces } from '../../formats/tensor_data.js';
import { localFile } from '../../hub/local_file.js';
import { isIntegerFormat } from '../../tensor/integers.js';
import { sizeOf, type Tensor, type TensorData } from '../../tensor/tensor.js';

/** The moments of samples, as an input law takes them. */
export interface SampleMoments {
  /** (d). */
  readonly mean: Float64Array;
  /** (d, d): the mean of (x − mean)(x − mean)ᵀ, of as many as there are. */
  readonly cov: Tensor;
  /** The file's, or `samples`. */
  readonly name: string;
}

/**
 * The mean and the covariance of samples, (…, n, d): all axes but the last count them. Files (.npy, .npz, .safetensors,
 * .pt, with one tensor or one called `inputs`) are gone through once, a piece at a time, and need not fit in memory.
 *
 *     const input = await momentsOf('activations.npy');
 *     const { similarity } = await similarity(a, b, { input: { ...input, ridge: 0.01 } });
 *
 * @throws TensimError `FILE_NOT_FOUND`, `INVALID_FILE`, `UNSUPPORTED_DTYPE`; `SHAPE_MISMATCH` for what are no samples;
 * `NOT_FINITE` naming the sample
 */
export async function momentsOf(samples: string | Tensor, options: MomentsOptions = {}): Promise<SampleMoments> {
  const { signal } = options;
  if (typeof samples !== 'string') {
    const { data, shape, strides } = samples;
    if (strides !== undefined)
      throw new TensimError('INVALID_ARGUMENT', 'samples must lie row by row, without strides');
    return momentsOfPieces(shape, [data], 'samples', options);
  }
  return withOpen(await localFile(samples, signal), { signal }, (checkpoint) =>
    momentsOfTensor(checkpoint, nameOfInputs(checkpoint, samples), basename(samples), options),
  );
}

/** The same of a tensor in a file that is open. */
export async function momentsOfTensor(
  checkpoint: StampedCheckpoint,
  tensor: string,
  name: string,
  options: MomentsOptions,
): Promise<SampleMoments> {
  const { dtype, shape, file } = checkpoint.tensors.get(tensor)!;
  const pieces = isIntegerFormat(dtype)
    ? [Float64Array.from((await checkpoint.readIntegers(tensor, options.signal)).data)]
    : piecesOf(checkpoint.tensors.get(tensor)!, options.signal);
  return momentsOfPieces(shape, pieces, name, options, { file, tensor });
}

/** The elements of a tensor from a reader of its own, which goes through the file once. */
async function* piecesOf(entry: TensorEntry, signal: AbortSignal | undefined): AsyncGenerator<TensorData> {
  const source = await SourceFile.open(entry.file);
  try {
    yield* floatPieces(source, entry, { signal });
    await source.checkUntouched();
  } finally {
    await source.close();
  }
}

/** Samples whose products are added up at a time, at least; wider ones are fewer. */
const ROWS = 64;
const BLOCK = 1 << 19;

async function momentsOfPieces(
  shape: readonly number[],
  pieces: Iterable<ArrayLike<number>> | AsyncIterable<ArrayLike<number>>,
  name: string,
  options: MomentsOptions,
  place: { file?: string; tensor?: string } = {},
): Promise<SampleMoments> {
  const d = shape.at(-1) ?? 0;
  if (shape.length < 2 || d === 0 || sizeOf(shape) / d < 2)
    throw new TensimError('SHAPE_MISMATCH', `[${shape.join(', ')}] is no shape of samples`, {
      ...place,
      hint: 'Samples are (n, d), two at least: as many rows as there are samples, each of the size of an input',
    });
  const pacer = new Pacer(options.signal);
  const sums = new MomentSums(d, options, pacer);
  const block = new Float64Array(Math.max(ROWS, Math.floor(BLOCK / d)) * d);
  let filled = 0;
  for await (const piece of pieces)
    for (let at = 0; at < piece.length; ) {
      const end = Math.min(piece.length, at + block.length - filled);
      for (; at < end; at++, filled++) {
        const value = piece[at];
        if (!Number.isFinite(value)) {
          const sample = sums.count + Math.floor(filled / d);
          throw new TensimError('NOT_FINITE', `entry ${filled % d} of sample ${sample} is ${value}`, place);
        }
        block[filled] = value;
      }
      if (pacer.due(end)) await pacer.pause();
      if (filled < block.length) continue;
      await sums.add(block);
      filled = 0;
    }
  if (filled > 0) await sums.add(block.subarray(0, filled));
  const { mean, covariance } = await sums.moments();
  return { mean, cov: { data: covariance, shape: [d, d] }, name };
}
