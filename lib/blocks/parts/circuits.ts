import type { Attention, Piece } from '../../model/transformers/network.js';
import { turned } from '../../model/transformers/pieces.js';
import { type Affine, behindNorm, type Gain, type PieceReader } from './reader.js';

/** An attention layer behind its norm, in numbers: what its circuits are made of. */
export interface Circuits extends Pick<Attention, 'heads' | 'groups' | 'width' | 'rotation'> {
  /** (heads · width, d). */
  readonly query: Affine;
  /** (groups · width, d). */
  readonly key: Affine;
  readonly value: Affine;
  /** Wᵀ, (heads · width, d): rows as of the others; and what is added to the sum of all heads. */
  readonly output: Affine;
}

export async function readCircuits(attention: Attention, norm: Gain, d: number, read: PieceReader): Promise<Circuits> {
  const { heads, groups, width } = attention;
  const rotation = await turning(attention, read);
  const vector = async (piece: Piece | undefined) => (piece === undefined ? null : await read(piece));
  const behind = async (weight: Piece, bias: Piece | undefined) =>
    behindNorm(await read(weight), await vector(bias), norm, d);
  return {
    ...{ heads, groups, width, rotation },
    query: await behind(attention.query, attention.queryBias),
    key: await behind(attention.key, attention.keyBias),
    value: await behind(attention.value, attention.valueBias),
    output: {
      weight: await read(turned(attention.output)),
      bias: await vector(attention.outputBias),
    },
  };
}

/** With the angles divided by what the checkpoint has for that. */
async function turning({ rotation }: Attention, read: PieceReader): Promise<Attention['rotation']> {
  if (rotation?.divisors === undefined) return rotation;
  const { divisors, ...plain } = rotation;
  const by = await read(divisors);
  return { ...plain, angles: plain.angles.map((angle, p) => angle / by[p]) };
}
