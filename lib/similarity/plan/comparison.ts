import { totalmem } from 'node:os';
import type { ChainMethod, GramRoute } from '../../backend/grams.js';
import { kindsOf, productKindsOf, type Task } from '../../backend/task.js';
import type { Work } from '../../backend/work.js';
import { TensimError } from '../../errors.js';
import { takeBackend } from '../../machines/select.js';
import type { Outline } from '../../model/reading/outline.js';
import { bytesIn } from '../../words/bytes.js';
import type { Behaviours } from '../behaviour/behavioural.js';
import type { GramSettings } from '../gram/control.js';
import { chainSources, outputNames, type Sources, weightSources } from '../gram/sources.js';
import { digestOfName } from '../law/input_digest.js';
import { type NamedLaw, whiten } from '../law/law.js';
import type { LawOfInputs } from '../law/onehot.js';
import type { Member } from '../members/members.js';
import type { SampledGram, SampledLaw } from '../sampled/sampled.js';
import type { SampleSettings } from '../sampled/settings.js';
import { settingOf } from '../state/setting.js';
import type { ResolvedSettings, Settings } from '../terms/options.js';
import type { Measure, ResultInfo, RouteEstimate } from '../terms/types.js';
import { planRoute, type RouteJob } from './gram_route.js';
import { longJob } from './long_job.js';
import { chooseMethod, type ExactMethod, type MethodChoice } from './method.js';
import type { Choice } from './weigh.js';
import { chainWork, sampleWork, shapeUnder, vectorWork } from './work.js';

/**
 * A comparison ready to be computed: everything checked; nothing multiplied yet but by the forward pass of
 * `behavioural`. Its kind tells what is multiplied.
 */
export type Comparison = OfChains | OfWeights | OfBehaviours | OfSamples;

interface Planned {
  readonly settings: ResolvedSettings & GramSettings;
  readonly info: ResultInfo;
  /** Of the slices. */
  readonly names: readonly string[];
}

/** Chains under an input law, multiplied exactly or by the closure. */
export interface OfChains extends Planned {
  readonly kind: 'chains';
  readonly sources: Sources;
  readonly method: ChainMethod;
  readonly law: LawOfInputs;
  /** What the inner products depend on beside the two models and the route, as JSON. */
  readonly setting: string;
}

/** Parameters as vectors. */
export interface OfWeights extends Planned {
  readonly kind: 'weights';
  readonly sources: Sources;
  /** As that of chains. */
  readonly setting: string;
}

/** Outputs on given inputs as vectors; no state is kept of their inner products. */
export interface OfBehaviours extends Planned {
  readonly kind: 'behaviours';
  readonly sources: Sources;
  readonly behaviours: Behaviours;
}

/** Outputs on inputs that are drawn from a law. */
export interface OfSamples extends Planned {
  readonly kind: 'samples';
  /** Whose backend draws and evaluates as well. */
  readonly settings: Planned['settings'] & Pick<SampleSettings, 'backend'>;
  readonly law: SampledLaw;
  /** Where `auto` could have taken the exact method: that comparison, for samples that do not reach the tolerance. */
  readonly instead?: (() => Promise<Comparison>) | undefined;
}

/** What the choice of a route depends on beside the models. */
export type Extent = Pick<RouteJob, 'pairs' | 'memoryLimit'> & {
  /** Bytes that this process could have before it read any weights. Default: that it can have now. */
  readonly freeMemory?: number | undefined;
  /** Bytes that this process could have if nothing else ran. Default: those of the machine or its container. */
  readonly totalMemory?: number | undefined;
  /** Whether inner products are to be kept, as samples cannot be: what is exact is computed exactly then. */
  readonly keeps?: boolean | undefined;
  /** Seconds of one thread that exact comparisons may take before `auto` weighs them. Default: as `longJob`. */
  readonly patience?: number | undefined;
};

/**
 * Checks models, and decides what is compared and how: `gaussian` and `tensor` the chains under the input law, by the
 * method that fits them; `weights` the parameters and `behavioural` the outputs on given inputs as plain vectors.
 * @throws TensimError as `checkComparable`, `chooseMethod`, `whiten`, `weightSources`, `behaviours` and `selectBackend`
 * do.
 */
