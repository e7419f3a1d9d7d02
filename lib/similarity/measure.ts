import type { GramRoute, WhitenedLaw } from '../backend/backend.js';
import { selectBackend } from '../backend/select.js';
import { TensimError } from '../errors.js';
import type { Model } from '../model/model.js';
import { type Behaviours, behaviours } from './behavioural.js';
import type { GramSettings } from './gram.js';
import { whiten } from './law.js';
import { type ResolvedSettings, type Settings, settle } from './options.js';
import { chainShape, planRoute } from './planner.js';
import { chooseRoute, type Route } from './route.js';
import { chainSources, checkComparable, checkModels, type Sources, weightSources } from './sources.js';
import type { Measure, ResultInfo, RouteEstimate, SimilarityOptions } from './types.js';

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
    const resolved = asFeatures(settings, settings.measure);
    return {
      sources: weightSources(models),
      labels,
      settings: resolved,
      info: resultInfo(resolved, EXACT, null, settings.measure),
    };
  }
  if (settings.measure === 'behavioural') {
    const resolved = asFeatures(settings, settings.measure);
    const found = await behaviours(models, resolved);
    const info = resultInfo(resolved, EXACT, found.name, settings.measure);
    return { sources: found.sources, labels, settings: resolved, info, behaviours: found };
  }
  return planFunctions(models, labels, settings, settings.measure);
}

const EXACT = { method: 'exact', exact: true } as const;

/** Features ignore the measure of a job, and every backend takes them. */
function asFeatures(settings: Settings, measure: Measure): ResolvedSettings & GramSettings {
  if (settings.route !== 'auto') throw noChoice(settings.route, `the measure "${measure}" has`);
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
  const plan = planGram(models, route, law, resolved);
  const info = { ...resultInfo(resolved, route, name, measure), ...plan };
  return { sources: chainSources(models, route.chain, law, plan.route ?? undefined), labels, settings: resolved, info };
}

/** The route to the Gram matrix of models of one block: the cheapest, or the one that was asked for. */
function planGram(
  models: readonly Model[],
  { chain, method }: Route,
  law: WhitenedLaw,
  { route, dtype, threads, backend }: ResolvedSettings,
): { route: GramRoute | null; estimates: readonly RouteEstimate[] } {
  if (chain !== 'one-block') {
    if (route !== 'auto') throw noChoice(route, `the method "${method}" has for these models`);
    return { route: null, estimates: [] };
  }
  const columns = law.factor?.columns ?? models[0].inputShape[1];
  const chains = models.map(({ layers }) => chainShape(layers, columns, law.mean !== undefined));
  const plan = planRoute({ chains, dtype }, backend.machine(dtype, threads));
  return route === 'auto' ? plan : { ...plan, route };
}

function noChoice(route: GramRoute, where: string): TensimError {
  return new TensimError('INVALID_ARGUMENT', `the route "${route}" was asked for, and ${where} one way only`, {
    hint: 'Routes are for the measures "gaussian" and "tensor" on models of at most one bilinear block',
  });
}

/** How a result was obtained; `input` is the name of the law or of the inputs, null where there are none. */
function resultInfo(
  { backend, dtype }: GramSettings,
  { method, exact }: Pick<Route, 'method' | 'exact'>,
  input: string | null,
  measure: Measure,
): ResultInfo {
  return {
    measure,
    method,
    exact,
    route: null,
    estimates: [],
    standardError: null,
    input,
    dtype,
    backend: backend.name,
  };
}
