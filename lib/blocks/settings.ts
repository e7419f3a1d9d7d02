import { TensimError } from '../errors.js';
import { chooseBackend } from '../machines/at_once.js';
import { settle } from '../similarity/terms/options.js';
import { listed } from '../words/names.js';
import { quote, valueText } from '../words/quoting.js';
import { type MlpBackend, weighMlps } from './backends.js';
import type { BlockSettled } from './compare.js';
import { chooseMethods, type MlpMethod, type MlpRates } from './mlps/choose.js';
import { type MlpShape, mlpShape } from './mlps/source.js';
import type { BlockFile } from './open.js';
import type { Alignment, BlockOptions } from './terms.js';

/** Offsets between queries and keys, where nothing else is asked for. */
const WINDOW = 64;
const MOST_WINDOW = 1 << 20;
/** A tolerance that takes more inputs is finer than the law is right. */
const MAX_SAMPLES = 8192;

/** From the least that is taken out to the most. */
export const ALIGNMENTS: readonly Alignment[] = ['none', 'heads', 'units', 'rotation'];
const METHODS = ['auto', 'exact', 'sampled'] as const;

/** Options with their defaults, before the networks are known. */
export interface GivenSettings extends Omit<BlockSettled, 'methodOf' | 'laws' | 'views'> {
  readonly method: (typeof METHODS)[number];
}

/** @throws TensimError `INVALID_ARGUMENT` */
export function settleBlocks(options: BlockOptions): GivenSettings {
  const { align = 'heads', window = WINDOW, method = 'auto', maxSamples = MAX_SAMPLES } = options;
  if (!ALIGNMENTS.includes(align))
    throw new TensimError(
      'INVALID_ARGUMENT',
      `align must be ${listed(ALIGNMENTS.map(quote), 'or')}, not ${valueText(align)}`,
    );
  if (!Number.isSafeInteger(window) || window < 1 || window > MOST_WINDOW)
    throw new TensimError('INVALID_ARGUMENT', `window must be a whole number from 1 to ${MOST_WINDOW}`);
  if (!METHODS.includes(method))
    throw new TensimError('INVALID_ARGUMENT', `method must be "auto", "exact" or "sampled", not ${valueText(method)}`);
  const { backend, threads, seed, tolerance, signal } = options;
  const { seed: ownSeed, tolerance: ownTolerance } = settle({ threads, seed, tolerance, maxSamples });
  return { align, window, method, backend, threads, signal, seed: ownSeed, tolerance: ownTolerance, maxSamples };
}

/** Rates of one thread of the machine that would multiply. */
export async function ratesFor({ backend }: Pick<GivenSettings, 'backend'>): Promise<MlpRates> {
  const { grams } = chooseBackend(backend, { grams: { dtype: 'float64' } });
  const [double, single] = [await grams.machine('float64', 1), await grams.machine('float32', 1)];
  return { float64: double.flopsPerSecond, float32: single.flopsPerSecond };
}

/** The MLPs of every layer of networks of one shape; none where one of them has none. */
export function shapesOf(files: readonly BlockFile[]): MlpShape[][] {
  return files[0].network.layers.map((_, at) => {
    const found = files.map((file) => mlpShape(file, file.network.layers[at]));
    return found.every((shape) => shape !== undefined) ? found : [];
  });
}

/** How the MLPs of every layer are compared, by the numbers of the first network's layers, and by whom. */
export type PlanMlps = (
  files: readonly BlockFile[],
  given: GivenSettings,
) => Promise<{ methods: ReadonlyMap<number, MlpMethod>; chosen: readonly MlpBackend[]; given: GivenSettings }>;

/** For parts, which must not depend on the machine that they are computed on: no backend is weighed against another. */
export const unweighedMlps: PlanMlps = async (files, given) => ({
  methods: await methodsFor(files, given),
  chosen: [],
  given,
});

/** For one run. */
export const plannedMlps: PlanMlps = async (files, given) => {
  const methods = await methodsFor(files, given);
  const { layers } = files[0].network;
  const mlps = shapesOf(files).map((shapes, at) => [shapes, methods.get(layers[at].number)!] as const);
  const chosen = await weighMlps(mlps, given);
  // What the others would be chosen as is left as it is given.
  const others = chosen.filter(({ backend }) => backend === 'cuda').map(({ method, backend }) => [method, backend]);
  if (others.length === 0) return { methods, chosen, given };
  return { methods, chosen, given: { ...given, mlpBackends: Object.fromEntries(others) } };
};

/** How the MLPs of every layer are compared, by the numbers of the first network's layers. */
export async function methodsFor(
  files: readonly BlockFile[],
  given: GivenSettings,
): Promise<ReadonlyMap<number, MlpMethod>> {
  const methods = chooseMethods(shapesOf(files), given.method, await ratesFor(given));
  return new Map(files[0].network.layers.map(({ number }, at) => [number, methods[at]]));
}
