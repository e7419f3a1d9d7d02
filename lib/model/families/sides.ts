import type { LinearOf } from '../../layers/layer.js';
import type { Place } from '../../layers/place.js';
import type { Tensors } from '../blueprint.js';
import { biasOf, type Family, lerp, type Match, matchNames, placeIf } from './family.js';

/** Names of L, R and D, and whether they are modules, with `.weight` and `.bias`, or bare matrices. */
interface Spelling {
  readonly sides: readonly [left: string, right: string, down: string];
  readonly weight: string;
  readonly bias: string | undefined;
  /** The weights of linear layers before and behind the block. */
  readonly around: readonly [embed: string, head: string];
}

const MODULES = { weight: '.weight', bias: '.bias', around: ['embed.weight', 'head.weight'] } as const;
const SPELLINGS: readonly Spelling[] = [
  { ...MODULES, sides: ['left', 'right', 'down'] },
  { ...MODULES, sides: ['body.left', 'body.right', 'body.down'] },
  { ...MODULES, sides: ['W_l', 'W_r', 'W_p'] },
  { ...MODULES, sides: ['W_l', 'W_r', 'W_p'], weight: '', bias: undefined },
  { ...MODULES, sides: ['L', 'R', 'D'] },
  { sides: ['L', 'R', 'D'], weight: '', bias: undefined, around: ['E', 'U'] },
];

/**
 * One bilinear block of three matrices, L (h, d), R (h, d) and D (o, h): `left`, `right`, `down`, under `body.` or not,
 * `W_l`, `W_r`, `W_p`, or `L`, `R`, `D`, each with `.weight` and an optional `.bias`, or these last ones bare. `embed`
 * before it and `head` behind it are optional; beside bare `L`, `R`, `D` they are bare too, `E` and `U`. With the setting `scale` (σ) other than 1 it is a residual block, x ← (1−σ) x +
 * σ·block(x).
 */
export const sides: Family = {
  name: 'sides',
  looksFor:
    '{left,right,down}.weight, {W_l,W_r,W_p} or {L,R,D}, perhaps between embed.weight and head.weight, or E and U',
  match: (tensors) => matchSpelling(tensors, spellingOf(tensors)),
  blueprint(tensors, settings) {
    const { sides: names, weight, bias, around } = spellingOf(tensors);
    const [embed, head] = around;
    const [left, right, down] = names;
    const biasAt = <Role extends string>(role: Role, name: string) =>
      bias === undefined ? {} : placeIf(role, name + bias, tensors);
    return {
      family: 'sides',
      positions: 1,
      layers: [
        ...linearIf(embed, tensors),
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
        ...linearIf(head, tensors),
      ],
    };
  },
};

/** The spelling with the fewest differences. */
function spellingOf(tensors: Tensors): Spelling {
  const found = (spelling: Spelling) => matchSpelling(tensors, spelling).missing.length;
  return SPELLINGS.reduce((best, next) => (found(next) < found(best) ? next : best));
}

function matchSpelling(tensors: Tensors, { sides: names, weight, bias, around }: Spelling): Match {
  const required = names.map((name) => name + weight);
  // A bias is only allowed to a layer that is there.
  const linear = around.filter((name) => tensors.has(name)).flatMap((name) => [name, biasOf(name)]);
  return matchNames(tensors, required, [...(bias === undefined ? [] : names.map((name) => name + bias)), ...linear]);
}

/** A linear layer that may be there, whose weight has this name; none that is bare has a bias. */
function linearIf(weight: string, tensors: Tensors): LinearOf<Place>[] {
  if (!tensors.has(weight)) return [];
  const bias = biasOf(weight);
  return [{ type: 'linear', weight: { tensor: weight }, ...(bias === weight ? {} : placeIf('bias', bias, tensors)) }];
}
