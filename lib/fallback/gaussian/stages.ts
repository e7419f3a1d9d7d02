import type { ChainMethod } from '../../backend/grams.js';
import { TensimError } from '../../errors.js';
import type { AttentionLayer, BilinearLayer, Layer, LinearLayer } from '../../model/model.js';

/** A layer that is not linear. */
export type Block = BilinearLayer | AttentionLayer;

/** A block and the linear layers up to the next one. */
export interface Stage {
  readonly block: Block;
  readonly after: readonly LinearLayer[];
}

/** A chain cut at its blocks. */
export interface Stages {
  /** The linear layers in front of the first block; all layers of a chain without one. */
  readonly before: readonly LinearLayer[];
  readonly stages: readonly Stage[];
}

export function stagesOf(layers: readonly Layer[]): Stages {
  const before: LinearLayer[] = [];
  const stages: { block: Block; after: LinearLayer[] }[] = [];
  for (const layer of layers) {
    if (layer.type === 'linear') (stages.at(-1)?.after ?? before).push(layer);
    else stages.push({ block: layer, after: [] });
  }
  return { before, stages };
}

/** @throws TensimError `UNSUPPORTED_LAYER` for attention, which only some methods know. */
export function requireBilinear(block: Block, method: ChainMethod): BilinearLayer {
  if (block.type === 'bilinear') return block;
  throw new TensimError('UNSUPPORTED_LAYER', `the method "${method}" does not know ${block.type} layers`);
}
