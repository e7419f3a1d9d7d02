import { kindsOf } from '../../backend/task.js';
import { Pacer, throttle } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { exactMethod } from '../../layers/exact.js';
import { degreeOf } from '../../layers/layer.js';
import { takeBackend } from '../../machines/select.js';
import type { Model } from '../../model/model.js';
import { timesPower } from '../../tensor/power.js';
import { steadily } from '../../tensor/steady.js';
import { NEAR } from '../difference/expanded.js';
import { checkComparable } from '../gram/sources.js';
import { type GaussianLaw, whiten } from '../law/law.js';
import { asWhitened } from '../law/onehot.js';
import { checkModel } from '../members/members.js';
import { sourceOf } from '../members/source.js';
import { chainWork } from '../plan/work.js';
import { inCommonUnits } from '../scale/source.js';
import { similarity } from '../similarity.js';
import { plainly } from '../terms/plain.js';
import type { SimilarityOptions, SimilarityResult } from '../terms/types.js';
import type { Engine } from './algebra.js';
import { differenceOf } from './difference.js';
import { jointDifference, outputDifferences, partsOf, squaresOf, total } from './directions.js';
import { explainByExchange } from './exchange.js';
import { survey, type Whole } from './forms.js';
import { InputSpace } from './input_space.js';
import type { Direction, ExchangeExplanation, ExplainOptions, Explanation, FormExplanation } from './types.js';

const DEFAULT_TOP = 4;
/** Outputs that are given directions unless some are asked for. */
const DEFAULT_OUTPUTS = 16;

/**
 * Where two models differ, from their weights alone.
 *
 * With at most one bilinear block each output is a quadratic form, and so is its difference b − a: its eigenvectors are
 * the input directions along which it acts (MATH.md section 3). Exact, in double precision, under the input law given.
 *
 * With one block of units with activations, hidden or gated, the same is told of the part of degree two and less of the
 * difference, and how much is left of it (section 10): its means, its linear part by singular values, its quadratic
 * part by eigenvectors.
 *
 * With more blocks, with attention, or where sampling or layers are asked for, every layer is exchanged between the two in turn,
 * and the hybrids are compared with both by `similarity`; the options go on to it.
 *
 *     const found = await explain(before, after);
 *     if (found.kind === 'forms') found.outputs[0].directions[0].vector; // what the output that changed most has learned
 *
 * Neither weights nor the law are copied: leave them unchanged until the promise settles.
 *
 * @throws TensimError (rejects) as `similarity`; `INVALID_ARGUMENT` for options that do not go with the models.
 */
export function explain(
  a: Model,
  b: Model,
  options: ExplainOptions & { readonly by: 'directions' },
): Promise<FormExplanation>;
export function explain(
  a: Model,
  b: Model,
  options: ExplainOptions & { readonly by: 'layers' },
): Promise<ExchangeExplanation>;
export function explain(a: Model, b: Model, options?: ExplainOptions): Promise<Explanation>;
export async function explain(a: Model, b: Model, options: ExplainOptions = {}): Promise<Explanation> {
  for (const model of [a, b]) checkModel(model);
  const { top = DEFAULT_TOP, outputs, by, ...others } = options;
  if (by !== undefined && by !== 'directions' && by !== 'layers') {
    throw new TensimError('INVALID_ARGUMENT', `the option "by" is ${String(by)}`, {
      hint: 'It must be "directions" or "layers"',
    });
  }
  if (!Number.isSafeInteger(top) || top < 1) {
    throw new TensimError('INVALID_ARGUMENT', `the option "top" is ${String(top)}`, {
      hint: 'It must be a whole number from 1',
    });
  }
  const { input = 'standard' } = options;
  const method = exactMethod([a.layers, b.layers], 'gaussian');
  const formal = method === 'one-block' || method === 'hidden';
  if (formal && input !== 'tokens' && options.method !== 'sampled' && by !== 'layers') {
    return plainly(await steadily([a, b, options], () => explainForms(a, b, method, input, top, outputs, others)));
  }
  if (outputs !== undefined || options.top !== undefined || by === 'directions') {
    const asked = by === 'directions' ? 'by' : outputs === undefined ? 'top' : 'outputs';
    throw new TensimError('INVALID_ARGUMENT', `${asked} asks for directions`, {
      hint: `Models of one block of units have such, under a Gaussian law; "${a.label}" and "${b.label}" are explained layer by layer`,
    });
  }
  return plainly(await steadily([a, b, options], () => explainByExchange(a, b, others)));
}

