import type { Control } from '../../backend/control.js';
import type { Keeping } from '../../backend/forward.js';
import type { PreparedModel } from '../../backend/grams.js';
import type { Pacer } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { mixesPositions } from '../../layers/layer.js';
import { kindOf } from '../../layers/table.js';
import type { Outline } from '../../model/reading/outline.js';
import { timesPower } from '../../tensor/power.js';
import type { TensorData } from '../../tensor/tensor.js';
import { ranks } from '../gram/orientation.js';
import type { Member } from '../members/members.js';
import type { Draw, InputKind } from './draws.js';
import { Passes, type PassSettings } from './passes.js';

/** What is known of models that are evaluated on the same inputs, all of the same sizes. */
export interface EnsembleShape {
  /** Different models. */
  readonly count: number;
  /** For every model as given, its place among the different ones. */
  readonly places: readonly number[];
  /** What the different ones are called. */
  readonly labels: readonly string[];
  /** Whether they are evaluated on vectors, but begin with an embedding and attend, as models of tokens do. */
  readonly tokenModels: boolean;
  /** Numbers or ids that make one input. */
  readonly inputSize: number;
  /** The output on one input is (n, o). */
  readonly positions: number;
  readonly outputs: number;
}

/** Such models; one that stands twice is evaluated once. */
export interface Ensemble extends EnsembleShape {
  /** The different ones. */
  readonly members: readonly Member[];
  /** Outputs of different model m on inputs, (count, n, o), in units of its own. */
  evaluate(m: number, inputs: Draw['inputs'], control: Control): Promise<TensorData>;
  /** The same, kept where the backend has its memory, if its `Forward.kept` is there. */
  keep(m: number, inputs: Draw['inputs'], keeping: Keeping, control: Control): Promise<PreparedModel>;
  /** Once it has been evaluated, its units: 2^exponent. */
  exponent(m: number): number;
  /** Takes another model to be evaluated on the same inputs, within the same memory. */
  beside(member: Member): Companion;
  /** Gives back what is packed, until it is asked for again. */
  release(): void;
  dispose(): void;
}

/** A model that is evaluated beside those of an ensemble. */
export interface Companion {
  evaluate(inputs: Draw['inputs'], control: Control): Promise<TensorData>;
  /** Once it has been evaluated, its units: 2^exponent. */
  exponent(): number;
  /** Gives back what it takes. */
  dispose(): void;
}

/**
 * Different members in an order that is theirs: what is sampled does not depend on the one in which they were given.
 */
export async function inOwnOrder(members: readonly Member[]): Promise<readonly Member[]> {
  const different = [...new Set(members)];
  const rank = await ranks(different);
  return [...different.keys()].sort((i, j) => rank[i] - rank[j]).map((i) => different[i]);
}

/**
 * @param different those of the members that are different, in the order in which they are evaluated.
 * @throws TensimError `UNSUPPORTED_LAYER` for tokens where the first layer of a model is not linear.
 */
export function openEnsemble(
  members: readonly Member[],
  input: InputKind,
  settings: PassSettings,
  different: readonly Member[] = [...new Set(members)],
): Ensemble {
  const outlines = different.map(({ outline }) => outline);
  if (input === 'tokens') for (const outline of outlines) checkTakesTokens(outline);
  const passes = new Passes(different, input, settings);
  const [{ inputShape, outputShape }] = outlines;
  return {
    members: different,
    count: different.length,
    places: members.map((member) => different.indexOf(member)),
    labels: outlines.map(({ label }) => label),
    tokenModels: input === 'vectors' && outlines.every(takesTokens),
    inputSize: inputShape[0] * (input === 'tokens' ? 1 : inputShape[1]),
    positions: outputShape[0],
    outputs: outputShape[1],
    evaluate: (m, inputs, control) => passes.evaluate(m, inputs, control),
    keep: (m, inputs, keeping, control) => passes.keep(m, inputs, keeping, control),
    exponent: (m) => passes.exponent(m),
    beside(member) {
      const number = passes.add(member);
      return {
        evaluate: (inputs, control) => passes.evaluate(number, inputs, control),
        exponent: () => passes.exponent(number),
        dispose: () => passes.release(number),
      };
    },
    release: () => passes.dispose(),
    dispose: () => passes.dispose(),
  };
}

function takesTokens({ layers }: Outline): boolean {
  return kindOf(layers[0]).takesTokens && layers.some(mixesPositions);
}

function checkTakesTokens({ layers, label }: Outline): void {
  if (kindOf(layers[0]).takesTokens) return;
  throw new TensimError(
    'UNSUPPORTED_LAYER',
    `"${label}" begins with a ${layers[0].type} layer, not with an embedding`,
    {
      hint: 'The input law "tokens" is for models of tokens; "onehot" is its Gaussian counterpart',
    },
  );
}

/** How outputs lie: inputs, and what each has. */
export interface OutputSize {
  readonly count: number;
  readonly positions: number;
  readonly outputs: number;
}

/**
 * Outputs as vectors whose inner products are sums over the inputs, each with its weight: one vector, or one per
 * output.
 */
export async function weighted(
  values: TensorData,
  weights: Float64Array | null,
  { count, positions, outputs }: OutputSize,
  perOutput: boolean,
  pacer: Pacer,
): Promise<readonly TensorData[]> {
  if (weights === null && !perOutput) return [values];
  const width = positions * outputs;
  const slices = perOutput ? outputs : 1;
  const segments = Array.from({ length: slices }, () => new Float64Array(values.length / slices));
  for (let s = 0, at = 0; s < count; s++) {
    const root = weights === null ? 1 : Math.sqrt(weights[s]);
    if (perOutput) {
      for (let row = s * positions; row < (s + 1) * positions; row++) {
        for (let c = 0; c < outputs; c++, at++) segments[c][row] = root * values[at];
      }
    } else {
      for (const end = at + width; at < end; at++) segments[0][at] = root * values[at];
    }
    if (pacer.due(width)) await pacer.pause();
  }
  return segments;
}

/** 2^u and 2^v, in units of the larger one. */
export function relativePowers(u: number, v: number): [number, number] {
  const most = Math.max(u, v);
  return [timesPower(1, u - most), timesPower(1, v - most)];
}

/** a · 2^u − b · 2^v, in units of the larger power. */
export function difference(
  a: TensorData,
  b: TensorData,
  u: number,
  v: number,
  result: Float64Array = new Float64Array(a.length),
): Float64Array {
  const [x, y] = relativePowers(u, v);
  for (let i = 0; i < result.length; i++) result[i] = x * a[i] - y * b[i];
  return result;
}

/**
 * A sample of the wide components that weighs less than this may leave the range of numbers without telling of its
 * model.
 */
export const LIGHT = 1e-30;
/** And of what weighs less than this, it makes no difference. */
const NOTHING = 1e-100;

/**
 * Sets outputs to zero where those of a light sample are not finite. Returns how many such samples are no matter of
 * course.
 */
export function dropOverflown(values: readonly TensorData[], weights: Float64Array, width: number): number {
  let lost = 0;
  for (let s = 0; s < weights.length; s++) {
    if (weights[s] >= LIGHT) continue;
    const rows = values.map((all) => all.subarray(s * width, (s + 1) * width));
    if (rows.every((row) => row.every(Number.isFinite))) continue;
    for (const row of rows) row.fill(0);
    if (weights[s] >= NOTHING) lost++;
  }
  return lost;
}
