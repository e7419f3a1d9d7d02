import type { WhitenedLaw } from '../../backend/grams.js';
import { Pacer } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import type { LawExtent } from '../../similarity/law/extent.js';
import { whiten } from '../../similarity/law/law.js';
import { asWhitened } from '../../similarity/law/onehot.js';
import { transposed } from '../../tensor/cut.js';
import { digestOf } from '../content.js';
import type { BlockInput, BlockPart } from './input.js';
import { type MomentsOf, type OpenMoments, withMoments, withSamples } from './moments.js';

/** The law of one block's input: of what a norm gives before its gain. */
export type BlockLaw = IsotropicLaw | MomentsLaw;

export interface IsotropicLaw {
  readonly kind: 'standard' | 'sphere';
  /** What results call it. */
  readonly name: string;
}

/** A Gaussian, whitened: x = mean + C z. */
export interface MomentsLaw {
  readonly kind: 'moments';
  readonly name: string;
  /** (d). */
  readonly mean: Float64Array;
  /** Cᵀ, (columns, d) row-major. */
  readonly factor: Float64Array;
  readonly columns: number;
  readonly extent: LawExtent;
}

/** Which law the input of which block has. */
export interface BlockLaws {
  /** Of all of them. */
  readonly name: string;
  of(layer: number, part: BlockPart): Promise<BlockLaw>;
  /** A digest of what the laws of a layer are made of, where that is in files. */
  readonly contentOf?: ((layer: number) => Promise<string>) | undefined;
}

const STANDARD: BlockLaw = { name: 'standard', kind: 'standard' };
const SPHERE: BlockLaw = { name: 'sphere', kind: 'sphere' };

/**
 * Gives `use` the laws of blocks of a stream of so many features.
 * @throws TensimError as `withMoments` and `withSamples`; `of` rejects as `whiten` does, naming the block
 */
export function withLaws<Result>(
  input: BlockInput,
  width: number,
  signal: AbortSignal | undefined,
  use: (laws: BlockLaws) => Promise<Result>,
): Promise<Result> {
  if (input === 'standard' || input === 'sphere') {
    const law = input === 'sphere' ? SPHERE : STANDARD;
    return use({ name: input, of: async () => law });
  }
  const { ridge } = input;
  const lawsOf = (given: string, momentsOf: MomentsOf, contentOf?: OpenMoments['contentOf']): BlockLaws => {
    const name = ridge === undefined ? given : `${given}, ridge ${ridge}`;
    const find = async (layer: number, part: BlockPart): Promise<BlockLaw> => {
      const moments = await momentsOf(layer, part);
      if (moments === undefined) return STANDARD;
      const { mean: own, cov } = moments;
      const law = { cov, ...(own && { mean: own }), ...(ridge !== undefined && { ridge }) };
      const named = await whiten(law, width, signal).catch((error: unknown) => {
        throw naming(error, `${part}.${layer}`, given);
      });
      const pacer = new Pacer(signal);
      const { mean = new Float64Array(width), factor } = await asWhitened(named.law, pacer);
      const { data, columns } = factor!;
      const rows = await transposed(data, width, columns, pacer);
      return { kind: 'moments', name, mean, factor: rows, columns, extent: named.extent! };
    };
    return { name, of: remembering(find), contentOf };
  };
  const useOpen = ({ name, momentsOf, contentOf }: OpenMoments) => use(lawsOf(name, momentsOf, contentOf));
  if ('file' in input) return withMoments(input.file, width, signal, useOpen);
  if ('samples' in input) return withSamples(input.samples, width, signal, useOpen);
  const { momentsOf, name = 'custom' } = input;
  return use(lawsOf(name, async (layer, part) => momentsOf(layer, part)));
}

/** Remembers the laws of a layer, which are asked for more than once: for its state, and for every expert. */
function remembering(find: BlockLaws['of']): BlockLaws['of'] {
  let of = Number.NaN;
  const known = new Map<BlockPart, Promise<BlockLaw>>();
  return (layer, part) => {
    if (layer !== of) known.clear();
    of = layer;
    const law = known.get(part) ?? find(layer, part);
    known.set(part, law);
    return law;
  };
}

/** What the laws of a layer are, for a state file. */
export async function digestOfLaws(laws: BlockLaws, layer: number): Promise<unknown> {
  const found = [];
  for (const part of ['mlp', 'attn'] as const) {
    const law = await laws.of(layer, part);
    found.push(law.kind === 'moments' ? [law.name, digestOf(law.mean), digestOf(law.factor)] : law.name);
  }
  return found;
}

/** The same for what takes a law beside a network. */
export async function whitenedLaw(law: BlockLaw, centres: boolean, pacer: Pacer): Promise<WhitenedLaw> {
  if (law.kind !== 'moments') return { sigma: 1 };
  const { mean, factor, columns } = await behind(law, centres);
  return { mean, factor: { data: await transposed(factor, columns, mean.length, pacer), columns }, sigma: 1 };
}

/** Says of which block the moments are no law. */
function naming(error: unknown, block: string, law: string): unknown {
  if (!(error instanceof TensimError)) return error;
  return new TensimError(error.code, `the moments of ${block} in "${law}" are no law: ${error.message}`, {
    cause: error,
  });
}

/**
 * The law as what stands behind a norm takes it. Maps behind a layer norm are stretched by √(d/(d−1)), as N(0, I) asks
 * (see `behindNorm`), and moments are of what the norm really gives: they are shrunk by as much.
 * @param centres the norm is a layer norm
 */
export async function behind(
  law: MomentsLaw,
  centres: boolean,
): Promise<Pick<MomentsLaw, 'mean' | 'factor' | 'columns'>> {
  if (!centres) return law;
  const { mean, factor, columns } = law;
  const d = mean.length;
  const shrink = Math.sqrt((d - 1) / d);
  const shrunk = new Float64Array(factor.length);
  const pacer = new Pacer();
  for (let t = 0; t < columns; t++) {
    for (let at = t * d; at < (t + 1) * d; at++) shrunk[at] = factor[at] * shrink;
    if (pacer.due(d)) await pacer.pause();
  }
  return { mean: mean.map((value) => value * shrink), factor: shrunk, columns };
}
