import { basename } from 'node:path';
import type { BackendName } from '../../backend/backend.js';
import { contract } from '../../contraction/running/contract.js';
import { Pacer } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { nameOfInputs } from '../../evaluation/inputs_file.js';
import { type StampedCheckpoint, type TensorEntry, withOpen } from '../../formats/checkpoint.js';
import { SourceFile } from '../../formats/source_file.js';
import { floatPieces } from '../../formats/tensor_data.js';
import { localFile } from '../../hub/local_file.js';
import { isIntegerFormat } from '../../tensor/integers.js';
import { sizeOf, type Tensor, type TensorData } from '../../tensor/tensor.js';

/** How moments are computed. */
export interface MomentsOptions {
  /** Who multiplies. Default `'auto'`. */
  readonly backend?: 'auto' | BackendName | undefined;
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

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
  return { ...(await sums.moments()), name };
}

/**
 * Mean and covariance of blocks of samples, each about its own mean, put together as T. F. Chan, G. H. Golub and R. J.
 * LeVeque do (Updating formulae and a pairwise algorithm, 1979): no digit is lost where the mean is far from zero.
 */
class MomentSums {
  count = 0;
  readonly #d: number;
  readonly #options: MomentsOptions;
  readonly #pacer: Pacer;
  readonly #mean: Float64Array;
  /** Σ (x − mean)(x − mean)ᵀ. */
  readonly #products: Float64Array;

  constructor(d: number, options: MomentsOptions, pacer: Pacer) {
    this.#d = d;
    this.#options = options;
    this.#pacer = pacer;
    this.#mean = new Float64Array(d);
    this.#products = new Float64Array(d * d);
  }

  /** @param rows (count, d), changed in place */
  async add(rows: Float64Array): Promise<void> {
    const d = this.#d;
    const count = rows.length / d;
    const own = new Float64Array(d);
    for (let at = 0; at < rows.length; at++) own[at % d] += rows[at] / count;
    for (let at = 0; at < rows.length; at++) rows[at] -= own[at % d];
    const operand = { data: rows, shape: [count, d] };
    const { data } = await contract('ni,nj->ij', [operand, operand], { ...this.#options, dtype: 'float64' });
    const all = this.count + count;
    const weight = (this.count * count) / all;
    const moved = own.map((value, i) => value - this.#mean[i]);
    for (let i = 0, at = 0; i < d; i++) {
      for (let j = 0; j < d; j++, at++) this.#products[at] += data[at] + weight * moved[i] * moved[j];
      if (this.#pacer.due(2 * d)) await this.#pacer.pause();
    }
    for (let i = 0; i < d; i++) this.#mean[i] += (moved[i] * count) / all;
    this.count = all;
  }

  async moments(): Promise<Omit<SampleMoments, 'name'>> {
    const [d, products] = [this.#d, this.#products];
    const data = new Float64Array(d * d);
    // Products are symmetric but for the order in which they were added up.
    for (let i = 0; i < d; i++) {
      for (let j = 0; j <= i; j++) {
        const middle = (products[i * d + j] + products[j * d + i]) / 2 / this.count;
        data[i * d + j] = middle;
        data[j * d + i] = middle;
      }
      if (this.#pacer.due(8 * i)) await this.#pacer.pause();
    }
    return { mean: this.#mean, cov: { data, shape: [d, d] } };
  }
}
