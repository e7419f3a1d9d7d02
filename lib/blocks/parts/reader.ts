import type { Norm, Piece } from '../../model/transformers/network.js';
import type { Part } from '../../model/transformers/pieces.js';

/** Gives a piece in double precision, or a part of it, (outputs, inputs) row-major. */
export type PieceReader = (piece: Piece, cut?: Part) => Promise<Float64Array>;

/** A linear map and what it adds. */
export interface Affine {
  /** (outputs, inputs). */
  readonly weight: Float64Array;
  /** (outputs), or null for none. */
  readonly bias: Float64Array | null;
}

/** What a norm does behind its division, in numbers. */
export interface Gain {
  /** (d), or null where all are 1. */
  readonly gain: Float64Array | null;
  /** (d), or null. */
  readonly bias: Float64Array | null;
  /** The mean over the features is taken off before. */
  readonly centres: boolean;
}

export async function readGain(norm: Norm | undefined, read: PieceReader): Promise<Gain> {
  if (norm === undefined) return { gain: null, bias: null, centres: false };
  const gain = norm.gain === undefined ? null : await read(norm.gain);
  if (norm.fromOne && gain !== null) for (let i = 0; i < gain.length; i++) gain[i] += 1;
  return { gain, bias: norm.bias === undefined ? null : await read(norm.bias), centres: norm.kind === 'layer' };
}

/**
 * A map behind a norm, as a map of what the norm divides, x: W diag(g) P √(d/(d−1)) and b + W·(the norm's bias). P takes
 * off the mean: under x ~ N(0, I) that is how a layer norm's output is spread (MATH.md section 12).
 * @param own (outputs, d), changed in place
 */
export function behindNorm(own: Float64Array, bias: Float64Array | null, norm: Gain, d: number): Affine {
  const outputs = own.length / d;
  const shift = norm.bias === null ? null : new Float64Array(outputs);
  const stretch = norm.centres ? Math.sqrt(d / (d - 1)) : 1;
  for (let i = 0; i < outputs; i++) {
    let mean = 0;
    for (let j = 0, at = i * d; j < d; j++, at++) {
      if (shift !== null) shift[i] += own[at] * norm.bias![j];
      if (norm.gain !== null) own[at] *= norm.gain[j];
      mean += own[at] / d;
    }
    if (norm.centres) for (let j = 0, at = i * d; j < d; j++, at++) own[at] = (own[at] - mean) * stretch;
  }
  const total = shift === null || bias === null ? (shift ?? bias) : shift.map((value, i) => value + bias[i]);
  return { weight: own, bias: total };
}
