import { Pacer } from '../../cooperate.js';
import { largest } from '../../extremes.js';
import { growthOf } from '../../layers/layer.js';
import { isOnehot, type LawOfInputs } from '../law/onehot.js';
import type { Member } from '../members/members.js';
import type { SampleExecutor } from './batch.js';
import type { Directions } from './components.js';
import { type Draws, type DrawsSpec, drawsFrom, openWhitening, type Whitening } from './draws.js';
import { type Ensemble, type EnsembleShape, inOwnOrder, openEnsemble } from './ensemble.js';
import { Estimate } from './estimate.js';
import type { PassSettings } from './passes.js';
import { FURTHER_SAMPLES, openPilot } from './pilot.js';
import type { SampledGram } from './result.js';
import { LocalSampler } from './sampler.js';
import { controlOf, type SampleSettings } from './settings.js';
import { oppositesPay } from './signs.js';
import { FIRST_SAMPLES, hasPilot } from './sizes.js';
import { type Stage, stageOf } from './stage.js';
import { StandIns } from './stand_ins.js';
import type { Variates } from './surrogate.js';
import { openSurrogates, surrogatesPay } from './variates.js';

/** A stage has at most so many times the samples of the one before: the errors that it is planned by are estimates. */
const GROWTH = 16;
/**
 * Stages beside those that are numbered from 0: what tells whether opposite pairs pay, a second decision, and that with
 * control variates.
 */
const STAGES = { signs: 15, again: 14, controlled: 13 } as const;
/** Control variates are looked for where so many samples are needed at least. */
const MANY = 2 * FIRST_SAMPLES;
/** A better pilot is worth it where so many times its samples are needed. */
const WORTH = 3;

export type { SampledGram, SampledPair } from './result.js';

/** Random inputs: a Gaussian law, or uniform token sequences. */
export type SampledLaw = LawOfInputs | 'tokens';

/**
 * The Gram matrix of models from their outputs on common random inputs (MATH.md section 8): unbiased, for any layers,
 * and n models cost n forward passes. A first stage of samples tells how many are needed for every similarity to be
 * known to the tolerance, at most `maxSamples`; the result comes from others, which did not decide their number. The
 * samples depend on the models that are compared together, not on their order.
 *
 * @throws TensimError `NOT_FINITE` or `ZERO_NORM` naming the models, `UNSUPPORTED_LAYER` for tokens without an
 * embedding, `MEMORY_LIMIT`; the signal's reason.
 */
export async function sampledGram(
  members: readonly Member[],
  law: SampledLaw,
  settings: SampleSettings,
  executorOf?: (different: readonly Member[]) => SampleExecutor,
): Promise<SampledGram> {
  const different = await inOwnOrder(members);
  const site = await openSite(members, different, law, settings);
  const executor = executorOf?.(different) ?? new LocalSampler(site.ensemble, site.drawsOf, settings);
  try {
    return await refine(await decideOn({ ...site, executor }, law, settings), site.ensemble, executor, settings);
  } finally {
    site.dispose();
  }
}

/** What was decided before the samples of the result are drawn. */
export interface Decided {
  /** The samples that tell how many are needed. */
  readonly first: Estimate;
  /** Of a stage of the result, from 1. */
  readonly specOf: (stage: number) => DrawsSpec;
  /** Null: none. */
  readonly variates: Variates | null;
}

/** Of models as polynomials of z, the largest. */
export const degreeOf = ({ members }: Pick<Ensemble, 'members'>): number =>
  largest(members.map(({ outline }) => growthOf(outline.layers)));

/** Finds from where to draw, whether in opposite pairs and beside surrogates, and about how many samples. */
export async function decideOn(
  site: Site & { readonly executor: SampleExecutor },
  law: SampledLaw,
  settings: SampleSettings,
): Promise<Decided> {
  const { whitening, ensemble } = site;
  if (whitening !== null) {
    return decideOnVectors({ ...site, whitening, law: law as LawOfInputs }, degreeOf(ensemble), settings);
  }
  const specOf = (stage: number): DrawsSpec => ({ kind: 'tokens', seed: settings.seed, stage });
  return { first: await decide(site, settings, specOf(0), null), specOf, variates: null };
}

/** Models and their inputs, ready to be evaluated. */
export interface Site {
  readonly ensemble: Ensemble;
  /** Of the law; null for tokens. */
  readonly whitening: Whitening | null;
  readonly drawsOf: (spec: DrawsSpec) => Draws;
  dispose(): void;
}

/** @param different those of the members that are different, in the order in which they are evaluated. */
export async function openSite(
  members: readonly Member[],
  different: readonly Member[],
  law: SampledLaw,
  settings: Omit<PassSettings, 'law'> & Pick<SampleSettings, 'backend'>,
): Promise<Site> {
  const { backend } = settings;
  const [positions, features] = members[0].outline.inputShape;
  const size = { positions, features };
  const sizes = law === 'tokens' || isOnehot(law) ? undefined : law;
  const passes = { ...settings, law: sizes };
  const ensemble = openEnsemble(members, law === 'tokens' ? 'tokens' : 'vectors', passes, different);
  try {
    const whitening = law === 'tokens' ? null : await openWhitening(size, law, backend, controlOf(settings));
    const dispose = () => {
      whitening?.dispose();
      ensemble.dispose();
    };
    return { ensemble, whitening, drawsOf: drawsFrom(size, whitening, backend), dispose };
  } catch (error) {
    ensemble.dispose();
    throw error;
  }
}

