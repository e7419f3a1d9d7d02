import { Pacer } from '../../cooperate.js';
import { growthOf } from '../../layers/layer.js';
import { isOnehot, type LawOfInputs } from '../law/onehot.js';
import type { Member } from '../members/members.js';
import type { Directions } from './components.js';
import { type Draws, gaussianDraws, openWhitening, tokenDraws, type Whitening } from './draws.js';
import { type Ensemble, inOwnOrder, openEnsemble } from './ensemble.js';
import { controlOf, Estimate, type SampleSettings } from './estimate.js';
import { FURTHER_SAMPLES, openPilot, PILOT_SAMPLES } from './pilot.js';
import { createProposal, FEW_DIMENSIONS } from './proposal.js';
import type { SampledGram } from './result.js';
import { oppositesPay } from './signs.js';

/** Samples of the stage that decides how many are needed, and of a result at least. */
const FIRST = 4096;
/** A stage has at most so many times the samples of the one before: the errors that it is planned by are estimates. */
const GROWTH = 16;
/** Stages beside those that are numbered from 0: what tells whether opposite pairs pay, and a second decision. */
const STAGES = { signs: 15, again: 14 } as const;
/** A better pilot is worth it where so many times its samples are needed. */
const WORTH = 3;

export type { SampledGram, SampledPair } from './result.js';

/** Random inputs: a Gaussian law, or uniform token sequences. */
export type SampledLaw = LawOfInputs | 'tokens';

/**
 * The Gram matrix of models from their outputs on common random inputs (MATH.md section 8): unbiased, for any layers, and n models
 * cost n forward passes. A first stage of samples tells how many are needed for every similarity to be known to the tolerance, at most
 * `maxSamples`; the result comes from others, which did not decide their number. The samples depend on the models that are compared together,
 * not on their order.
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
  const sizes = law === 'tokens' || isOnehot(law) ? undefined : law;
  const passes = { ...settings, law: sizes };
  const ensemble = openEnsemble(members, law === 'tokens' ? 'tokens' : 'vectors', passes, await inOwnOrder(members));
  try {
    if (law === 'tokens') {
      const draws = (stage: number) => tokenDraws(size, settings.seed, stage);
      return await refine(await decide(ensemble, settings, draws(0)), ensemble, settings, draws);
    }
    const whitening = await openWhitening(size, law, settings.backend, controlOf(settings));
    try {
      return await gaussianGram(
        ensemble,
        whitening,
        Math.max(...members.map(({ outline }) => growthOf(outline.layers))),
        settings,
      );
    } finally {
      whitening.dispose();
    }
  } finally {
    ensemble.dispose();
  }
}

/** From where models have their weight, and in opposite pairs where that pays. */
async function gaussianGram(
  ensemble: Ensemble,
  whitening: Whitening,
  degree: number,
  settings: SampleSettings,
): Promise<SampledGram> {
  const { backend, seed, maxSamples, signal } = settings;
  const { dimension } = whitening;
  const streams = async (directions: Directions | null) => {
    const proposal = createProposal({ dimension, degree, directions });
    const draws = (stage: number, antithetic: boolean) =>
      gaussianDraws({ whitening, seed, stage, antithetic, proposal }, backend);
    const pairs = draws(STAGES.signs, true);
    const antithetic = await oppositesPay(ensemble, pairs, controlOf(settings), new Pacer(signal));
    return (stage: number) => draws(stage, antithetic);
  };
  const affordable = dimension > FEW_DIMENSIONS && maxSamples >= PILOT_SAMPLES;
  const pilot = affordable ? await openPilot(ensemble, whitening, degree, settings) : null;
  const draws = await streams(pilot === null ? null : pilot.directions);
  const first = await decide(ensemble, settings, draws(0));
  if (pilot === null || Math.min(first.wanted(), maxSamples) < WORTH * FURTHER_SAMPLES) {
    return refine(first, ensemble, settings, draws);
  }
  const better = await streams(await pilot.further());
  return refine(await decide(ensemble, settings, better(STAGES.again)), ensemble, settings, better);
}

/** The samples that tell how many are needed. */
function decide(ensemble: Ensemble, settings: SampleSettings, draws: Draws): Promise<Estimate> {
  return new Estimate(ensemble, settings).run(draws, Math.min(FIRST, settings.maxSamples));
}

/** Stage after stage with samples of its own, until one of the number that it was planned with reaches the tolerance, or has `maxSamples`. */
async function refine(
  first: Estimate,
  ensemble: Ensemble,
  settings: SampleSettings,
  drawsOf: (stage: number) => Draws,
): Promise<SampledGram> {
  const { maxSamples } = settings;
  let last = first;
  for (let stage = 1; ; stage++) {
    const samples = Math.min(maxSamples, Math.max(FIRST, Math.min(last.wanted(), GROWTH * last.samples)));
    last = await new Estimate(ensemble, settings, last).run(drawsOf(stage), samples);
    if (last.reached() || samples === maxSamples) return last.gram();
  }
}
