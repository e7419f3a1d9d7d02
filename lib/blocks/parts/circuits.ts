import type { Attention, Piece } from '../../model/transformers/network.js';
import { type Span, turned } from '../../model/transformers/pieces.js';
import { type Affine, behindNorm, type Gain, type PieceReader } from './reader.js';

/** An attention layer behind its norm, of which the numbers of some heads at a time are in memory. */
export interface Circuits extends Pick<Attention, 'heads' | 'groups' | 'width' | 'rotation'> {
  /** Of some heads, (heads · width, d). */
  readonly query: (heads: Span) => Promise<Affine>;
  /** Of some groups, (groups · width, d). */
  readonly key: (groups: Span) => Promise<Affine>;
  readonly value: (groups: Span) => Promise<Affine>;
  /** Wᵀ of some heads, (heads · width, d): rows as of the others. */
  readonly output: (heads: Span) => Promise<Float64Array>;
  /** What is added to the sum of all heads, (d), or null for nothing. */
  readonly outputBias: Float64Array | null;
  /** Takes back numbers that nobody reads any more. */
  readonly done: (arrays: Iterable<Float64Array>) => void;
}

export async function readCircuits(
  attention: Attention,
  norm: Gain,
  d: number,
  read: PieceReader,
  done: Circuits['done'] = () => {},
): Promise<Circuits> {
  const { heads, groups, width } = attention;
  const rotation = await turning(attention, read);
  const rowsOf = ({ from, to }: Span) => ({ rows: { from: from * width, to: to * width } });
  const behind = (weight: Piece, bias: Piece | undefined) => async (part: Span) => {
    const cut = rowsOf(part);
    return behindNorm(await read(weight, cut), bias === undefined ? null : await read(bias, cut), norm, d);
  };
  return {
    ...{ heads, groups, width, rotation, done },
    query: behind(attention.query, attention.queryBias),
    key: behind(attention.key, attention.keyBias),
    value: behind(attention.value, attention.valueBias),
    output: (part) => read(turned(attention.output), rowsOf(part)),
    outputBias: attention.outputBias === undefined ? null : await read(attention.outputBias),
  };
}

/** With the angles divided by what the checkpoint has for that. */
async function turning({ rotation }: Attention, read: PieceReader): Promise<Attention['rotation']> {
  if (rotation?.divisors === undefined) return rotation;
  const { divisors, ...plain } = rotation;
  const by = await read(divisors);
  return { ...plain, angles: plain.angles.map((angle, p) => angle / by[p]) };
}
