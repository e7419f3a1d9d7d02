import { TensimError } from '../../errors.js';
import { quote } from '../../formats/describe.js';
import type { Place, Tensors } from '../blueprint.js';
import type { BilinearOf, LinearOf } from '../layer.js';
import { parseDecimal } from '../words.js';
import { type Family, matchNames } from './family.js';

const BODY = /^body\.(0|[1-9]\d*)\.[lrd]\.(weight|bias)$/;

/**
 * Embedding, n ≥ 1 bilinear blocks with a residual of scale σ, head: x ← E x; x ← (1−σ) x + σ (D((L x + l) ⊙ (R x + r)) + c); y = H x.
 * Tensors `embed.weight` (m, d), `body.{i}.l.weight` and `body.{i}.r.weight` (h, m), `body.{i}.d.weight` (m, h), `head.weight` (o, m),
 * each with an optional `.bias`; i counts from 0. σ is the metadata `scale`, 1 if there is none.
 */
export const deep: Family = {
  name: 'deep',
  looksFor: 'embed.weight, body.{i}.{l,r,d}.weight, head.weight',
  match(tensors) {
    const weights = ['embed', ...bodyModules(tensors), 'head'].map((module) => `${module}.weight`);
    return matchNames(tensors, weights, weights.map(biasOf));
  },
  blueprint(tensors, metadata, file) {
    const sigma = readScale(metadata, file);
    const bias = (name: string): Place | undefined =>
      tensors.has(biasOf(name)) ? { tensor: biasOf(name) } : undefined;
    const linear = (name: string): LinearOf<Place> => {
      const constant = bias(name);
      return { type: 'linear', weight: { tensor: name }, ...(constant && { bias: constant }) };
    };
    const block = (index: number): BilinearOf<Place> => {
      const [left, right, down] = ['l', 'r', 'd'].map((side) => `body.${index}.${side}.weight`);
      const [leftBias, rightBias, downBias] = [left, right, down].map(bias);
      return {
        type: 'bilinear',
        left: { tensor: left },
        right: { tensor: right },
        down: { tensor: down },
        ...(leftBias && { leftBias }),
        ...(rightBias && { rightBias }),
        ...(downBias && { downBias }),
        alpha: 1 - sigma,
        beta: sigma,
      };
    };
    const blocks = Array.from({ length: countBlocks(tensors) }, (_, index) => block(index));
    return { family: 'deep', layers: [linear('embed.weight'), ...blocks, linear('head.weight')] };
  },
};

const biasOf = (weight: string): string => weight.replace(/weight$/, 'bias');

/**
 * As many blocks as different numbers occur, and at least one. Were they not 0, 1, 2 …, then some of these would be missing and
 * others left over; so a checkpoint that names body.999999999 costs nothing.
 */
function countBlocks(tensors: Tensors): number {
  const numbers = new Set([...tensors.keys()].map((name) => BODY.exec(name)?.[1]));
  numbers.delete(undefined);
  return Math.max(1, numbers.size);
}

function bodyModules(tensors: Tensors): string[] {
  return Array.from({ length: countBlocks(tensors) }, (_, index) =>
    ['l', 'r', 'd'].map((side) => `body.${index}.${side}`),
  ).flat();
}

function readScale(metadata: Readonly<Record<string, string>>, file: string): number {
  if (!Object.hasOwn(metadata, 'scale')) return 1;
  const scale = parseDecimal(metadata.scale);
  if (scale !== undefined) return scale;
  throw new TensimError('INVALID_FILE', `the metadata "scale" is ${quote(metadata.scale)}, not a finite number`, {
    file,
    hint: 'It is the residual scale σ of the blocks: x ← (1−σ) x + σ·block(x)',
  });
}
