import type { BackendName } from '../backend/backend.js';
import type { Work } from '../backend/work.js';
import { dependsOnWork, type PassedOver, takeBackend } from '../machines/select.js';
import { exactFlops, type MlpMethod, ROUNDS, sampleFlops, sizeOfMlp } from './mlps/choose.js';
import { TASKS } from './mlps/compare.js';
import { preparations } from './mlps/exact.js';
import { FIRST_SAMPLES, unitsInPart } from './mlps/sampled.js';
import type { MlpShape } from './mlps/source.js';
import type { GivenSettings } from './settings.js';

/** Who compared MLPs in one of two ways, where there was a choice. */
export interface MlpBackend {
  /** How. */
  readonly method: 'exact' | 'sampled';
  /** Who. */
  readonly backend: BackendName;
  /** Who else is there, each with the reason why it was not taken. */
  readonly passedOver: readonly PassedOver[];
}

/** What results tell of it. */
export interface ByMlpBackends {
  /** Who compared MLPs, in each of the ways that occur; absent where there was no choice. */
  readonly mlpBackends?: readonly MlpBackend[] | undefined;
}

/**
 * Weighs who is to compare the MLPs of all layers, in each of the ways that occur: they are nearly all of the work, and
 * all layers go to one backend. Nothing where a backend is asked for by name, or there is no device. MLPs that are
 * compared as whole models are small, and left out.
 * @param layers of every layer the MLPs that are compared with each other, and how
 * @throws TensimError (rejects) as `takeBackend`
 */
export async function weighMlps(
  layers: readonly (readonly [shapes: readonly MlpShape[], method: MlpMethod])[],
  { backend, threads, signal }: Pick<GivenSettings, 'backend' | 'threads' | 'signal'>,
): Promise<MlpBackend[]> {
  if (!dependsOnWork(backend)) return [];
  const taken: MlpBackend[] = [];
  const weigh = async (method: MlpBackend['method'], own: MlpMethod, workOf: WorkOf) => {
    const all = layers.flatMap(([shapes, how]) => (how === own && shapes.length > 0 ? [shapes] : []));
    if (all.length === 0) return;
    const kinds = new Set(all.flat().map(({ gated }) => (gated ? 'gated' : 'hidden')));
    const work = () => ({ ...workOf(all), threads });
    const found = await takeBackend(backend, TASKS[method](kinds), signal, work);
    taken.push({ method, backend: found.backend.name, passedOver: found.passedOver });
  };
  await weigh('exact', 'parts', exactWork);
  await weigh('sampled', 'sampled', sampledWork);
  return taken;
}

type WorkOf = (layers: readonly (readonly MlpShape[])[]) => Work;

const SAMPLES = ROUNDS * FIRST_SAMPLES;

const sum = <Item>(items: readonly Item[], of: (item: Item) => number): number =>
  items.reduce((total, item) => total + of(item), 0);

/** Two MLPs in double precision, and what is packed of them. */
const exactWork: WorkOf = (layers) => ({
  ...{ kind: 'units', dtype: 'float64', hostFlops: 0 },
  flops: sum(layers, exactFlops),
  bytes: sum(layers, (shapes) => preparations(shapes) * 8 * sum(shapes, sizeOfMlp)),
  held: 2 * 2 * 8 * sizeOfMlp(layers[0][0]),
});

/** Weights go over in every round, and inputs and outputs for every part of the units. */
const sampledWork: WorkOf = (layers) => ({
  ...{ kind: 'samples', dtype: 'float32', hostFlops: 0 },
  flops: sum(layers, (shapes) => sampleFlops(shapes, SAMPLES)),
  bytes: sum(layers.flat(), (shape) => {
    const parts = Math.ceil(shape.units / unitsInPart(shape));
    return 4 * (sizeOfMlp(shape) * ROUNDS + 2 * parts * SAMPLES * shape.width);
  }),
  held: 2 * 2 * 4 * sizeOfMlp(layers[0][0]),
});
