import type { Tensors } from '../../blueprint.js';
import type { BlockNetwork } from '../network.js';
import type { BlockSettings } from '../settings.js';
import { fits, networkOf } from './build.js';
import { bert, distilbert, opt, timm, torch, vit } from './encoders.js';
import { gguf } from './gguf.js';
import { bloom, codegen, falcon, gpt2, gptJ, gptNeo, neox, phi2 } from './gpt.js';
import type { Layout } from './layout.js';
import { internlm2, llama, meta, phi3 } from './llama.js';
import { modded } from './modded.js';
import { quantisedBy, refuseQuantised } from './quantised.js';
import { transformerLens } from './transformer_lens.js';

/** Those with a sign that others have too stand behind these. */
const LAYOUTS: readonly Layout[] = [
  ...[gguf, internlm2, meta, opt, torch, phi2, phi3, llama],
  ...[bloom, falcon, gptNeo, gptJ, codegen, modded, gpt2, neox],
  ...[bert, distilbert, vit, timm, transformerLens],
];

/** The layout whose names a network has. */
export function layoutOf(tensors: Tensors): Layout | undefined {
  return LAYOUTS.find((candidate) => fits(candidate, tensors));
}

/**
 * The blocks of a transformer of a known layout; undefined for any other network.
 * @throws TensimError as `networkOf`; `UNSUPPORTED_DTYPE` for one whose weights are quantised
 */
export function recogniseBlocks(tensors: Tensors, settings: BlockSettings): BlockNetwork | undefined {
  const layout = layoutOf(tensors);
  if (layout !== undefined) return networkOf(layout, tensors, settings);
  // Names of what is quantised are others.
  if (quantisedBy(tensors) !== undefined) refuseQuantised(tensors, settings.file);
  return undefined;
}
