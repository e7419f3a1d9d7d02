import { inTurn } from '../gram/in_turn.js';
import type { BatchSums, SampleBatch, SampleExecutor } from './batch.js';
import { type DrawsSpec, inputsPerSample } from './draws.js';
import type { EnsembleShape } from './ensemble.js';
import { GROUPS } from './jackknife.js';
import { PERIOD } from './proposal.js';
import { controlOf, type SampleSettings } from './settings.js';
import type { Surrogates, Variates } from './surrogate.js';

/** Samples at a time: enough to occupy every thread. */
export const MOST_AT_ONCE = 2048;
/** Bytes that the inputs of one batch, and the outputs of all models on it, may take. */
const BATCH_BYTES = 2 ** 27;

/** Samples that belong together: plain data, which says every one of its batches. */
export interface Stage {
  readonly draws: DrawsSpec;
  /** Inputs, about: the same number in every group. */
  readonly inputs: number;
  /** Samples of a batch at most, whole periods. */
  readonly most: number;
  /** Whether products of watched pairs are wanted beside the squares of the models. */
  readonly watched: boolean;
  /** What stands in for the models as control variates; null: nothing. */
  readonly surrogates: Surrogates | null;
}

/** What says how a stage is cut into batches. */
type CutStage = Pick<Stage, 'inputs' | 'most'> & { readonly draws: Parameters<typeof inputsPerSample>[0] };

/** Samples of every group. */
function samplesPerGroup({ draws, inputs }: CutStage): number {
  return PERIOD * Math.max(1, Math.floor(inputs / (PERIOD * GROUPS * inputsPerSample(draws))));
}

/** Batches of every group. */
export const batchesPerGroup = (stage: CutStage): number => Math.ceil(samplesPerGroup(stage) / stage.most);

/** Inputs of the first batches of a group. */
export const inputsOfBatches = (stage: CutStage, batches: number): number =>
  Math.min(batches * stage.most, samplesPerGroup(stage)) * inputsPerSample(stage.draws);

/** Inputs that a stage takes in all. */
export const inputsOf = (stage: CutStage): number => GROUPS * samplesPerGroup(stage) * inputsPerSample(stage.draws);

/** The batches of a stage, in the order in which they are added up; of one group where that is said. */
export function* batchesOf(stage: Stage, only?: number): Generator<SampleBatch, undefined> {
  const { draws, most, watched, surrogates } = stage;
  let left = samplesPerGroup(stage);
  for (let first = 0; left > 0; ) {
    const samples = Math.min(most, left);
    for (let group = 0; group < GROUPS; group++, first += samples) {
      if (only === undefined || only === group) yield { draws, first, samples, group, watched, surrogates };
    }
    left -= samples;
  }
}

/** A stage in batches as they suit who evaluates them. */
export function stageOf(
  ensemble: EnsembleShape,
  executor: SampleExecutor,
  draws: DrawsSpec,
  inputs: number,
  variates: Variates | null,
  watched: boolean,
): Stage {
  const { count, inputSize, positions, outputs } = ensemble;
  const functions = variates === null ? count : 2 * count;
  const bytes = 8 * Math.max(inputSize, 2 * functions * positions * outputs);
  const atOnce = Math.min(MOST_AT_ONCE, (executor.batchBytes?.(draws) ?? BATCH_BYTES) / bytes);
  const most = PERIOD * Math.max(1, Math.floor(atOnce / PERIOD));
  return { draws, inputs, most, watched, surrogates: variates?.surrogates ?? null };
}

/** Has batches evaluated, some at a time, and hands their sums over in order. */
export async function evaluateBatches(
  batches: Iterator<SampleBatch>,
  executor: SampleExecutor,
  settings: Pick<SampleSettings, 'signal' | 'threads'>,
  add: (batch: SampleBatch, sums: BatchSums) => Promise<void>,
): Promise<void> {
  const control = controlOf(settings);
  const done = inTurn<SampleBatch, BatchSums>({
    next: () => batches.next().value ?? undefined,
    start: (batch) => executor.run(batch, control),
    atOnce: () => executor.atOnce,
    // What a batch adds is read from its outputs: one more would have to lie beside them.
    meanwhile: () => executor.atOnce - 1,
  });
  for await (const { job, result } of done) await add(job, result);
}
