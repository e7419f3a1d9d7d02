import type { BackendName } from '../../backend/backend.js';
import type { Control } from '../../backend/control.js';
import { kindsOf, productKindsOf } from '../../backend/task.js';
import { Pacer } from '../../cooperate.js';
import { selectBackend } from '../../machines/select.js';
import type { Outline } from '../../model/reading/outline.js';
import type { GramSettings } from '../gram/control.js';
import { LocalExecutor } from '../gram/local.js';
import { chainSources, checkComparable, namedWeights, type Sources } from '../gram/sources.js';
import type { LawOfInputs } from '../law/onehot.js';
import type { Member } from '../members/members.js';
import { openSite } from '../sampled/sampled.js';
import { LocalSampler } from '../sampled/sampler.js';
import { keptLayers, type Surrogates, widthBehind } from '../sampled/surrogate.js';
import { wrong } from './fields.js';
import { type ModelFile, openModel } from './models.js';
import { readSampleJob, type SampleResult, writeSums } from './samples.js';
import { type ChainSetting, checkArithmetic, checkLaw, type WeightSetting } from './setting.js';
import { readTileJob, type TileResult, writeTile } from './tile.js';

/** How a job is steered in the process that runs it: its result does not depend on it. */
export type RunOptions = Omit<Control, 'onProgress'>;

/**
 * Runs a job from its JSON alone: reads the models by their paths, makes sure that they are the ones meant, and
 * computes. The result is plain JSON, and has the bits that it has in any process.
 *
 *     process.stdout.write(JSON.stringify(await runJob(JSON.parse(line))));
 *
 * @throws TensimError (rejects) `INVALID_ARGUMENT` for what is no job, or one of another version; `FILE_NOT_FOUND`, and
 * `INVALID_FILE` for a file that has changed since; `BACKEND_UNAVAILABLE`; as reading and comparing models; the
 * signal's reason.
 */
export async function runJob(job: unknown, options: RunOptions = {}): Promise<TileResult | SampleResult> {
  const isSamples = typeof job === 'object' && job !== null && 'draws' in job;
  return isSamples ? runSampleJob(job, options) : runTileJob(job, options);
}

async function runTileJob(value: unknown, { signal, threads }: RunOptions): Promise<TileResult> {
  const { setting, models, job } = await readTileJob(value, new Pacer(signal));
  const members = await openModels(models, signal);
  const settings = await settingsFor(setting, members, { signal, threads });
  const sources = sourcesOf(setting, members, settings);
  const executor = new LocalExecutor({ members, sources, memoryLimit: Number.POSITIVE_INFINITY }, settings);
  try {
    return await writeTile(await executor.run(job, { signal }), new Pacer(signal));
  } finally {
    await executor.close();
  }
}

/**
 * What computes jobs under a setting here.
 * @param own the backend to take instead of that of the setting, whose bits may be others.
 * @throws TensimError (rejects) `BACKEND_UNAVAILABLE`
 */
export async function settingsFor(
  setting: ChainSetting<LawOfInputs> | WeightSetting,
  members: readonly Member[],
  { signal, threads, own }: RunOptions & { readonly own?: BackendName | undefined },
): Promise<GramSettings> {
  const isWeights = setting.measure === 'weights';
  const { dtype, tf32 } = setting;
  const kinds = productKindsOf(members.map(({ outline }) => outline));
  const degrees = isWeights ? false : setting.degrees === true;
  const grams = isWeights ? { dtype, tf32 } : { method: setting.chain, kinds, dtype, tf32, degrees };
  const backend = await selectBackend(own ?? setting.backend, { grams }, signal);
  if (own === undefined) checkArithmetic(setting, backend.grams);
  return {
    ...{ backend, dtype, perOutput: setting.perOutput, degrees, threads, signal, onProgress: undefined },
    measure: isWeights ? 'gaussian' : setting.measure,
  };
}

/**
 * What models are prepared from under a setting.
 * @throws TensimError as `checkComparable`, `checkLaw` and `namedWeights`.
 */
export function sourcesOf(
  setting: ChainSetting<LawOfInputs> | WeightSetting,
  members: readonly Member[],
  settings: GramSettings,
): Sources {
  const outlines = members.map(({ outline }) => outline);
  if (setting.measure === 'weights') return namedWeights(outlines, setting.names, settings);
  const { measure, chain, law, route } = setting;
  checkComparable(outlines, measure);
  checkLaw(law, outlines[0].inputShape[1]);
  return chainSources(outlines, chain, law, route ?? undefined, settings);
}

async function runSampleJob(value: unknown, { signal, threads }: RunOptions): Promise<SampleResult> {
  const { setting, models, batch } = await readSampleJob(value, new Pacer(signal));
  const { dtype, tf32, perOutput, law } = setting;
  const members = await openModels(models, signal);
  const outlines = members.map(({ outline }) => outline);
  const forward = { kinds: kindsOf(outlines), dtype, tf32 };
  const task = { normals: {}, forward, grams: { dtype: 'float64' } } as const;
  const backend = await selectBackend(setting.backend, task, signal);
  checkArithmetic(setting, backend.grams);
  checkComparable(outlines, setting.measure);
  checkLaw(law, outlines[0].inputShape[1]);
  const site = await openSite(members, members, law, { backend, dtype, signal, threads });
  try {
    const { ensemble, whitening, drawsOf } = site;
    const own = batch(whitening?.dimension ?? 0);
    checkSurrogates(own.surrogates, outlines);
    const sums = await new LocalSampler(ensemble, drawsOf, { backend, perOutput }).run(own, { signal, threads });
    const slices = perOutput ? 1 + ensemble.outputs : 1;
    return await writeSums(sums, { models: members.length, slices, watched: own.watched }, new Pacer(signal));
  } finally {
    site.dispose();
  }
}

/** @throws TensimError `INVALID_ARGUMENT` for surrogates that are not of these models. */
export function checkSurrogates(surrogates: Surrogates | null, outlines: readonly Outline[]): void {
  for (const [m, surrogate] of surrogates?.of.entries() ?? []) {
    const { layers, outputShape } = outlines[m];
    const kept = keptLayers(layers);
    const fits =
      surrogate === null ||
      (surrogate === 'self'
        ? kept === 'self'
        : typeof kept === 'number' &&
          surrogate.bias.length === outputShape[1] &&
          surrogate.weight.length === outputShape[1] * widthBehind(layers, kept));
    if (!fits) throw wrong(`surrogates.of[${m}]`, 'that of the model');
  }
}

async function openModels(models: readonly ModelFile[], signal: AbortSignal | undefined): Promise<Member[]> {
  const members: Member[] = [];
  for (const model of models) members.push(await openModel(model, signal));
  return members;
}
