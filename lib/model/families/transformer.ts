import { bilinearAt, sidesOf } from './deep.js';
import {
  attentionAt,
  attentionWeights,
  biasOf,
  countLayers,
  type Family,
  lerp,
  linearAt,
  matchNames,
} from './family.js';

const BODY = /^body\.(0|[1-9]\d*)\.(?:attn|mlp)\./;

/**
 * Quadratic attention and a bilinear block in turns, each with a residual of scale σ: x ← (1−σ) x + σ·block(x). Tensors
 * `embed.weight` (m, d), `body.{i}.attn.{q1,k1,q2,k2,v,o}.weight` (or q, k alone), `body.{i}.mlp.{l,r,d}.weight`,
 * `head.weight` (o, m), each with an optional `.bias`; i counts from 0. Settings `n_head`, `n_ctx`, `mask`, `scale`
 * (σ), `rotary_base`.
 */
export const transformer: Family = {
  name: 'transformer',
  looksFor: 'embed.weight, body.{i}.attn.{q1,k1,q2,k2,v,o}.weight, body.{i}.mlp.{l,r,d}.weight, head.weight',
  match(tensors) {
    const blocks = Array.from({ length: countLayers(tensors, BODY) }, (_, index) => [
      ...attentionWeights(`body.${index}.attn`, tensors),
      ...sidesOf(`body.${index}.mlp`).map((module) => `${module}.weight`),
    ]);
    const weights = ['embed.weight', ...blocks.flat(), 'head.weight'];
    return matchNames(tensors, weights, weights.map(biasOf));
  },
  blueprint(tensors, settings) {
    const positions = settings.context();
    const residual = lerp(settings.scale('scale'));
    const blocks = Array.from({ length: countLayers(tensors, BODY) }, (_, index) => [
      attentionAt(`body.${index}.attn`, tensors, settings, residual),
      bilinearAt(`body.${index}.mlp`, tensors, residual),
    ]);
    return {
      family: 'transformer',
      positions,
      layers: [linearAt('embed', tensors), ...blocks.flat(), linearAt('head', tensors)],
    };
  },
};
