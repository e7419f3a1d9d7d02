import { setImmediate } from 'node:timers/promises';
import { mulberry32 } from '../contraction/random.js';
import { toDType } from '../contraction/running/compile.js';
import { TensimError } from '../errors.js';
import { type Checkpoint, openCheckpoint, type TensorEntry } from '../formats/checkpoint.js';
import { localFile } from '../hub/local_file.js';
import { type DType, sizeOf, type Tensor, type TensorData } from '../tensor/tensor.js';
import { bytesText } from '../words/bytes.js';
import { quote } from '../words/quoting.js';

/** The operands of `tensim contract`: their shapes are known at once, their data only when asked for. Close them. */
export interface Operands {
  readonly shapes: readonly (readonly number[])[];
  /** Some operand is given by its shape alone. */
  readonly random: boolean;
  /** As `contract` would compute: float32 if every operand is a tensor of a file and none of float64, else float64. */
  readonly dtype: DType;
  /**
   * Tensors read from their files, and seeded random numbers, uniform in [−1, 1), for operands that are shapes.
   * @throws TensimError as `Checkpoint.read`; `MEMORY_LIMIT` for a shape too large for memory.
   */
  load(dtype: DType, seed: number, signal: AbortSignal): Promise<Tensor[]>;
  close(): Promise<void>;
}

interface Operand {
  readonly shape: readonly number[];
  /** Absent for a shape. */
  readonly stored?: { readonly checkpoint: Checkpoint; readonly entry: TensorEntry };
}

const SHAPE = /^(scalar|\d+(x\d+)*)$/i;
const TENSOR = /^(.+?\.(?:safetensors|json|pt|pth|bin|ckpt|tar|npz)):(.+)$/is;

/**
 * Opens operands as the command line names them: `512x256`, `5` or `scalar` for a shape, `FILE:TENSOR` for a tensor of
 * a checkpoint.
 * @param key where the tensors are in a PyTorch file of several state dicts, as in `openCheckpoint`
 * @throws TensimError `INVALID_ARGUMENT` for anything else and for tensors that are not there; as `openCheckpoint`.
 */
export async function openOperands(texts: readonly string[], signal: AbortSignal, key?: string): Promise<Operands> {
  const checkpoints = new Map<string, Checkpoint>();
  const close = async () => {
    for (const checkpoint of checkpoints.values()) await checkpoint.close();
  };
  try {
    const operands: Operand[] = [];
    for (const [place, text] of texts.entries()) {
      if (SHAPE.test(text)) {
        operands.push({ shape: /^scalar$/i.test(text) ? [] : text.split(/x/i).map(Number) });
        continue;
      }
      const [, file, name] = TENSOR.exec(text) ?? refuse(text, place);
      const checkpoint =
        checkpoints.get(file) ?? (await openCheckpoint(await localFile(file, signal), { key, signal }));
      checkpoints.set(file, checkpoint);
      const entry = checkpoint.tensors.get(name) ?? missing(file, name);
      operands.push({ shape: entry.shape, stored: { checkpoint, entry } });
    }
    return {
      shapes: operands.map(({ shape }) => shape),
      random: operands.some(({ stored }) => stored === undefined),
      dtype: operands.every(({ stored }) => stored && stored.entry.dtype !== 'F64') ? 'float32' : 'float64',
      close,
      async load(dtype, seed, asked) {
        const tensors: Tensor[] = [];
        for (const [place, { shape, stored }] of operands.entries()) {
          tensors.push(
            stored === undefined
              ? { data: await randomData(sizeOf(shape), dtype, mulberry32(seed + place), asked), shape }
              : await toDType(await stored.checkpoint.read(stored.entry.name, asked), dtype, { signal: asked }),
          );
        }
        return tensors;
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function refuse(text: string, place: number): never {
  throw new TensimError(
    'INVALID_ARGUMENT',
    `operand ${place} is ${quote(text)}, which is neither a shape nor a tensor`,
    {
      hint: 'Write 512x256, 5 or scalar for random numbers of a shape, or FILE.safetensors:NAME for a tensor of a file',
    },
  );
}

function missing(file: string, name: string): never {
  throw new TensimError('INVALID_ARGUMENT', `there is no tensor ${quote(name)}`, {
    file,
    hint: 'The tensors it has are listed by "tensim inspect"',
  });
}

/** Elements drawn at a time: some milliseconds. */
const DRAWN = 1 << 18;

async function randomData(size: number, dtype: DType, random: () => number, signal: AbortSignal): Promise<TensorData> {
  const data = allocate(size, dtype);
  for (let start = 0; start < size; start += DRAWN) {
    const end = Math.min(size, start + DRAWN);
    for (let i = start; i < end; i++) data[i] = 2 * random() - 1;
    await setImmediate();
    signal.throwIfAborted();
  }
  return data;
}

function allocate(size: number, dtype: DType): TensorData {
  try {
    return dtype === 'float64' ? new Float64Array(size) : new Float32Array(size);
  } catch (cause) {
    const bytes = bytesText(size * (dtype === 'float64' ? 8 : 4));
    throw new TensimError('MEMORY_LIMIT', `there is no memory for a random operand of ${bytes}`, {
      hint: 'Use --explain alone to see the path without the operands',
      cause,
    });
  }
}
