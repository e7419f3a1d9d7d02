import type { Member } from '../members.js';
import type { LawOfInputs } from '../onehot.js';
import { type Draws, gaussianDraws, openWhitening, STREAMS, tokenDraws, type Whitening } from './draws.js';
import { type Ensemble, haveParity, openEnsemble } from './ensemble.js';
import { controlOf, Estimate, type SampledGram, type SampleSettings } from './estimate.js';
import { GROUPS } from './jackknife.js';
import type { Mixture } from './mixture.js';
import { fitMixture, MOST_DIMENSIONS, PILOT_SAMPLES } from './pilot.js';

/** Samples of each group before the first look at the errors. */
const FIRST = 128;
/** A round at most multiplies the samples by this, as the errors that it is planned by are estimates. */
const GROWTH = 4;

export type { SampledGram } from './estimate.js';

/** Random inputs: a Gaussian law, or uniform token sequences. */
export type SampledLaw = LawOfInputs | 'tokens';

/**
 * The Gram matrix of models from their outputs on common random inputs (MATH.md section 8): unbiased, for any layers, and n models
 * cost n forward passes. Samples are added until every similarity is known to the tolerance, or there are `maxSamples` of them. Where plain
 * samples would not do, a mixture fitted to the models takes their place.
 *
 * @throws TensimError `NOT_FINITE` or `ZERO_NORM` naming the models, `UNSUPPORTED_LAYER` for tokens without an embedding, `MEMORY_LIMIT`;
 * the signal's reason.
 */
export async function sampledGram(
  members: readonly Member[],
  law: SampledLaw,
  settings: SampleSettings,
): Promise<SampledGram> {
  const [positions, features] = members[0].outline.inputShape;
  const size = { positions, features };
  const ensemble = openEnsemble(members, law === 'tokens' ? 'tokens' : 'vectors', settings);
  try {
    if (law === 'tokens') {
      const draws = tokenDraws(size, settings.seed);
      return await (await refine(new Estimate(ensemble, settings), draws, settings)).gram();
    }
    const whitening = await openWhitening(size, law, settings.backend, controlOf(settings));
    try {
      return await (await gaussianEstimate(ensemble, whitening, settings)).gram();
    } finally {
      whitening.dispose();
    }
  } finally {
    ensemble.dispose();
  }
}

async function gaussianEstimate(ensemble: Ensemble, whitening: Whitening, settings: SampleSettings): Promise<Estimate> {
  const { backend, seed, maxSamples } = settings;
  const control = controlOf(settings);
  const antithetic = !(await allHaveParity(ensemble, whitening, settings));
  const draw = (stream: number, mixture: Mixture | null) =>
    gaussianDraws({ whitening, seed, stream, antithetic, mixture }, backend);
  const plain = draw(STREAMS.plain, null);
  const estimate = new Estimate(ensemble, settings);
  await estimate.extend(plain, Math.min(maxSamples, FIRST * GROUPS), FIRST * GROUPS);
  const worthIt = estimate.wanted() > PILOT_SAMPLES && maxSamples > 2 * PILOT_SAMPLES;
  if (!worthIt || whitening.dimension > MOST_DIMENSIONS) return refine(estimate, plain, settings);
  const mixture = await fitMixture(ensemble, whitening, settings, control);
  return refine(new Estimate(ensemble, settings), draw(STREAMS.mixed, mixture), settings);
}

/** Adds samples until the tolerance is met or there are enough of them. */
async function refine(estimate: Estimate, draws: Draws, { maxSamples }: SampleSettings): Promise<Estimate> {
  for (;;) {
    const next = Math.min(maxSamples, Math.max(FIRST * GROUPS, estimate.wanted()));
    if (next - estimate.samples < GROUPS) return estimate;
    const goal = Math.min(next, Math.max(FIRST * GROUPS, GROWTH * estimate.samples));
    const before = estimate.samples;
    await estimate.extend(draws, goal - before, next);
    if (estimate.samples === before || estimate.reached()) return estimate;
  }
}

async function allHaveParity(ensemble: Ensemble, whitening: Whitening, settings: SampleSettings): Promise<boolean> {
  const { backend, dtype, seed } = settings;
  const control = controlOf(settings);
  const options = { whitening, seed, stream: STREAMS.parity, antithetic: false, mixture: null };
  const { z } = await gaussianDraws(options, backend).white(4, control);
  return haveParity(ensemble, z, (values) => whitening.inputsOf(values, control), dtype, control);
}
