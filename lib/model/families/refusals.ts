import { TensimError } from '../../errors.js';
import { NoModelError } from '../../formats/no_model.js';
import { listed, quoted } from '../../words/names.js';

/* What is said of a network that is recognised as far as it goes: what it is, what is missing, and what to do. */

const DESCRIBE = 'describe its layers in a model.json (--model FILE, option "model")';
const BY_WEIGHTS = 'compare by --measure weights, which needs no layers';

/** Of a transformer. */
export const COMPARE_BLOCKS = 'compare it with another block by block (tensim blocks A B, similarityOfBlocks)';

/** A network that cannot be read by its names alone, and what can be done, the best first. */
export function untold(file: string, problem: string, ...remedies: readonly string[]): TensimError {
  const all = listed([...remedies, DESCRIBE, BY_WEIGHTS], 'or');
  return new NoModelError('UNSUPPORTED_LAYER', problem, { file, hint: all.charAt(0).toUpperCase() + all.slice(1) });
}

/** Linear layers in a row without a word about what stands between them. */
export function noActivation(file: string, problem: string): TensimError {
  return new TensimError(
    'INVALID_FILE',
    `${problem}, and a state dict does not say whether an activation stands between`,
    {
      file,
      hint: `Say "activation": "none" or its name (--activation relu, option config.activation, metadata or config.json), or ${BY_WEIGHTS}`,
    },
  );
}

/** `"fc1.weight" [32, 16]`. */
export function shown({ inFile, shape }: { readonly inFile: string; readonly shape: readonly number[] }): string {
  return `${quoted([inFile])} [${shape.join(', ')}]`;
}
