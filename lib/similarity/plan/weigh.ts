import { kindsOf, refusal } from '../../backend/task.js';
import type { LawOfInputs } from '../law/onehot.js';
import type { Member } from '../members/members.js';
import { SUMS_BYTES } from '../sampled/estimate.js';
import { GroupSums } from '../sampled/jackknife.js';
import type { SampleSettings } from '../sampled/settings.js';
import { SIGN_SAMPLES } from '../sampled/signs.js';
import { DEVIATION_SAMPLES, FIRST_SAMPLES, PILOT_SAMPLES } from '../sampled/sizes.js';
import type { ResolvedSettings } from '../terms/options.js';
import type { Weighed } from '../terms/sampling.js';
import { exactFlops, type LongJob, sampleFlops, type WeighedJob } from './long_job.js';

/** What is exact, and has no chance to miss, may cost so many times what sampling does. */
const WORTH = 5;
/** Samples in parts of those that the deviation of a few asks for: planned, and at most. */
const MARGIN = 1.25;
const SPARE = 4;
/** Fewer, of which some fall far out, carry no norm that can be trusted. */
const FEWEST_SAMPLES = 2048;
/** Half the width of a 95 % interval in standard errors. */
const INTERVAL = 1.96;

/** What `auto` found: whether to sample, with so many samples at most. */
export interface Choice {
  readonly weighed: Weighed;
  readonly sampled: boolean;
  readonly maxSamples: number;
}

/**
 * Exact or sampled, from the work that each takes (MATH.md section 18): sampled where that is expected to reach the
 * tolerance for a small part of the work.
 * @param deviation σ₁, of what one input tells of a similarity.
 * @param flopsPerSecond of one thread of a machine of this class: the choice follows from it and the models alone.
 */
export function weigh(
  job: WeighedJob,
  deviation: number,
  { tolerance, maxSamples }: { readonly tolerance: number; readonly maxSamples: number },
  flopsPerSecond: number,
): Choice {
  const wanted = MARGIN * ((INTERVAL * deviation) / tolerance) ** 2;
  const most = Math.min(maxSamples, Math.max(FEWEST_SAMPLES, Math.ceil(SPARE * wanted)));
  const first = Math.min(FIRST_SAMPLES, most);
  const pilot = most >= PILOT_SAMPLES ? PILOT_SAMPLES : 0;
  const inputs = DEVIATION_SAMPLES + SIGN_SAMPLES + pilot + first + Math.max(first, Math.min(most, wanted));
  const exact = exactFlops(job);
  const samples = inputs * sampleFlops(job);
  const told = (flops: number) => Number((flops / flopsPerSecond).toPrecision(3));
  return {
    weighed: { exactSeconds: told(exact), sampledSeconds: told(samples), deviation: Number(deviation.toPrecision(3)) },
    sampled: wanted <= maxSamples && exact > WORTH * samples,
    maxSamples: most,
  };
}

/** Whether a long comparison is better sampled; null where the backend cannot run the models. */
export async function choiceFor(
  { job, flopsPerSecond }: LongJob,
  members: readonly Member[],
  law: LawOfInputs,
  settings: ResolvedSettings,
  memoryLimit: number | undefined,
): Promise<Choice | null> {
  const { backend, dtype } = settings;
  const { models } = job;
  const task = { normals: {}, forward: { kinds: kindsOf(models), dtype }, grams: { dtype: 'float64' } } as const;
  if (refusal(backend, task) !== null) return null;
  const slices = settings.perOutput ? 1 + models[0].outputShape[1] : 1;
  if (GroupSums.bytes(models.length, slices) > SUMS_BYTES) return null;
  const own = { ...settings, memoryLimit, backend: backend as SampleSettings['backend'] };
  // Where not even the fewest samples would pay, none are drawn.
  if (!weigh(job, 0, settings, flopsPerSecond).sampled) return null;
  const { deviationOfSamples } = await import('../sampled/deviation.js');
  return weigh(job, await deviationOfSamples(members, law, own), settings, flopsPerSecond);
}
