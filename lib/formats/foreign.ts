import { basename, extname } from 'node:path';
import { TensimError } from '../errors.js';
import { READ_ENDINGS } from './endings.js';
import { pythonName } from './python_name.js';
import { SourceFile } from './source_file.js';

/** Enough for the first bytes of all of them. */
const LOOKED_AT = 64;

/** A kind of model files that is not read, and what to do with one. */
interface Foreign {
  readonly problem: string;
  readonly hint: (path: string) => string;
}

const KERAS: Foreign = {
  problem: 'is a model of Keras, which is not read',
  hint: (path) =>
    `Convert it with its activations, by Keras 3.8 or later: import keras; keras.models.load_model(${pythonName(path)}).export("model.onnx", format="onnx")`,
};
const HDF5: Foreign = {
  problem: 'is an HDF5 file, as Keras writes them, which is not read',
  hint: KERAS.hint,
};
export const SAVED_MODEL: Foreign = {
  problem: 'is a SavedModel of TensorFlow, which is not read',
  hint: () => 'Convert it: python -m tf2onnx.convert --saved-model FOLDER --output model.onnx',
};
const TFLITE: Foreign = {
  problem: 'is a model of TensorFlow Lite, which is not read',
  hint: (path) => `Convert it: python -m tf2onnx.convert --tflite ${basename(path)} --output model.onnx`,
};
const CORE_ML: Foreign = {
  problem: 'is a model of Core ML, which is not read',
  hint: () => 'Use the checkpoint that it was made from, or export that as ONNX',
};

/** By the first bytes, from some place on. */
const SIGNS: readonly (readonly [at: number, magic: string, kind: Foreign])[] = [
  [0, '\x89HDF\r\n\x1a\n', HDF5],
  [4, 'TFL3', TFLITE],
  // The name of an archive's first member, behind a header.
  [30, 'metadata.json', KERAS],
  [30, 'model.weights.h5', KERAS],
];
/** By names, of files without a sign that only they have. */
const NAMES: readonly (readonly [name: RegExp, kind: Foreign])[] = [
  [/(?:^|[/\\])saved_model\.pb(?:txt)?$/i, SAVED_MODEL],
  [/\.mlmodel$/i, CORE_ML],
];
/**
 * The refusal of a file that holds a model in a way that is not read, with what converts it; undefined for all others,
 * and for what cannot be looked at.
 */
export async function foreignModel(path: string): Promise<TensimError | undefined> {
  const kind = NAMES.find(([name]) => name.test(path))?.[1] ?? (await kindOf(path));
  return kind && refusalOf(kind, path);
}

/** The refusal of a file that has an ending, but neither that nor its first bytes make it a checkpoint. */
export function unknownKind(path: string, cause: TensimError): TensimError {
  return new TensimError('INVALID_FILE', `has the ending "${extname(path)}", which is of no checkpoint`, {
    file: path,
    reason: 'its first bytes are of none either',
    hint: `Give the file that training saved: checkpoints end in ${READ_ENDINGS}`,
    cause,
  });
}

export function refusalOf({ problem, hint }: Foreign, path: string): TensimError {
  return new TensimError('INVALID_FILE', problem, { file: path, hint: hint(path) });
}

async function kindOf(path: string): Promise<Foreign | undefined> {
  try {
    const source = await SourceFile.open(path);
    try {
      const start = Buffer.alloc(Math.min(LOOKED_AT, source.size));
      await source.read(start, 0);
      const text = start.toString('latin1');
      return SIGNS.find(([at, magic]) => text.startsWith(magic, at))?.[2];
    } finally {
      await source.close();
    }
  } catch (error) {
    if (error instanceof TensimError) return undefined;
    throw error;
  }
}
