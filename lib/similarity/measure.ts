import type { Model } from '../model/model.js';
import type { GramSettings } from './gram.js';
import { whiten } from './law.js';
import { resultInfo, type Settings, settle } from './options.js';
import { chainSources, checkComparable, checkModels, type Sources, weightSources } from './sources.js';
import type { ResultInfo, SimilarityOptions } from './types.js';

/** A comparison ready to be computed: everything checked, nothing multiplied yet. */
export interface Comparison {
  readonly sources: Sources;
  readonly labels: readonly string[];
  readonly settings: GramSettings;
  readonly info: ResultInfo;
}

/**
 * Checks options and models, and decides what a measure compares: `gaussian` and `tensor` the folded chains under the input
 * law, `weights` the parameters as plain vectors.
 * @throws TensimError as `settle`, `checkComparable`, `whiten` and `weightSources` do.
 */
export async function planComparison(models: readonly Model[], options: SimilarityOptions): Promise<Comparison> {
  checkModels(models);
  const settings = settle(options);
  const labels = models.map((model) => model.label);
  if (settings.measure === 'weights') {
    // Features ignore the measure of a job.
    const gramSettings: GramSettings = { ...settings, measure: 'gaussian' };
    return { sources: weightSources(models), labels, settings: gramSettings, info: resultInfo(settings, null) };
  }
  return planFunctions(models, labels, { ...settings, measure: settings.measure });
}

async function planFunctions(
  models: readonly Model[],
  labels: readonly string[],
  settings: Settings & GramSettings,
): Promise<Comparison> {
  checkComparable(models, settings.measure);
  const { name, law } = await whiten(settings.input, models[0].inputShape[1], settings.signal);
  return { sources: chainSources(models, law), labels, settings, info: resultInfo(settings, name) };
}
