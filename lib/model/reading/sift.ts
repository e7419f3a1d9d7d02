import { formatOf } from '../../formats/endings.js';
import { NoModelError } from '../../formats/no_model.js';
import { isHubAddress } from '../../hub/address.js';
import { withModelFile } from './model_file.js';
import type { ReadingOptions } from './source.js';

/** How files are told from models. */
export interface Sifting extends ReadingOptions {
  /** Called for every file that is passed over, with the reason in a few words. */
  readonly onSkipped?: ((path: string, why: string) => void) | undefined;
}

/**
 * Those of the PyTorch files in a folder that are no models, such as the state of an optimizer or a data set: they are
 * sound, and hold no network of a known family. None if no file is a model: loading the first will say why.
 */
export async function noModels(paths: readonly string[], options: Sifting): Promise<readonly string[]> {
  const reasons = new Map<string, string>();
  for (const path of paths) {
    const why = isMixed(path) ? await whyNoModel(path, options) : undefined;
    if (why !== undefined) reasons.set(path, why);
  }
  if (reasons.size === paths.length) return [];
  for (const [path, why] of reasons) options.onSkipped?.(path, why);
  return [...reasons.keys()];
}

/**
 * Whether all sorts of things are kept in files of this kind. Looking into a file takes a millisecond, which thousands
 * of safetensors files are spared: those hold models.
 */
function isMixed(path: string): boolean {
  return !isHubAddress(path) && (formatOf(path) ?? 'pytorch') === 'pytorch';
}

/** What else is wrong with a file, loading it will say. */
async function whyNoModel(path: string, options: ReadingOptions): Promise<string | undefined> {
  try {
    return await withModelFile(path, options, async () => undefined);
  } catch (error) {
    options.signal?.throwIfAborted();
    if (!(error instanceof NoModelError)) return undefined;
    return error.code === 'UNSUPPORTED_LAYER' ? 'of no known family' : 'it holds no state dict';
  }
}
