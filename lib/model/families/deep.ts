import type { BilinearOf } from '../../layers/layer.js';
import type { Place } from '../../layers/place.js';
import type { Tensors } from '../blueprint.js';
import { biasOf, countLayers, type Family, lerp, linearAt, matchNames, placeIf } from './family.js';

const BODY = /^body\.(0|[1-9]\d*)\.[lrd]\.(weight|bias)$/;

/**
 * Embedding, n ≥ 1 bilinear blocks with a residual of scale σ, head: x ← E x; x ← (1−σ) x + σ (D((L x + l) ⊙ (R x + r))
 * + c); y = H x. Tensors `embed.weight` (m, d), `body.{i}.l.weight` and `body.{i}.r.weight` (h, m), `body.{i}.d.weight`
 * (m, h), `head.weight` (o, m), each with an optional `.bias`; i counts from 0. σ is the setting `scale`, 1 if there is
 * none.
 */
export const deep: Family = {
  name: 'deep',
  looksFor: 'embed.weight, body.{i}.{l,r,d}.weight, head.weight',
  match(tensors) {
    const blocks = Array.from({ length: countLayers(tensors, BODY) }, (_, index) => sidesOf(`body.${index}`));
    const weights = ['embed', ...blocks.flat(), 'head'].map((module) => `${module}.weight`);
    return matchNames(tensors, weights, weights.map(biasOf));
  },
  blueprint(tensors, settings) {
    const residual = lerp(settings.scale('scale', 1));
    const blocks = Array.from({ length: countLayers(tensors, BODY) }, (_, index) =>
      bilinearAt(`body.${index}`, tensors, residual),
    );
    return {
      family: 'deep',
      positions: 1,
      layers: [linearAt('embed', tensors), ...blocks, linearAt('head', tensors)],
    };
  },
};

/** The modules of a bilinear block with three matrices. */
export const sidesOf = (prefix: string): string[] => ['l', 'r', 'd'].map((side) => `${prefix}.${side}`);

/** The bilinear block of `{prefix}.{l,r,d}.weight` and the biases that there are. */
export function bilinearAt(
  prefix: string,
  tensors: Tensors,
  residual: { readonly alpha: number; readonly beta: number },
): BilinearOf<Place> {
  const [left, right, down] = sidesOf(prefix);
  return {
    type: 'bilinear',
    left: { tensor: `${left}.weight` },
    right: { tensor: `${right}.weight` },
    down: { tensor: `${down}.weight` },
    ...placeIf('leftBias', `${left}.bias`, tensors),
    ...placeIf('rightBias', `${right}.bias`, tensors),
    ...placeIf('downBias', `${down}.bias`, tensors),
    ...residual,
  };
}
