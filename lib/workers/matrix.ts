import { TensimError } from '../errors.js';
import type { Executors, TileWork, Watched } from '../similarity/circumstances.js';
import { slicesIn } from '../similarity/gram/degrees.js';
import { writeSetting } from '../similarity/jobs/setting.js';
import { type ModelList, matrixBy } from '../similarity/matrix.js';
import type { Member } from '../similarity/members/members.js';
import type { Comparison, OfSamples } from '../similarity/plan/comparison.js';
import { chainWork, vectorWork } from '../similarity/plan/work.js';
import type { CrossSimilarity, SimilarityMatrix } from '../similarity/terms/types.js';
import { steadily } from '../tensor/steady.js';
import { valueText } from '../words/quoting.js';
import { addressOf } from './address.js';
import { writeRun } from './jobs.js';
import { MIXED, numericsOf, queueOf } from './names.js';
import { QueueExecutor } from './producer.js';
import type { Computed } from './records.js';
import type { WorkersOptions } from './terms.js';

/** Who has computed a matrix. */
export interface ByWorkers {
  /** Every worker that has computed tiles of it. */
  readonly workers: readonly WorkerShare[];
}

/** What a worker has done of a matrix. */
export interface WorkerShare {
  /** As in `WorkerState`. */
  readonly name: string;
  /** Its backend and the instructions that this takes. */
  readonly numerics: string;
  /** How many it has computed. */
  readonly tiles: number;
  /** For how long. */
  readonly seconds: number;
}

/**
 * `similarityMatrix` whose inner products are computed by other processes, on this machine or others: every one that
 * runs `runWorker` or `tensim worker` on the same queue. Models must be in files that all find under the same paths, or
 * on the Hugging Face Hub. The result is, to the bit, that of `similarityMatrix`, whoever computes it and however often
 * one of them is killed; unless `mixed` allows otherwise. With `state`, what has come back is kept, and the same call
 * goes on from there if this process ends.
 *
 *     const result = await matrixByWorkers('checkpoints/', { queue: 'redis://10.0.0.5:6379/0', state: 'run.state' });
 *
 * Sampled comparisons, and those of the measure `behavioural`, are not computed by workers.
 *
 * @throws TensimError (rejects) as `similarityMatrix`; `INVALID_ARGUMENT` for models in memory, and for comparisons that
 * workers do not compute; `QUEUE_UNAVAILABLE`; `WORKER_FAILED` naming the models.
 */
export function matrixByWorkers(
  models: ModelList,
  options: WorkersOptions,
): Promise<(SimilarityMatrix | CrossSimilarity) & ByWorkers> {
  return matrixByWorkersUnder({}, models, options);
}

/** The same for one who wants to see it fill. */
export async function matrixByWorkersUnder(
  circumstances: Watched,
  models: ModelList,
  options: WorkersOptions,
): Promise<(SimilarityMatrix | CrossSimilarity) & ByWorkers> {
  const { queue, mixed = false, results, tileSeconds, onWorkers, ...others } = options;
  const address = addressOf(queue);
  if (tileSeconds !== undefined && !(typeof tileSeconds === 'number' && tileSeconds > 0))
    throw new TensimError('INVALID_ARGUMENT', `the option "tileSeconds" is ${valueText(tileSeconds)}`, {
      hint: 'It must be a positive number of seconds',
    });
  if (mixed && others.state !== undefined)
    throw new TensimError('INVALID_ARGUMENT', 'the options "mixed" and "state" exclude each other', {
      hint: 'What a state file keeps has the same bits whoever computes it',
    });
  if (others.tf32 === true)
    throw new TensimError('INVALID_ARGUMENT', 'the option "tf32" is not for workers', {
      hint: 'What they compute in float32 is as exact as float32',
    });
  const shares = new Map<string, WorkerShare>();
  const onComputed = ({ worker, numerics, seconds }: Computed) => {
    const before = shares.get(worker) ?? { name: worker, numerics, tiles: 0, seconds: 0 };
    shares.set(worker, { ...before, tiles: before.tiles + 1, seconds: before.seconds + seconds });
  };
  const executors: Executors = {
    tiles(members, comparison, work) {
      const { settings, info, names } = comparison;
      const numerics = numericsOf(info.backend, settings.backend.grams.arithmetic);
      const slices = slicesIn(names, settings.perOutput, settings.degrees);
      return new QueueExecutor({
        address,
        queue: mixed ? MIXED : queueOf(numerics),
        wanted: mixed ? 'any backend' : numerics,
        members,
        run: async () => writeRun(await writeSetting(comparison), members, mixed),
        slices,
        sizes: async () => ({
          pairs: work.pairs,
          secondsOfPair: await secondsOfPair(members, comparison, work),
          slices,
          hasFolder: results !== undefined,
          tileSeconds,
        }),
        results,
        signal: settings.signal,
        onWorkers,
        onComputed,
      });
    },
    samples() {
      throw new TensimError('INVALID_ARGUMENT', 'a sampled comparison is not computed by workers', {
        hint: 'Leave the queue away, or compare by the method "exact" or "closure"',
      });
    },
  };
  const result = await steadily([models, others], () => matrixBy({ ...executors, ...circumstances }, models, others));
  const kinds = [...new Set([...shares.values()].map(({ numerics }) => numerics))].sort();
  return Object.assign(result, { workers: [...shares.values()], ...(kinds.length > 1 && { mixed: kinds }) });
}

/** What a pair is expected to take here. */
async function secondsOfPair(
  members: readonly Member[],
  comparison: Exclude<Comparison, OfSamples>,
  { pairs, flops }: TileWork,
): Promise<number> {
  const { dtype, threads, backend } = comparison.settings;
  const { flopsPerSecond, pace } = await backend.grams.machine(dtype, threads);
  const compared = { models: members.map(({ outline }) => outline), pairs, dtype, threads };
  const all = () =>
    comparison.kind === 'chains' ? chainWork(compared, comparison.method, comparison.law) : vectorWork(compared);
  return Math.max(LEAST_FLOPS, flops ?? all().flops / pairs) / (flopsPerSecond * pace);
}

/** Of any pair. */
const LEAST_FLOPS = 1;
