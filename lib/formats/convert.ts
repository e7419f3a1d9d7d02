import { TensimError } from '../errors.js';
import { count } from '../words/counts.js';
import { quote } from '../words/quoting.js';
import { type Checkpoint, type StampedCheckpoint, withOpen } from './checkpoint.js';
import { type CheckpointFormat, formatOf, isIndex } from './endings.js';
import type { TensorEntry } from './entry.js';
import { writeNpy, writeNpz } from './numpy/write.js';
import { fromCheckpoint, type OutgoingTensor } from './outgoing.js';
import { writeSafetensorsFile } from './safetensors/write.js';

/** What is converted. */
export interface ConvertOptions {
  /** Names of the tensors to be written. Default: all. */
  readonly tensors?: readonly string[] | undefined;
  /** Where the state dict is in a PyTorch file of several, as in `openCheckpoint`. */
  readonly key?: string | undefined;
  /** Aborting rejects with `signal.reason`; nothing is then left behind. */
  readonly signal?: AbortSignal | undefined;
}

/** What a conversion has written. */
export interface Conversion {
  /** How many were written. */
  readonly tensors: number;
  /** Entries of metadata for which the format has no place. */
  readonly metadataLost: number;
}

/**
 * Writes the tensors of a checkpoint in the format that the ending of `output` names: `.safetensors`, `.npz`, or `.npy`
 * for one tensor. Elements stay as they are, bit by bit, but BF16 becomes F32 where NumPy has no such type. One tensor
 * is in memory at a time.
 *
 *     await convert('final.pt', 'final.safetensors');
 *
 * @throws TensimError as `openCheckpoint`; `INVALID_ARGUMENT` for an output that cannot be and for tensors that are not
 * there; `UNSUPPORTED_DTYPE` for elements that the format does not have
 */
export async function convert(input: string, output: string, options: ConvertOptions = {}): Promise<Conversion> {
  const { tensors, key, signal } = options;
  checkWritable(output);
  return withOpen(input, { key, signal }, async (checkpoint) => {
    const chosen = tensors === undefined ? [...checkpoint.tensors.values()] : pick(checkpoint, tensors);
    const outgoing = confirmed(
      checkpoint,
      chosen.map((entry) => fromCheckpoint(checkpoint, entry, signal)),
    );
    const kept = await writeTensors(output, outgoing, checkpoint.metadata);
    return { tensors: chosen.length, metadataLost: kept ? 0 : Object.keys(checkpoint.metadata).length };
  });
}

/** The same, but that the last to be taken makes sure that all are of one state, before the file is in its place. */
function confirmed(checkpoint: StampedCheckpoint, outgoing: readonly OutgoingTensor[]): OutgoingTensor[] {
  let left = outgoing.length;
  return outgoing.map((tensor) => ({
    ...tensor,
    async *pieces() {
      yield* tensor.pieces();
      if (--left === 0) await checkpoint.confirm();
    },
  }));
}

/**
 * Writes tensors in the format that a path's ending names.
 * @returns whether the format keeps metadata
 * @throws TensimError as `checkWritable` and the writers; `INVALID_ARGUMENT` for other than one tensor in an .npy file
 */
export async function writeTensors(
  path: string,
  tensors: readonly OutgoingTensor[],
  metadata: Readonly<Record<string, string>>,
): Promise<boolean> {
  switch (checkWritable(path)) {
    case 'safetensors':
      await writeSafetensorsFile(path, tensors, metadata);
      return true;
    case 'npz':
      await writeNpz(path, tensors);
      return false;
    case 'npy':
      if (tensors.length !== 1)
        throw new TensimError('INVALID_ARGUMENT', `an .npy file holds one tensor, not ${count(tensors.length)}`, {
          file: path,
          hint: 'Choose one (--tensor NAME, option "tensors"), or write .npz',
        });
      await writeNpy(path, tensors[0]);
      return false;
  }
}

/** Formats that are read alone, as one speaks of their files. */
const READ_ONLY: Partial<Record<CheckpointFormat, string>> = {
  pytorch: 'PyTorch checkpoints',
  onnx: 'ONNX models',
  gguf: 'GGUF files',
};

/**
 * The format that tensors would be written in.
 * @throws TensimError `INVALID_ARGUMENT` for an ending of which no file is written
 */
export function checkWritable(path: string): 'safetensors' | 'npz' | 'npy' {
  const format = formatOf(path);
  if (!isIndex(path) && (format === 'safetensors' || format === 'npz' || format === 'npy')) return format;
  const read = format === undefined ? undefined : READ_ONLY[format];
  throw new TensimError(
    'INVALID_ARGUMENT',
    read !== undefined ? `${read} are read, not written` : 'the ending says no format that tensors are written in',
    { file: path, hint: 'Endings are .safetensors, .npz and, for one tensor, .npy' },
  );
}

function pick({ path, tensors }: Checkpoint, names: readonly string[]): TensorEntry[] {
  return [...new Set(names)].map((name) => {
    const entry = tensors.get(name);
    if (entry !== undefined) return entry;
    throw new TensimError('INVALID_ARGUMENT', `there is no tensor ${quote(name)}`, {
      file: path,
      hint: 'The tensors it has are listed by "tensim inspect"',
    });
  });
}