/** Models to be sampled, and who evaluates batches of samples. */
interface Sampled {
  readonly ensemble: EnsembleShape;
  readonly executor: SampleExecutor;
}

/** From where models have their weight, in opposite pairs where that pays, and beside surrogates where these do. */
async function decideOnVectors(
  site: Site & Sampled & { readonly whitening: Whitening; readonly law: LawOfInputs },
  degree: number,
  settings: SampleSettings,
): Promise<Decided> {
  const { ensemble, whitening, drawsOf } = site;
  const { seed, maxSamples, signal } = settings;
  const { dimension } = whitening;
  const streams = async (directions: Directions | null, variates: Variates | null) => {
    const proposal = { dimension, degree, directions };
    const draws = (stage: number, antithetic: boolean): DrawsSpec => {
      return { kind: 'vectors', seed, stage, antithetic, proposal };
    };
    const pairs = drawsOf(draws(STAGES.signs, true));
    const standIns = variates && new StandIns(ensemble, variates.surrogates);
    const antithetic = await oppositesPay(ensemble, standIns, pairs, controlOf(settings), new Pacer(signal));
    standIns?.dispose();
    return (stage: number) => draws(stage, antithetic);
  };
  const pilot = hasPilot(dimension, maxSamples) ? await openPilot(ensemble, whitening, degree, settings) : null;
  const directions = pilot === null ? null : pilot.directions;
  const specOf = await streams(directions, null);
  const plain = await decide(site, settings, specOf(0), null);
  const controlled = await withVariates(site, settings, plain, (variates) => streams(directions, variates));
  const decided = controlled ?? { specOf, first: plain, variates: null };
  if (pilot === null || Math.min(decided.first.wanted(), maxSamples) < WORTH * FURTHER_SAMPLES) return decided;
  const { variates } = decided;
  const better = await streams(await pilot.further(), variates);
  return { first: await decide(site, settings, better(STAGES.again), variates), specOf: better, variates };
}

/** The decision anew, with surrogates as control variates; null where there are none, or they do not pay. */
async function withVariates(
  site: Site & Sampled & { readonly whitening: Whitening; readonly law: LawOfInputs },
  settings: SampleSettings,
  plain: Estimate,
  streams: (variates: Variates) => Promise<(stage: number) => DrawsSpec>,
): Promise<Decided | null> {
  const samples = Math.min(plain.wanted(), settings.maxSamples);
  if (samples < MANY) return null;
  const found = await openSurrogates(site.ensemble, site.whitening, site.law, settings, samples);
  if (found === null) return null;
  const { surrogates, cost } = found;
  const untried = { surrogates, varianceRatio: 1 };
  const specOf = await streams(untried);
  const first = await decide(site, settings, specOf(STAGES.controlled), untried);
  const varianceRatio = (first.interval / plain.interval) ** 2 * (first.samples / plain.samples);
  return surrogatesPay(varianceRatio, cost) ? { specOf, first, variates: { surrogates, varianceRatio } } : null;
}

/** The samples that tell how many are needed. */
function decide(
  { ensemble, executor }: Sampled,
  settings: SampleSettings,
  draws: DrawsSpec,
  variates: Variates | null,
): Promise<Estimate> {
  const inputs = Math.min(FIRST_SAMPLES, settings.maxSamples);
  const estimate = new Estimate(ensemble, settings, null, variates?.varianceRatio ?? null);
  return estimate.run(stageOf(ensemble, executor, draws, inputs, variates, false), executor);
}

/**
 * Stage after stage with samples of its own, until one of the number that it was planned with reaches the tolerance, or
 * has `maxSamples`.
 */
async function refine(
  { first, specOf, variates }: Decided,
  ensemble: EnsembleShape,
  executor: SampleExecutor,
  settings: SampleSettings,
): Promise<SampledGram> {
  let last = first;
  for (let number = 1; ; number++) {
    const inputs = inputsAfter(last, settings);
    const stage = stageOf(ensemble, executor, specOf(number), inputs, variates, true);
    const before = await last.basis();
    last = await new Estimate(ensemble, settings, before, variates?.varianceRatio ?? null).run(stage, executor);
    if (isLast(last, stage, settings)) return last.gram();
  }
}

/** How many inputs the stage after one takes. */
export function inputsAfter(last: Estimate, { maxSamples }: Pick<SampleSettings, 'maxSamples'>): number {
  return Math.min(maxSamples, Math.max(FIRST_SAMPLES, Math.min(last.wanted(), GROWTH * last.samples)));
}

/** Whether what a stage has found is the result. */
export function isLast(
  found: Estimate,
  { inputs }: Pick<Stage, 'inputs'>,
  { maxSamples }: Pick<SampleSettings, 'maxSamples'>,
): boolean {
  return found.reached() || inputs === maxSamples;
}
