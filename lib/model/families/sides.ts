import type { Tensors } from '../blueprint.js';
import { type Family, lerp, linearAt, type Match, matchNames, placeIf } from './family.js';

/** Names of L, R and D, and whether they are modules, with `.weight` and `.bias`, or bare matrices. */
interface Spelling {
  readonly sides: readonly [left: string, right: string, down: string];
  readonly weight: string;
  readonly bias: string | undefined;
}

const SPELLINGS: readonly Spelling[] = [
  { sides: ['left', 'right', 'down'], weight: '.weight', bias: '.bias' },
  { sides: ['body.left', 'body.right', 'body.down'], weight: '.weight', bias: '.bias' },
  { sides: ['W_l', 'W_r', 'W_p'], weight: '.weight', bias: '.bias' },
  { sides: ['W_l', 'W_r', 'W_p'], weight: '', bias: undefined },
];

const AROUND = ['embed.weight', 'embed.bias', 'head.weight', 'head.bias'];

/**
 * One bilinear block of three matrices, L (h, d), R (h, d) and D (o, h): `left`, `right`, `down`, under `body.` or not,
 * or `W_l`, `W_r`, `W_p`, each with `.weight` and an optional `.bias`, or these last ones bare. `embed` before it and
 * `head` behind it are optional. With the setting `scale` (σ) other than 1 it is a residual block, x ← (1−σ) x +
 * σ·block(x).
 */
export const sides: Family = {
  name: 'sides',
  looksFor: '{left,right,down}.weight or {W_l,W_r,W_p}, perhaps between embed.weight and head.weight',
  match: (tensors) => matchSpelling(tensors, spellingOf(tensors)),
  blueprint(tensors, settings) {
    const { sides: names, weight, bias } = spellingOf(tensors);
    const [left, right, down] = names;
    const biasAt = <Role extends string>(role: Role, name: string) =>
      bias === undefined ? {} : placeIf(role, name + bias, tensors);
    return {
      family: 'sides',
      positions: 1,
      layers: [
        ...(tensors.has('embed.weight') ? [linearAt('embed', tensors)] : []),
        {
          type: 'bilinear',
          left: { tensor: left + weight },
          right: { tensor: right + weight },
          down: { tensor: down + weight },
          ...biasAt('leftBias', left),
          ...biasAt('rightBias', right),
          ...biasAt('downBias', down),
          ...lerp(settings.scale('scale', 1)),
        },
        ...(tensors.has('head.weight') ? [linearAt('head', tensors)] : []),
      ],
    };
  },
};

/** The spelling with the fewest differences. */
function spellingOf(tensors: Tensors): Spelling {
  const found = (spelling: Spelling) => matchSpelling(tensors, spelling).missing.length;
  return SPELLINGS.reduce((best, next) => (found(next) < found(best) ? next : best));
}

function matchSpelling(tensors: Tensors, { sides: names, weight, bias }: Spelling): Match {
  const required = names.map((name) => name + weight);
  // A bias is only allowed to a layer that is there.
  const around = AROUND.filter((name) => tensors.has(name.replace(/bias$/, 'weight')));
  return matchNames(tensors, required, [...(bias === undefined ? [] : names.map((name) => name + bias)), ...around]);
}
