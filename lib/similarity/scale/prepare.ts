import type { BackendWith } from '../../backend/backend.js';
import type { Control } from '../../backend/control.js';
import type { ChainSource, GramJob, Grams, PreparedModel } from '../../backend/grams.js';
import { Pacer } from '../../cooperate.js';
import { blocksOf, isBlock } from '../../layers/layer.js';
import { levelOf } from '../../tensor/power.js';
import type { DType } from '../../tensor/tensor.js';
import type { Chain } from './balance.js';
import { type ModelScale, PLAIN } from './model_scale.js';
import { chainSource, type ScaleSettings, type SourceInUnits, WINDOW } from './source.js';

/** A model in the units of `scale`. */
export interface Prepared {
  readonly model: PreparedModel;
  readonly scale: ModelScale;
}

interface PrepareSettings extends ScaleSettings, Pick<Control, 'signal' | 'threads'> {
  readonly backend: BackendWith<'grams'>;
  readonly measure: GramJob['measure'];
}

/** Chains of fewer blocks cannot be far from what is estimated of them. */
const DEEP = 3;
/** How far, in bits, the norm of a deep chain may be from the estimate, which is then good enough all the way. */
const CLOSE = 16;

/**
 * Prepares models, and makes sure of their units. Those come from estimates of how large numbers are behind every
 * layer, whose errors double at every block: where the norm shows that they are far off, the levels are measured
 * instead.
 */
export async function prepareInUnits(
  sources: readonly SourceInUnits[],
  settings: PrepareSettings,
): Promise<Prepared[]> {
  const { backend, dtype, signal, threads } = settings;
  const models = await prepareAll(backend.grams, sources, dtype, { signal, threads });
  const prepared: Prepared[] = models.map((model, i) => ({ model, scale: sources[i].scale ?? PLAIN }));
  try {
    for (const [i, source] of sources.entries()) {
      if (!isDeep(source) || (await isClose(prepared[i], settings))) continue;
      const pacer = new Pacer(signal);
      const measured = await measuredLevels(source, settings, pacer);
      const better = await chainSource(source.chain, source, settings, pacer, measured);
      const model = await backend.grams.prepare(better, dtype, { signal, threads });
      prepared[i].model.dispose();
      prepared[i] = { model, scale: better.scale ?? PLAIN };
    }
  } catch (error) {
    for (const { model } of prepared) model.dispose();
    throw error;
  }
  return prepared;
}

/**
 * The same of chains as they are, by a backend that sees for itself which of them need units.
 * @param inUnits makes what is prepared of those.
 */
export async function prepareAsTheyAre(
  sources: readonly ChainSource[],
  inUnits: (source: ChainSource) => Promise<SourceInUnits>,
  settings: PrepareSettings,
): Promise<Prepared[]> {
  const { backend, dtype, signal, threads } = settings;
  const found = await backend.grams.prepareCalm!(sources, WINDOW[dtype], dtype, { signal, threads });
  const calm = found.map(
    (one) => one && { model: one.model, scale: { ...PLAIN, level: one.level, sliceLevels: one.sliceLevels } },
  );
  if (!found.includes(null)) return calm as Prepared[];
  try {
    const others: SourceInUnits[] = [];
    for (const [i, source] of sources.entries()) {
      if (found[i] === null) others.push(await inUnits(source));
    }
    const rest = (await prepareInUnits(others, settings)).values();
    return calm.map((one) => one ?? rest.next().value!);
  } catch (error) {
    for (const one of calm) one?.model.dispose();
    throw error;
  }
}

type DeepSource = SourceInUnits & ChainSource & { readonly chain: Chain };

function isDeep(source: SourceInUnits): source is DeepSource {
  if (source.kind !== 'chain' || source.chain === undefined || source.method === 'one-block') return false;
  return blocksOf(source.layers).length >= DEEP;
}

async function isClose(prepared: Prepared, settings: PrepareSettings): Promise<boolean> {
  const { level } = prepared.scale;
  return level === Number.NEGATIVE_INFINITY || Math.abs((await normLevel(prepared, settings)) - level!) <= CLOSE;
}

/** log₂ ‖f̂‖; not finite where that is zero or out of range. */
export async function normLevel({ model }: Prepared, settings: PrepareSettings): Promise<number> {
  const { backend, measure, signal, threads } = settings;
  const job = { measure, symmetric: true, perOutput: false };
  const { total } = await backend.grams.tile(job, [model], [model], { signal, threads });
  return levelOf(total[0]);
}

/**
 * The levels behind every block but the last: norms of the chain up to there, in float64, each in units that the ones
 * before it gave.
 */
async function measuredLevels(
  { chain, method }: DeepSource,
  settings: PrepareSettings,
  pacer: Pacer,
): Promise<ReadonlyMap<number, number>> {
  const { backend, signal, threads } = settings;
  const measured = new Map<number, number>();
  const last = chain.layers.findLastIndex(isBlock);
  for (const [i, layer] of chain.layers.slice(0, last).entries()) {
    if (!isBlock(layer)) continue;
    const start = { ...chain, layers: chain.layers.slice(0, i + 1) };
    const own = await chainSource(start, { method }, { dtype: 'float64', perOutput: false }, pacer, measured);
    const model = await backend.grams.prepare(own, 'float64', { signal, threads });
    try {
      const scale = own.scale ?? PLAIN;
      measured.set(i, scale.exponent + (await normLevel({ model, scale }, settings)));
    } finally {
      model.dispose();
    }
  }
  return measured;
}

function prepareAll(
  grams: Grams,
  sources: readonly SourceInUnits[],
  dtype: DType,
  control: Control,
): Promise<PreparedModel[]> {
  return (
    grams.prepareAll?.(sources, dtype, control) ??
    allPrepared(sources.map((source) => grams.prepare(source, dtype, control)))
  );
}

/** All of them, or none: where one fails, the others are disposed of. */
async function allPrepared(preparing: readonly Promise<PreparedModel>[]): Promise<PreparedModel[]> {
  const outcomes = await Promise.allSettled(preparing);
  const failed = outcomes.find(({ status }) => status === 'rejected');
  const models = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  if (failed === undefined) return models;
  for (const model of models) model.dispose();
  throw (failed as PromiseRejectedResult).reason;
}
