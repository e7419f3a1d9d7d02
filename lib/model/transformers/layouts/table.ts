import type { Tensors } from '../../blueprint.js';
import type { BlockNetwork } from '../network.js';
import type { BlockSettings } from '../settings.js';
import { fits, networkOf } from './build.js';
import { gpt2, neox, phi2 } from './gpt.js';
import type { Layout } from './layout.js';
import { gguf, llama, meta, phi3 } from './llama.js';
import { transformerLens } from './transformer_lens.js';

/** Those with a sign that others have too stand behind these. */
const LAYOUTS: readonly Layout[] = [gguf, meta, phi2, phi3, llama, gpt2, neox, transformerLens];

/** The layout whose names a network has. */
export function layoutOf(tensors: Tensors): Layout | undefined {
  return LAYOUTS.find((candidate) => fits(candidate, tensors));
}

/**
 * The blocks of a transformer of a known layout; undefined for any other network.
 * @throws TensimError as `networkOf`
 */
export function recogniseBlocks(tensors: Tensors, settings: BlockSettings): BlockNetwork | undefined {
  const layout = layoutOf(tensors);
  return layout && networkOf(layout, tensors, settings);
}
