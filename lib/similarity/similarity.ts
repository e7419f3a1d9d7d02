import type { GramTile } from '../backend/grams.js';
import type { Model } from '../model/model.js';
import { timesPower } from '../tensor/power.js';
import { steadily } from '../tensor/steady.js';
import { precisionOf } from '../tensor/tensor.js';
import { pairDifferences } from './difference/pair.js';
import { certifiedPair } from './gram/certified.js';
import { pairDegrees } from './gram/degrees.js';
import { entryOf, type GramEntry, pairNumbers } from './gram/derived.js';
import { gramPair } from './gram/pair.js';
import { type Member, memberOf } from './members/members.js';
import { sourceOf } from './members/source.js';
import { type OfBehaviours, type OfSamples, planComparison, settledOn } from './plan/comparison.js';
import type { SampledGram, SampledPair } from './sampled/result.js';
import type { ScaledTile } from './scale/model_scale.js';
import { type ResolvedSettings, settle } from './terms/options.js';
import { plainly } from './terms/plain.js';
import type { PairDifference, PerOutput, SimilarityOptions, SimilarityResult } from './terms/types.js';

/**
 * How similar two models are as functions, over all inputs of a Gaussian law, from their weights alone (MATH.md
 * sections 2 to 8). Exact for chains with at most two bilinear blocks or one attention block; beyond that sampled, with
 * a standard error. By the method `closure`, when asked for, an approximation for any depth. The order of the two does
 * not change the numbers by a bit. The measure `behavioural` compares chains of any layers, on the inputs it is given.
 *
 *     const { similarity, distance } = await similarity(a, b, { measure: 'gaussian', input: { sigma: 2 } });
 *
 * Weights, inputs and the law are not copied: leave them unchanged until the promise settles.
 *
 * @throws TensimError (rejects) `SHAPE_MISMATCH` for models of different sizes, `UNSUPPORTED_LAYER` where the method
 * asked for does not apply, `ZERO_NORM` for a model that is zero, be it only under its law and but for rounding,
 * `PRECISION` where the terms of one cancel too far for the dtype, `NOT_FINITE` if what is sampled leaves the range of
 * numbers, `INVALID_COVARIANCE`, `INVALID_ARGUMENT`, `BACKEND_UNAVAILABLE`; the signal's reason if it is aborted.
 */
export function similarity(
  a: Model,
  b: Model,
  options: SimilarityOptions & { readonly perOutput: true },
): Promise<PerOutput<SimilarityResult>>;
export function similarity(a: Model, b: Model, options?: SimilarityOptions): Promise<SimilarityResult>;
export function similarity(a: Model, b: Model, options: SimilarityOptions = {}): Promise<SimilarityResult> {
  return steadily([a, b, options], () => compare(a, b, options));
}

async function compare(a: Model, b: Model, options: SimilarityOptions): Promise<SimilarityResult> {
  const members = a === b ? both(memberOf(a)) : ([memberOf(a), memberOf(b)] as const);
  const planned = await planComparison(members, settle(options));
  const tried = planned.kind === 'samples' ? await sampled(members, planned) : null;
  const comparison = tried === null ? planned : await settledOn(planned, tried);
  const { names, settings, info } = comparison;
  const gram: GramTile & Partial<SampledGram> & Partial<ScaledTile> =
    comparison.kind === 'samples' ? tried! : await gramPair(members, comparison.sources, settings);
  const [difference, ...sliceDifferences] = await pairDifferences(members, comparison, gram);
  const { total, exponents, perOutput, sliceExponents, standardError, perOutputError, sampling, pair, bound } = gram;
  const size = names.length;
  const degrees =
    comparison.kind === 'chains' ? pairDegrees(gram, exponents, precisionOf(info.dtype, info)) : undefined;
  return plainly<SimilarityResult>({
    kind: 'pair',
    a: a.label,
    b: b.label,
    sources: [sourceOf(a), sourceOf(b)],
    ...info,
    ...(bound && { certified: certifiedPair(gram, info.dtype) }),
    ...(standardError && { standardError: standardError[1], sampling }),
    ...(difference as NumbersOf<PairDifference>),
    ...pairNumbers(entryOf(total, exponents, 0, 1)),
    ...(pair && sampledErrors(pair, 0)),
    ...(perOutput && {
      perOutput: names.map((name, c) => ({
        ...compareSlice(name, entryOf(perOutput, sliceExponents, c, size)),
        ...sliceDifferences[c],
        ...(perOutputError && { standardError: perOutputError[size + c] }),
        ...(pair && sampledErrors(pair, 1 + c)),
        ...(pair && sampledQuality(pair, 1 + c)),
      })),
    }),
    ...(degrees && { degrees }),
    ...(comparison.kind === 'behaviours' && { behaviour: await scores(comparison, settings) }),
  });
}

// What few comparisons need is compiled when one does.
const sampled = async (members: readonly Member[], { law, settings }: OfSamples) =>
  (await import('./sampled/sampled.js')).sampledGram(members, law, settings);
const scores = async ({ behaviours }: OfBehaviours, settings: ResolvedSettings) =>
  (await import('./behaviour/scores.js')).pairBehaviour(behaviours, settings);

const both = <T>(one: T): readonly [T, T] => [one, one];

/** Nothing of the whole is undefined, as neither of the two is zero. */
type NumbersOf<T> = { readonly [name in keyof T]: NonNullable<T[name]> };

function compareSlice(name: string, entry: GramEntry) {
  const numbers = pairNumbers(entry);
  return { name, ...numbers, similarity: Number.isNaN(numbers.similarity) ? null : numbers.similarity };
}

/** Errors of slice `c` of what is sampled of a pair. */
function sampledErrors(pair: SampledPair, c: number) {
  return {
    distanceError: timesPower(pair.distanceError[c], pair.exponent),
    innerProductError: pair.innerProductError[c],
    normAError: pair.normAError[c],
    normBError: pair.normBError[c],
  };
}

function sampledQuality(pair: SampledPair, c: number) {
  return { effectiveSamples: pair.effectiveSamples[c], interval: pair.interval[c], reached: pair.trusted[c] };
}
