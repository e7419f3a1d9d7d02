import { TensimError } from '../../errors.js';
import { NoModelError } from '../../formats/no_model.js';
import { listed, quoted } from '../../words/names.js';

/* What is said of a network that is recognised as far as it goes: what it is, what is missing, and what to do. */

/** Where the page is in the package. */
const PAGE = 'docs/guide/models.md';
const BY_WEIGHTS = 'compare by --measure weights';

/** Of a transformer. */
export const COMPARE_BLOCKS = 'compare it with another block by block (tensim blocks A B, similarityOfBlocks)';

/** What was found, alone or with the reason why that is not taken. */
export type Finding = string | readonly [what: string, why: string];

/** A network that cannot be read by its names alone, and what can be done, the best first. */
export function untold(file: string, found: Finding, ...remedies: readonly string[]): TensimError {
  const all = listed([...remedies, describeIt(file), BY_WEIGHTS], 'or');
  return refused(file, found, `${all.charAt(0).toUpperCase() + all.slice(1)}; ${PAGE}`);
}

/** A network that is no model, with what to do about it. */
export function refused(file: string, found: Finding, hint: string): TensimError {
  const [what, why] = typeof found === 'string' ? [found] : found;
  return new NoModelError('UNSUPPORTED_LAYER', what, { file, hint, ...(why !== undefined && { reason: why }) });
}

/** How a description of the layers is drafted, and given. */
function describeIt(file: string): string {
  return `describe its layers (tensim inspect ${forShell(file)} --draft > model.json, --model model.json)`;
}

/** A path that a shell reads as one word. */
const forShell = (path: string): string => (/^[\w./@:+=,-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`);

/** Linear layers in a row without a word about what stands between them. */
export function noActivation(file: string, problem: string): TensimError {
  return new TensimError('INVALID_FILE', problem, {
    file,
    reason: 'a state dict does not say whether an activation stands between',
    hint: `Say "activation": "none" or its name (--activation relu, option config.activation, metadata or config.json), or ${BY_WEIGHTS}; ${PAGE}`,
  });
}

/** `"fc1.weight" [32, 16]`. */
export function shown({ inFile, shape }: { readonly inFile: string; readonly shape: readonly number[] }): string {
  return `${quoted([inFile])} [${shape.join(', ')}]`;
}
