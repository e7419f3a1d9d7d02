import { isHubAddress } from '../../hub/address.js';
import { whyNoModel } from './model_file.js';
import type { ReadingOptions } from './source.js';

/** How files are told from models. */
export interface Sifting extends ReadingOptions {
  /** Called for every file that is passed over, with the reason in a few words. */
  readonly onSkipped?: ((path: string, why: string) => void) | undefined;
}

/**
 * Those of the files in a folder that are no models, such as the state of an optimizer or a data set: they are sound,
 * and hold no network of a known family. None if no file is a model: loading the first will say why.
 */
export async function noModels(paths: readonly string[], options: Sifting): Promise<readonly string[]> {
  const reasons = new Map<string, string>();
  for (const path of paths) {
    const why = !isHubAddress(path) ? await whyNoModel(path, options) : undefined;
    if (why !== undefined) reasons.set(path, why);
  }
  if (reasons.size === paths.length) return [];
  for (const [path, why] of reasons) options.onSkipped?.(path, why);
  return [...reasons.keys()];
}
