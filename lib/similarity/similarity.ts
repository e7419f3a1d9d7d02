import type { GramTile } from '../backend/backend.js';
import type { Model } from '../model/model.js';
import { pairBehaviour } from './behaviour.js';
import { cosine, distance, norm } from './derived.js';
import { gramPair } from './gram/pair.js';
import { planComparison } from './measure.js';
import { memberOf } from './members.js';
import { settle } from './options.js';
import { type SampledGram, type SampledPair, sampledGram } from './sampled/sampled.js';
import type { SimilarityOptions, SimilarityResult, SliceSimilarity } from './types.js';

/**
 * How similar two models are as functions, over all inputs of a Gaussian law, from their weights alone (MATH.md sections 2
 * to 8). Exact for chains with at most two bilinear blocks or one attention block; beyond that sampled, with a standard error. By the method
 * `closure`, when asked for, an approximation for any depth. The order of the two does not change the numbers by a bit. The measure
 * `behavioural` compares chains of any layers, on the inputs it is given.
 *
 *     const { similarity, distance } = await similarity(a, b, { measure: 'gaussian', input: { sigma: 2 } });
 *
 * @throws TensimError (rejects) `SHAPE_MISMATCH` for models of different sizes, `UNSUPPORTED_LAYER` where the method asked
 * for does not apply, `ZERO_NORM` for a model that is zero, `NOT_FINITE` if an inner product leaves the range of numbers, `INVALID_COVARIANCE`,
 * `INVALID_ARGUMENT`, `BACKEND_UNAVAILABLE`; the signal's reason if it is aborted.
 */
export async function similarity(a: Model, b: Model, options: SimilarityOptions = {}): Promise<SimilarityResult> {
  const members = a === b ? both(memberOf(a)) : ([memberOf(a), memberOf(b)] as const);
  const { sources, settings, info, behaviours, sampledLaw } = await planComparison(members, settle(options));
  const gram: GramTile & Partial<SampledGram> =
    sampledLaw === undefined
      ? await gramPair(members, sources, settings)
      : await sampledGram(members, sampledLaw, settings);
  const { total, perOutput, standardError, perOutputError, sampling, pair } = gram;
  return {
    a: a.label,
    b: b.label,
    ...info,
    ...(standardError && { standardError: standardError[1], sampling }),
    ...compare(total, 0, 1),
    ...(pair && sampledFields(pair, 0)),
    similarity: cosine(total[1], total[0], total[3]),
    ...(perOutput && {
      perOutput: sources.names.map((name, c) => ({
        ...compareSlice(name, perOutput, c, sources.names.length),
        ...(perOutputError && { standardError: perOutputError[sources.names.length + c] }),
        ...(pair && sampledFields(pair, 1 + c)),
        ...(pair && sampledQuality(pair, 1 + c)),
      })),
    }),
    ...(behaviours && { behaviour: await pairBehaviour(behaviours, settings) }),
  };
}

const both = <T>(one: T): readonly [T, T] => [one, one];

/** Distance, inner product and norms from slice `c` of a (2, 2, size) Gram matrix. */
function compare(gram: Float64Array, c: number, size: number) {
  const [aa, ab, bb] = [gram[c], gram[size + c], gram[3 * size + c]];
  return { distance: distance(ab, aa, bb), innerProduct: ab, normA: norm(aa), normB: norm(bb) };
}

function compareSlice(name: string, gram: Float64Array, c: number, size: number): SliceSimilarity {
  const value = cosine(gram[size + c], gram[c], gram[3 * size + c]);
  return { name, similarity: Number.isNaN(value) ? null : value, ...compare(gram, c, size) };
}

/** Slice `c` of what samples tell of a pair: the distance from the difference itself, and errors. */
function sampledFields(pair: SampledPair, c: number) {
  return {
    distance: pair.distance[c],
    distanceError: pair.distanceError[c],
    innerProductError: pair.innerProductError[c],
    normAError: pair.normAError[c],
    normBError: pair.normBError[c],
  };
}

function sampledQuality(pair: SampledPair, c: number) {
  return { effectiveSamples: pair.effectiveSamples[c], interval: pair.interval[c], reached: pair.trusted[c] };
}
