import { Pacer } from '../cooperate.js';
import { fileChanged } from '../formats/changed.js';
import type { TensorEntry } from '../formats/checkpoint.js';
import { SourceFile } from '../formats/source_file.js';
import { isAsStamped } from '../formats/stamp.js';
import { readFloats } from '../formats/tensor_data.js';
import type { TensorData } from '../tensor/tensor.js';
import type { Adapter, AdapterModule } from './adapter.js';

/** The factors of a module, both as rows of its rank: s · B A without the s. */
export interface Factors {
  /** A, (rank, inputs). */
  readonly a: TensorData;
  /** Bᵀ, (rank, outputs). */
  readonly b: TensorData;
}

/**
 * Reads the factors of a module. The file is open no longer than that: a thousand adapters are more than may be.
 * @throws TensimError as `Checkpoint.read`; `FILE_CHANGED` if the adapter is not what it was when it was listed
 */
export async function readFactors(adapter: Adapter, module: AdapterModule, signal?: AbortSignal): Promise<Factors> {
  const { inputs, outputs, rank, mlx } = module;
  const pacer = new Pacer(signal);
  const wanted = [module.a, module.b, ...(module.e ? [module.e] : [])];
  const [first, second, middle] = await readTogether(adapter, wanted, signal);
  const a = mlx ? await turned(first, inputs, rank, pacer) : first;
  const b = mlx ? second : await turned(second, outputs, rank, pacer);
  if (middle === undefined) return { a, b };
  // In double precision: a product of two float32 numbers is none.
  return { a: Float64Array.from(a, (value, at) => value * middle[Math.floor(at / inputs)]), b };
}

/** Tensors of an adapter, of which those of one file are read with one opening of it. */
export async function readTogether(
  { files, stamp, path }: Adapter,
  entries: readonly TensorEntry[],
  signal: AbortSignal | undefined,
): Promise<TensorData[]> {
  const found: TensorData[] = [];
  let source: SourceFile | undefined;
  try {
    for (const entry of entries) {
      signal?.throwIfAborted();
      if (source?.path !== entry.file) {
        await source?.close();
        source = await SourceFile.open(entry.file);
      }
      found.push((await readFloats(source, entry, { signal })).data);
    }
  } finally {
    await source?.close();
  }
  if (!(await isAsStamped(files, stamp))) throw fileChanged(path);
  return found;
}

/** Rows that are transposed at a time. */
const BAND = 256;

/** The transpose of a matrix of a few columns, of the type that it has. */
async function turned(data: TensorData, rows: number, columns: number, pacer: Pacer): Promise<TensorData> {
  const result = data instanceof Float64Array ? new Float64Array(data.length) : new Float32Array(data.length);
  for (let from = 0; from < rows; from += BAND) {
    const to = Math.min(rows, from + BAND);
    for (let j = 0; j < columns; j++)
      for (let i = from, at = from * columns + j; i < to; i++, at += columns) result[j * rows + i] = data[at];
    if (pacer.due((to - from) * columns)) await pacer.pause();
  }
  return result;
}
