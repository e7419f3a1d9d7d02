import type { WhitenedLaw } from '../../backend/backend.js';
import type { Model } from '../../model/model.js';
import { type Draws, gaussianDraws, type InputSize, STREAMS, tokenDraws, whitenedSize } from './draws.js';
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
export type SampledLaw = WhitenedLaw | 'tokens';

/**
 * The Gram matrix of models from their outputs on common random inputs (MATH.md section 8): unbiased, for any layers, and n models
 * cost n forward passes. Samples are added until every similarity is known to the tolerance, or there are `maxSamples` of them. Where plain
 * samples would not do, a mixture fitted to the models takes their place.
 *
 * @param labels of the models, for errors.
 * @throws TensimError `NOT_FINITE` or `ZERO_NORM` naming the models, `UNSUPPORTED_LAYER` for tokens without an embedding, `MEMORY_LIMIT`;
 * the signal's reason.
 */
export async function sampledGram(
  models: readonly Model[],
  labels: readonly string[],
  law: SampledLaw,
  settings: SampleSettings,
): Promise<SampledGram> {
  const [positions, features] = models[0].inputShape;
  const size = { positions, features };
  const ensemble = await openEnsemble(models, law === 'tokens' ? 'tokens' : 'vectors', settings);
  try {
    const names = ensemble.places.map((place, i) => ({ place, label: labels[i] }));
    const own = Array.from({ length: ensemble.count }, (_, m) => names.find(({ place }) => place === m)!.label);
    const estimate =
      law === 'tokens'
        ? await refine(new Estimate(ensemble, own, settings), tokenDraws(size, settings.seed), settings)
        : await gaussianEstimate(ensemble, own, size, law, settings);
    return await estimate.gram();
  } finally {
    ensemble.dispose();
  }
}

async function gaussianEstimate(
  ensemble: Ensemble,
  labels: readonly string[],
  size: InputSize,
  law: WhitenedLaw,
  settings: SampleSettings,
): Promise<Estimate> {
  const { backend, seed, maxSamples } = settings;
  const control = controlOf(settings);
  const antithetic = !(await allHaveParity(ensemble, size, law, settings));
  const draw = (stream: number, mixture: Mixture | null) =>
    gaussianDraws({ size, law, seed, stream, antithetic, mixture }, backend, control);
  const plain = await draw(STREAMS.plain, null);
  const estimate = new Estimate(ensemble, labels, settings);
  try {
    await estimate.extend(plain, Math.min(maxSamples, FIRST * GROUPS), FIRST * GROUPS);
    const worthIt = estimate.wanted() > PILOT_SAMPLES && maxSamples > 2 * PILOT_SAMPLES;
    if (!worthIt || whitenedSize(size, law) > MOST_DIMENSIONS) return await refine(estimate, plain, settings);
  } finally {
    plain.dispose();
  }
  const mixture = await fitMixture(ensemble, size, law, settings, control);
  const draws = await draw(STREAMS.mixed, mixture);
  return refine(new Estimate(ensemble, labels, settings), draws, settings);
}

/** Adds samples until the tolerance is met or there are enough of them. */
async function refine(estimate: Estimate, draws: Draws, { maxSamples }: SampleSettings): Promise<Estimate> {
  try {
    for (;;) {
      const next = Math.min(maxSamples, Math.max(FIRST * GROUPS, estimate.wanted()));
      if (next - estimate.samples < GROUPS) return estimate;
      const goal = Math.min(next, Math.max(FIRST * GROUPS, GROWTH * estimate.samples));
      const before = estimate.samples;
      await estimate.extend(draws, goal - before, next);
      if (estimate.samples === before || estimate.reached()) return estimate;
    }
  } finally {
    draws.dispose();
  }
}

async function allHaveParity(
  ensemble: Ensemble,
  size: InputSize,
  law: WhitenedLaw,
  settings: SampleSettings,
): Promise<boolean> {
  const control = controlOf(settings);
  const options = { size, law, seed: settings.seed, stream: STREAMS.parity, antithetic: false, mixture: null };
  const draws = await gaussianDraws(options, settings.backend, control);
  try {
    const { z } = await draws.white(4, control);
    return await haveParity(ensemble, z, (values) => draws.inputsOf(values, control), settings.dtype, control);
  } finally {
    draws.dispose();
  }
}
