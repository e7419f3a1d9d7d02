import { weightsIn } from '../../evaluation/work.js';
import { blocksOf, hiddenOf, type LayerOf } from '../../layers/layer.js';
import type { ShapeOnly } from '../../layers/shapes.js';
import { kindOf } from '../../layers/table.js';
import type { Outline } from '../../model/reading/outline.js';
import type { LawOfInputs } from '../law/onehot.js';
import type { Member } from '../members/members.js';
import type { ResolvedSettings } from '../terms/options.js';

/** An exact comparison that is expected to take no more seconds is not weighed against anything. */
export const PATIENCE = 30;
/** Terms of the series of two units, each two operations for every polynomial. */
const TERMS = 30;
/** What a unit with itself costs, and its coefficients, in operations. */
const UNIT = 2e4;

/** Sizes of models and of the work, and what a few samples have told. */
export interface WeighedJob {
  readonly models: readonly Pick<Outline, 'layers' | 'inputShape' | 'outputShape'>[];
  /** Inner products to compute, those of models with themselves among them; default: every one in both orders. */
  readonly pairs?: number | undefined;
  /** k, the size of the whitened input. */
  readonly columns: number;
}

/** How much is to be computed, and how long that may take. */
export interface LongExtent extends Pick<WeighedJob, 'pairs'> {
  /** Seconds of one thread that an exact comparison may take without being weighed. */
  readonly patience?: number | undefined;
}

/** A comparison that takes long enough to be weighed, and the rate of one thread that says so. */
export interface LongJob {
  readonly job: WeighedJob;
  readonly flopsPerSecond: number;
}

/** What there is to weigh of models that could be compared exactly; null where exact is quick enough. */
export async function longJob(
  members: readonly Member[],
  law: LawOfInputs,
  { backend, dtype, threads }: ResolvedSettings,
  { pairs, patience = PATIENCE }: LongExtent,
): Promise<LongJob | null> {
  const models = [...new Set(members)].map(({ outline }) => outline);
  if (models.length < 2) return null;
  const job: WeighedJob = { models, pairs, columns: columnsOf(models, law) };
  const { flopsPerSecond } = await backend.grams.machine(dtype, threads);
  return exactFlops(job) <= patience * flopsPerSecond ? null : { job, flopsPerSecond };
}

/** k, the size of the whitened input. */
export function columnsOf([first]: readonly Pick<Outline, 'inputShape'>[], law: LawOfInputs): number {
  return 'onehot' in law ? law.onehot : (law.factor?.columns ?? first.inputShape[1]);
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
