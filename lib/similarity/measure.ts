import { selectBackend } from '../backend/select.js';
import type { Model } from '../model/model.js';
import { type Behaviours, behaviours } from './behavioural.js';
import type { GramSettings } from './gram.js';
import { whiten } from './law.js';
import { type ResolvedSettings, type Settings, settle } from './options.js';
import { chooseRoute, type Route } from './route.js';
import { chainSources, checkComparable, checkModels, type Sources, weightSources } from './sources.js';
import type { Measure, ResultInfo, SimilarityOptions } from './types.js';

/** A comparison ready to be computed: everything checked; nothing multiplied yet but by the forward pass of `behavioural`. */
export interface Comparison {
  readonly sources: Sources;
  readonly labels: readonly string[];
  readonly settings: ResolvedSettings & GramSettings;
  /** What the models do on given inputs, for the measure `behavioural`. */
  readonly behaviours?: Behaviours;
  readonly info: ResultInfo;
}

/**
 * Checks options and models, and decides what is compared and how: `gaussian` and `tensor` the chains under the input law, by the
 * method that fits them; `weights` the parameters and `behavioural` the outputs on given inputs as plain vectors.
 * @throws TensimError as `settle`, `checkComparable`, `chooseRoute`, `whiten`, `weightSources`, `behaviours` and `selectBackend` do.
 */
export async function planComparison(models: readonly Model[], options: SimilarityOptions): Promise<Comparison> {
  checkModels(models);
  const settings = settle(options);
  const labels = models.map((model) => model.label);
  if (settings.measure === 'weights') {
    const resolved = asFeatures(settings);
    return {
      sources: weightSources(models),
      labels,
      settings: resolved,
      info: resultInfo(resolved, EXACT, null, settings.measure),
    };
  }
  if (settings.measure === 'behavioural') {
    const resolved = asFeatures(settings);
    const found = await behaviours(models, resolved);
    const info = resultInfo(resolved, EXACT, found.name, settings.measure);
    return { sources: found.sources, labels, settings: resolved, info, behaviours: found };
  }
  return planFunctions(models, labels, settings, settings.measure);
}

const EXACT = { method: 'exact', exact: true } as const;

/** Features ignore the measure of a job, and every backend takes them. */
function asFeatures(settings: Settings): ResolvedSettings & GramSettings {
  return { ...settings, measure: 'gaussian', backend: selectBackend(settings.backend) };
}

async function planFunctions(
  models: readonly Model[],
  labels: readonly string[],
  settings: Settings,
  measure: 'gaussian' | 'tensor',
): Promise<Comparison> {
  checkComparable(models, measure);
  const route = chooseRoute(models, measure, settings.method);
  const resolved = { ...settings, measure, backend: selectBackend(settings.backend, route.chain) };
  const { name, law } = await whiten(settings.input, models[0].inputShape[1], settings.signal);
  const info = resultInfo(resolved, route, name, measure);
  return { sources: chainSources(models, route.chain, law), labels, settings: resolved, info };
}

/** How a result was obtained; `input` is the name of the law or of the inputs, null where there are none. */
function resultInfo(
  { backend, dtype }: GramSettings,
  { method, exact }: Pick<Route, 'method' | 'exact'>,
  input: string | null,
  measure: Measure,
): ResultInfo {
  return { measure, method, exact, standardError: null, input, dtype, backend: backend.name };
}
