import { selectBackend } from '../backend/select.js';
import type { Model } from '../model/model.js';
import type { GramSettings } from './gram.js';
import { whiten } from './law.js';
import { type Settings, settle } from './options.js';
import { chooseRoute, type Route } from './route.js';
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
 * Checks options and models, and decides what is compared and how: `gaussian` and `tensor` the chains under the input law, by the
 * method that fits them; `weights` the parameters as plain vectors.
 * @throws TensimError as `settle`, `checkComparable`, `chooseRoute`, `whiten`, `weightSources` and `selectBackend` do.
 */
export async function planComparison(models: readonly Model[], options: SimilarityOptions): Promise<Comparison> {
  checkModels(models);
  const settings = settle(options);
  const labels = models.map((model) => model.label);
  if (settings.measure === 'weights') {
    // Features ignore the measure of a job.
    const gramSettings: GramSettings = {
      ...settings,
      measure: 'gaussian',
      backend: selectBackend(settings.backend),
    };
    const info = resultInfo(settings, gramSettings, { method: 'exact', exact: true }, null);
    return { sources: weightSources(models), labels, settings: gramSettings, info };
  }
  return planFunctions(models, labels, settings, settings.measure);
}

async function planFunctions(
  models: readonly Model[],
  labels: readonly string[],
  settings: Settings,
  measure: 'gaussian' | 'tensor',
): Promise<Comparison> {
  checkComparable(models, measure);
  const route = chooseRoute(models, measure, settings.method);
  const gramSettings = { ...settings, measure, backend: selectBackend(settings.backend, route.chain) };
  const { name, law } = await whiten(settings.input, models[0].inputShape[1], settings.signal);
  const info = resultInfo(settings, gramSettings, route, name);
  return { sources: chainSources(models, route.chain, law), labels, settings: gramSettings, info };
}

/** How a result was obtained; `input` is the name of the law, null where none is used. */
function resultInfo(
  { measure, dtype }: Settings,
  { backend }: GramSettings,
  { method, exact }: Pick<Route, 'method' | 'exact'>,
  input: string | null,
): ResultInfo {
  return { measure, method, exact, standardError: null, input, dtype, backend: backend.name };
}
