import { kindsOf, refusal } from '../../backend/task.js';
import { weightsIn } from '../../evaluation/work.js';
import { blocksOf, hiddenOf, type LayerOf } from '../../layers/layer.js';
import type { ShapeOnly } from '../../layers/shapes.js';
import { kindOf } from '../../layers/table.js';
import type { Outline } from '../../model/reading/outline.js';
import type { LawOfInputs } from '../law/onehot.js';
import type { Member } from '../members/members.js';
import { SUMS_BYTES } from '../sampled/estimate.js';
import { GroupSums } from '../sampled/jackknife.js';
import type { SampleSettings } from '../sampled/settings.js';
import { SIGN_SAMPLES } from '../sampled/signs.js';
import { DEVIATION_SAMPLES, FIRST_SAMPLES, PILOT_SAMPLES } from '../sampled/sizes.js';
import type { ResolvedSettings } from '../terms/options.js';
import type { Weighed } from '../terms/sampling.js';

/** An exact comparison that is expected to take no more seconds is not weighed against anything. */
export const PATIENCE = 30;
/** What is exact, and has no chance to miss, may cost so many times what sampling does. */
const WORTH = 5;
/** Samples in parts of those that the deviation of a few asks for: planned, and at most. */
const MARGIN = 1.25;
const SPARE = 4;
/** Fewer, of which some fall far out, carry no norm that can be trusted. */
const FEWEST_SAMPLES = 2048;
/** Half the width of a 95 % interval in standard errors. */
const INTERVAL = 1.96;
/** Terms of the series of two units, each two operations for every polynomial. */
const TERMS = 30;
/** What a unit with itself costs, and its coefficients, in operations. */
const UNIT = 2e4;

/** What `auto` found: whether to sample, with so many samples at most. */
export interface Choice {
  readonly weighed: Weighed;
  readonly sampled: boolean;
  readonly maxSamples: number;
}

/** Sizes of models and of the work, and what a few samples have told. */
export interface WeighedJob {
  readonly models: readonly Pick<Outline, 'layers' | 'inputShape' | 'outputShape'>[];
  /** Inner products to compute, those of models with themselves among them; default: every one in both orders. */
  readonly pairs?: number | undefined;
  /** k, the size of the whitened input. */
  readonly columns: number;
}

/** How much is to be computed, and within which limits. */
export interface WeighedExtent extends Pick<WeighedJob, 'pairs'> {
  /** Bytes that models may take at a time; default: any number. */
  readonly memoryLimit?: number | undefined;
  /** Seconds of one thread that an exact comparison may take without being weighed. */
  readonly patience?: number | undefined;
}

/** Operations of the exact comparison of blocks of units (MATH.md sections 10 and 11). */
export function exactFlops({ models, columns, pairs }: WeighedJob): number {
  const count = models.length;
  let [hidden, products, outputs, once] = [0, 0, 0, 0];
  for (const { layers, outputShape } of models) {
    const [block] = blocksOf(layers);
    const own = block === undefined ? 0 : hiddenOf(block);
    // Two linear functions of the input in a unit take four products of weights and five series.
    const sides = block === undefined ? 1 : linearSides(block);
    hidden += own / count;
    products += (sides === 2 ? 4 : 1) / count;
    outputs += outputShape[1] / count;
    once += UNIT * own + 2 * weightsIn(layers) * columns;
  }
  const series = products > 1 ? 5 * TERMS : TERMS;
  const pair = 2 * hidden * hidden * (products * columns + outputs + series);
  return once + (pairs ?? count * count) * pair;
}

/** Of a block, the linear functions of the input that a unit is a function of. */
function linearSides(block: LayerOf<ShapeOnly>): number {
  return kindOf(block).parts.required.filter((role) => ['gate', 'up', 'left', 'right'].includes(role)).length || 1;
}

/** Operations of one sample: every model on it, and the products of their outputs. */
export function sampleFlops({ models }: WeighedJob): number {
  const [{ inputShape, outputShape }] = models;
  const all = models.reduce((sum, { layers }) => sum + weightsIn(layers), 0);
  return 2 * inputShape[0] * (all + models.length ** 2 * outputShape[1]);
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

/**
 * Whether models that could be compared exactly are better sampled; null where exact is quick enough, or the backend
 * cannot run them.
 */
export async function choiceFor(
  members: readonly Member[],
  law: LawOfInputs,
  settings: ResolvedSettings,
  { pairs, memoryLimit, patience = PATIENCE }: WeighedExtent,
): Promise<Choice | null> {
  const { backend, dtype, threads } = settings;
  const different = [...new Set(members)];
  if (different.length < 2) return null;
  const models = different.map(({ outline }) => outline);
  const columns = 'onehot' in law ? law.onehot : (law.factor?.columns ?? models[0].inputShape[1]);
  const job: WeighedJob = { models, pairs, columns };
  const { flopsPerSecond } = await backend.grams.machine(dtype, threads);
  if (exactFlops(job) <= patience * flopsPerSecond) return null;
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