async function explainForms(
  a: Model,
  b: Model,
  by: 'one-block' | 'hidden',
  input: GaussianLaw,
  top: number,
  outputs: readonly number[] | undefined,
  options: SimilarityOptions,
): Promise<FormExplanation> {
  const { measure = 'gaussian', signal, threads, onProgress } = options;
  if (measure !== 'gaussian') {
    throw new TensimError('INVALID_ARGUMENT', `the measure "${measure}" does not explain networks of one block`, {
      hint: 'Their quadratic forms are those of the measure "gaussian", under the input law given',
    });
  }
  checkComparable([a, b], measure);
  const [positions, inputs] = a.inputShape;
  const count = a.outputShape[1];
  checkOutputs(outputs, count);
  const kinds = kindsOf([a, b]);
  const task = { forms: { kinds }, contractions: { dtype: 'float64' }, eigen: {} } as const;
  const work = () => chainWork({ models: [a, b], dtype: 'float64', threads }, by, { sigma: 1 });
  const { backend, passedOver } = await takeBackend(options.backend, task, signal, work);
  const engine: Engine = { backend, signal, threads };
  const { method = 'auto' } = options;
  const compared = await similarity(a, b, {
    ...{ ...options, dtype: 'float64', onProgress: undefined },
    ...(by === 'hidden' && { perOutput: true, method: method === 'auto' ? 'exact' : method }),
  });
  const { similarity: value, fidelityError, relativeDistance, normA, normB, certified } = compared;
  const { name, law: asked } = await whiten(input, inputs, signal);
  const law = await asWhitened(asked, new Pacer(signal));
  const chain = ({ layers }: Model) => ({ layers, law, inputs, positions });
  const { layers, exponent } = await inCommonUnits([chain(a), chain(b)], new Pacer(signal));
  const { inputShape } = a;
  const [one, two] = layers.map((own) => ({ layers: own, inputShape }));
  const difference = await differenceOf([one, two], fidelityError < NEAR, by, law, engine);
  // Every output is gone through once, and those with directions a second time.
  const steps = count + (outputs?.length ?? Math.min(count, DEFAULT_OUTPUTS));
  const report = onProgress && throttle((done, total) => onProgress({ phase: 'compare', done, total }));
  const whole = hasHigher([a, b]) ? wholeOf(compared, positions, exponent) : null;
  const found = await survey(difference, whole, engine, (done) => report?.(done, steps));
  const squares = squaresOf(found);
  const square = total(squares);
  const distance = timesPower(Math.sqrt(positions * square), exponent);
  const sources = [sourceOf(a), sourceOf(b)] as const;
  const about = { kind: 'forms', a: a.label, b: b.label, sources, similarity: value, normA, normB, inputs } as const;
  const how = {
    ...EXACT,
    input: name,
    backend: engine.backend.name,
    ...(passedOver.length > 0 && { passedOver }),
    ...(certified !== undefined && { certified }),
  };
  // Below the resolution there are two ways to write one function. Out of the range of numbers both are 0 or ∞, and say
  // nothing.
  const inRange = compared.beyondRange === undefined;
  if (inRange ? compared.distance <= compared.distanceResolution : relativeDistance === 0) {
    return { ...about, ...how, ...NOTHING, shares: new Float64Array(count) };
  }

  const space = await InputSpace.of(difference.basis, law, inputs, engine);
  const numbers = outputs ?? largest(squares, DEFAULT_OUTPUTS);
  const joint = await jointDifference(difference, found, space, top, engine);
  const details = await outputDifferences(numbers, difference, found, space, top, engine, (done) =>
    report?.(count + done, steps),
  );
  return {
    ...about,
    ...how,
    distance,
    fidelityError,
    relativeDistance,
    shares: squares.map((own) => own / square),
    parts: partsOf(
      total(found.quadratic),
      total(found.linear),
      total(found.mean),
      found.higher === null ? null : total(found.higher),
    ),
    joint: {
      ...joint,
      directions: inUnits(joint.directions, 2 * exponent),
      ...(joint.linear && { linear: inUnits(joint.linear, exponent) }),
    },
    outputs: details
      .sort((one, other) => other.share - one.share)
      .map((output) => ({ ...output, directions: inUnits(output.directions, exponent) })),
  };
}

/** Whether there can be more in a difference than forms show. */
function hasHigher(models: readonly Model[]): boolean {
  return models.some(({ layers }) => (degreeOf(layers) ?? Number.POSITIVE_INFINITY) > 2);
}

/** Squared distances of the outputs, at one position and in units of 2^exponent. */
function wholeOf({ perOutput = [] }: SimilarityResult, positions: number, exponent: number): Whole {
  const squares = (of: 'distance' | 'distanceResolution') =>
    Float64Array.from(perOutput, (one) => timesPower(one[of], -exponent) ** 2 / positions);
  return { squares: squares('distance'), errors: squares('distanceResolution') };
}

/** Directions whose values are those of forms divided by 2^exponent. */
function inUnits<T extends Direction>(directions: readonly T[], exponent: number): readonly T[] {
  if (exponent === 0) return directions;
  return directions.map((direction) => ({ ...direction, value: timesPower(direction.value, exponent) }));
}

const EXACT = {
  measure: 'gaussian',
  method: 'exact',
  exact: true,
  route: null,
  estimates: [],
  standardError: null,
  sampling: null,
  dtype: 'float64',
} as const;

/** What is left of a difference that is rounding. */
const NOTHING = {
  distance: 0,
  fidelityError: 0,
  relativeDistance: 0,
  parts: { quadratic: 0, linear: 0, mean: 0 },
  joint: { directions: [], energy: new Float64Array(0) },
  outputs: [],
} as const;

function checkOutputs(outputs: readonly number[] | undefined, count: number): void {
  const bad = outputs?.find((output) => !(Number.isSafeInteger(output) && output >= 0 && output < count));
  if (bad === undefined && new Set(outputs).size === (outputs?.length ?? 0)) return;
  throw new TensimError(
    'INVALID_ARGUMENT',
    bad === undefined ? 'the option "outputs" names an output twice' : `there is no output ${String(bad)}`,
    { hint: `Outputs are numbers from 0 to ${count - 1}` },
  );
}

/** The numbers of the largest, at most so many. */
function largest(squares: Float64Array, most: number): number[] {
  return [...squares.keys()].sort((i, j) => squares[j] - squares[i] || i - j).slice(0, most);
}
