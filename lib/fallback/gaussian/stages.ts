import type { ChainMethod } from '../../backend/grams.js';
import { TensimError } from '../../errors.js';
import { bilinearOf, linearOf } from '../../layers/layer.js';
import type { BilinearLayer, Layer, LinearLayer } from '../../model/model.js';

/** A block and the affine layers up to the next one. */
export interface Stage {
  readonly block: Layer;
  readonly after: readonly LinearLayer[];
}

/** A chain cut at its blocks, its affine layers as linear ones and its quadratic ones as bilinear. */
export interface Stages {
  /** The layers in front of the first block; all layers of a chain without one. */
  readonly before: readonly LinearLayer[];
  readonly stages: readonly Stage[];
}

export function stagesOf(layers: readonly Layer[]): Stages {
  const before: LinearLayer[] = [];
  const stages: { block: Layer; after: LinearLayer[] }[] = [];
  for (const layer of layers) {
    const linear = linearOf(layer);
    if (linear !== null) (stages.at(-1)?.after ?? before).push(linear);
    else stages.push({ block: bilinearOf(layer) ?? layer, after: [] });
  }
  return { before, stages };
}

/** @throws TensimError `UNSUPPORTED_LAYER` for blocks that are not quadratic, which only some methods know. */
export function requireBilinear(block: Layer, method: ChainMethod): BilinearLayer {
  const bilinear = bilinearOf(block);
  if (bilinear !== null) return bilinear;
  throw new TensimError('UNSUPPORTED_LAYER', `the method "${method}" does not know ${block.type} layers`);
}