export async function planComparison(
  members: readonly Member[],
  settings: Settings,
  extent: Extent = {},
): Promise<Comparison> {
  const { dtype, tf32 } = settings;
  const models = members.map(({ outline }) => outline);
  if (settings.measure === 'weights' || settings.measure === 'behavioural')
    checkNoDegrees(settings, `the measure "${settings.measure}" knows none`);
  if (settings.measure === 'weights') {
    checkNoRoute(settings.route, `the measure "${settings.measure}" has`);
    const work = () => vectorWork({ models, pairs: extent.pairs, ...settings });
    const resolved = await resolve(settings, 'gaussian', { grams: { dtype, tf32 } }, work);
    const sources = weightSources(models, settings);
    const info = resultInfo(resolved, EXACT, null, settings.measure);
    const { names } = sources;
    const setting = settingOf(info, settings, names, resolved.backend.grams);
    return { kind: 'weights', sources, names, settings: resolved, info, setting };
  }
  if (settings.measure === 'behavioural') {
    checkNoRoute(settings.route, `the measure "${settings.measure}" has`);
    const forward = { kinds: kindsOf(models), dtype: 'float64' } as const;
    const task = { forward, grams: { dtype, tf32 }, contractions: { dtype: 'float64' } } as const;
    const resolved = await resolve(settings, 'gaussian', task);
    const { behaviours } = await import('../behaviour/behavioural.js');
    const found = await behaviours(members, resolved);
    const info = resultInfo(resolved, EXACT, found, settings.measure);
    const { sources } = found;
    return { kind: 'behaviours', sources, names: sources.names, settings: resolved, info, behaviours: found };
  }
  return planFunctions(members, settings, settings.measure, extent);
}

/** What was planned; or where samples have missed the tolerance and the exact method was left for them, that one. */
export async function settledOn(planned: Comparison, { sampling }: Pick<SampledGram, 'sampling'>): Promise<Comparison> {
  if (planned.kind !== 'samples' || planned.instead === undefined || sampling.reached) return planned;
  const exact = await planned.instead();
  return { ...exact, info: { ...exact.info, weighed: planned.info.weighed } };
}

const EXACT = { method: 'exact', exact: true } as const;

/** The settings with the backend that takes the task, and those that were asked before it. */
async function resolve<
  Measured extends GramSettings['measure'],
  const Wanted extends Task & { readonly grams: object },
>(settings: Settings, measure: Measured, task: Wanted, work?: () => Work) {
  return { ...settings, measure, ...(await takeBackend(settings.backend, task, settings.signal, work)) };
}

async function planFunctions(
  members: readonly Member[],
  settings: Settings,
  measure: 'gaussian' | 'tensor',
  extent: Extent,
): Promise<Comparison> {
  const models = members.map(({ outline }) => outline);
  const { method, input, dtype, tf32, signal } = settings;
  const route = chooseMethod(models, measure, method, input);
  if (input === 'tokens')
    return planSampling(models, settings, { name: input, digest: digestOfName(input)!, law: input });
  const named = await whiten(input, models[0].inputShape[1], signal);
  if (route.chain === null) return planSampling(models, settings, named);
  const { law } = named;
  const known = measure === 'gaussian' && DEGREE_METHODS.has(route.chain);
  if (!known) checkNoDegrees(settings, `the method "${route.method}" knows none of these models`);
  const degrees = settings.degrees === true;
  const grams = { method: route.chain, kinds: productKindsOf(models), dtype, tf32, degrees };
  const work = () => chainWork({ models, pairs: extent.pairs, ...settings }, route.chain, law);
  const resolved = await resolve(settings, measure, { grams }, work);
  const isOpen = method === 'auto' && settings.route === 'auto' && !degrees && extent.keeps !== true;
  const long = isOpen && route.chain === 'hidden' ? await longJob(members, law, resolved, extent) : null;
  // All of sampling comes with it, which most comparisons have no use for.
  const choice =
    long && (await (await import('./weigh.js')).choiceFor(long, members, law, resolved, extent.memoryLimit));
  if (choice?.sampled) {
    const instead = () => planFunctions(members, { ...settings, method: 'exact' }, measure, extent);
    const own = { ...settings, maxSamples: choice.maxSamples };
    return { ...(await planSampling(models, own, named, choice)), instead };
  }
  const plan = await planGram(models, route, law, resolved, extent);
  const info = { ...resultInfo(resolved, route, named, measure), ...plan, ...weighedOf(choice) };
  const sources = chainSources(models, route.chain, law, plan.route ?? undefined, settings);
  const { names } = sources;
  const setting = settingOf(info, settings, names, resolved.backend.grams, route.chain, law);
  return { kind: 'chains', sources, names, settings: resolved, info, setting, method: route.chain, law };
}

