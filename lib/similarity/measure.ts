import type { Model } from '../model/model.js';
import { type Behaviours, behaviours } from './behavioural.js';
import type { GramSettings } from './gram.js';
import { whiten } from './law.js';
import { resultInfo, type Settings, settle } from './options.js';
import { chainSources, checkComparable, checkModels, type Sources, weightSources } from './sources.js';
import type { ResultInfo, SimilarityOptions } from './types.js';

/** A comparison ready to be computed: everything checked; nothing multiplied yet but by the forward pass of `behavioural`. */
export interface Comparison {
  readonly sources: Sources;
  readonly labels: readonly string[];
  readonly settings: Settings & GramSettings;
  /** What the models do on given inputs, for the measure `behavioural`. */
  readonly behaviours?: Behaviours;
  readonly info: ResultInfo;
}

/**
 * Checks options and models, and decides what a measure compares: `gaussian` and `tensor` the folded chains under the input
 * law, `weights` the parameters and `behavioural` the outputs on given inputs as plain vectors.
 * @throws TensimError as `settle`, `checkComparable`, `whiten`, `weightSources` and `behaviours` do.
 */
export async function planComparison(models: readonly Model[], options: SimilarityOptions): Promise<Comparison> {
  checkModels(models);
  const settings = settle(options);
  const labels = models.map((model) => model.label);
  if (settings.measure === 'weights') {
    return { sources: weightSources(models), labels, settings: asFeatures(settings), info: resultInfo(settings, null) };
  }
  if (settings.measure === 'behavioural') {
    const found = await behaviours(models, settings);
    const info = resultInfo(settings, found.name);
    return { sources: found.sources, labels, settings: asFeatures(settings), info, behaviours: found };
  }
  return planFunctions(models, labels, { ...settings, measure: settings.measure });
}

/** Features ignore the measure of a job. */
const asFeatures = (settings: Settings) => ({ ...settings, measure: 'gaussian' as const });

async function planFunctions(
  models: readonly Model[],
  labels: readonly string[],
  settings: Settings & GramSettings,
): Promise<Comparison> {
  checkComparable(models, settings.measure);
  const { name, law } = await whiten(settings.input, models[0].inputShape[1], settings.signal);
  return { sources: chainSources(models, law), labels, settings, info: resultInfo(settings, name) };
}