async function planSampling(
  models: readonly Outline[],
  settings: Settings,
  named: Input & { readonly law: SampledLaw },
  choice: Choice | null = null,
): Promise<OfSamples> {
  checkNoRoute(settings.route, 'the method "sampled" has');
  checkNoDegrees(settings, 'the method "sampled" knows none');
  const { dtype, tf32 } = settings;
  const forward = { kinds: kindsOf(models), dtype, tf32 };
  const task = { normals: {}, forward, grams: { dtype: 'float64' } } as const;
  const work = () => sampleWork({ models, ...settings }, named.law, settings.maxSamples);
  const resolved = await resolve(settings, 'gaussian', task, work);
  return {
    kind: 'samples',
    names: outputNames(models[0]),
    settings: resolved,
    info: { ...resultInfo(resolved, { method: 'sampled', exact: false }, named, 'gaussian'), ...weighedOf(choice) },
    law: named.law,
  };
}

const weighedOf = (choice: Choice | null) => choice && { weighed: choice.weighed };

/** The route to the Gram matrix of models of one block: the cheapest, or the one that was asked for. */
async function planGram(
  models: readonly Outline[],
  { chain, method }: ExactMethod,
  law: LawOfInputs,
  { route, dtype, threads, backend }: ResolvedSettings,
  { freeMemory = process.availableMemory(), totalMemory = memoryOfMachine(), ...extent }: Extent,
): Promise<{ route: GramRoute | null; estimates: readonly RouteEstimate[] }> {
  if (chain !== 'one-block') {
    checkNoRoute(route, `the method "${method}" has for these models`);
    return { route: null, estimates: [] };
  }
  const { routes, once } = backend.grams;
  if (route !== 'auto' && !routes.has(route)) {
    throw new TensimError('BACKEND_UNAVAILABLE', `the backend "${backend.name}" does not know the route "${route}"`, {
      hint: `It knows ${[...routes.keys()].join(' and ')}`,
    });
  }
  const chains = models.map((model) => shapeUnder(model, law));
  const machine = await backend.grams.machine(dtype, threads);
  const { total, free } = machine.memory ?? { total: totalMemory, free: freeMemory };
  const planned = (memory: number) => planRoute({ chains, dtype, memory, ...extent }, { ...machine, routes, once });
  const plan = planned(total / 2);
  const of = (wanted: GramRoute) => plan.estimates.find((estimate) => estimate.route === wanted)?.memory ?? 0;
  // By what the machine has, not by what is free at the moment, which is never twice the same; but for what would not
  // fit beside what else runs.
  if (route === 'auto') {
    const needed = Math.min(of(plan.route), extent.memoryLimit ?? Number.POSITIVE_INFINITY);
    return needed <= free ? plan : planned(free / 2);
  }
  const each = of(route) / models.length;
  if (each > free) {
    const message = `a model takes ${bytesIn('GiB', each)} GiB by the route "${route}", more than there is`;
    throw new TensimError('MEMORY_LIMIT', message, { hint: 'The route "auto" takes one that fits' });
  }
  return { ...plan, route };
}

/** Bytes of memory that the machine has, or lets this process have. */
function memoryOfMachine(): number {
  // 0, or more than there is, where nothing is constrained.
  const constrained = process.constrainedMemory?.() ?? 0;
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
}

/** Where there is one way only, none may be asked for. */
function checkNoRoute(route: Settings['route'], where: string): void {
  if (route === 'auto') return;
  throw new TensimError('INVALID_ARGUMENT', `the route "${route}" was asked for, and ${where} one way only`, {
    hint: 'Routes are for the measures "gaussian" and "tensor" on models of at most one bilinear block',
  });
}

/** The methods that tell what every degree contributes. */
const DEGREE_METHODS: ReadonlySet<ChainMethod> = new Set(['one-block', 'hidden']);

/** Where no degrees are known, none may be asked for. */
function checkNoDegrees({ degrees }: Pick<Settings, 'degrees'>, why: string): void {
  if (degrees !== true) return;
  throw new TensimError('INVALID_ARGUMENT', `degrees were asked for, and ${why}`, {
    hint: 'They are known of exact comparisons under the measure "gaussian" of models of at most one block',
  });
}

/** An input law, or inputs, as results tell them. */
type Input = Pick<NamedLaw, 'name' | 'digest'>;

/** How a result was obtained; `input` is null where there are no inputs. */
function resultInfo(
  { backend, dtype, passedOver }: GramSettings & Required<Pick<ResultInfo, 'passedOver'>>,
  { method, exact }: Pick<MethodChoice, 'method' | 'exact'>,
  input: Input | null,
  measure: Measure,
): ResultInfo {
  return {
    measure,
    method,
    exact,
    route: null,
    estimates: [],
    standardError: null,
    sampling: null,
    input: input === null ? null : input.name,
    ...(input && { inputDigest: input.digest }),
    dtype,
    ...(backend.tf32 && { tf32: true as const }),
    backend: backend.name,
    ...(passedOver?.length && { passedOver }),
  };
}
