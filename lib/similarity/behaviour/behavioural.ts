import type { BackendWith } from '../../backend/backend.js';
import type { FeatureSource, WhitenedLaw } from '../../backend/grams.js';
import { Pacer } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { type ReadInputs, readInputs } from '../../evaluation/inputs.js';
import type { Model } from '../../model/model.js';
import type { DType, TensorData } from '../../tensor/tensor.js';
import { plural } from '../../words/counts.js';
import { checkSameSizes, type Sources } from '../gram/sources.js';
import { digestOfInputs } from '../law/input_digest.js';
import type { Member } from '../members/members.js';
import { forwardSource } from '../scale/source.js';
import type { ResolvedSettings } from '../terms/options.js';
import type { DataInputs } from '../terms/types.js';

/** The outputs of a model on all inputs. */
export interface Outputs {
  /** (inputs, n·o), row-major. */
  readonly values: TensorData;
  readonly inputs: number;
  /** n. */
  readonly positions: number;
  /** o. */
  readonly outputs: number;
}

/** What models do on given inputs, ready to be compared. */
export interface Behaviours {
  /** One per model, the same object for the same member. */
  readonly outputs: readonly Outputs[];
  readonly sources: Sources;
  /** Of the inputs, for results. */
  readonly name: string;
  /** Of the inputs' content. */
  readonly digest: string;
}

type ForwardSettings = Pick<ResolvedSettings, 'signal' | 'threads'> & { readonly backend: BackendWith<'forward'> };

/**
 * Evaluates every model once on the inputs. As features, whose inner product is the mean cosine (MATH.md section 2),
 * the output on every input is scaled to norm 1/√inputs; an output of zero, which has no direction, stays zero.
 * @throws TensimError `SHAPE_MISMATCH` for models or inputs that do not fit each other, `NOT_FINITE` for an output that
 * is not.
 */
export async function behaviours(
  members: readonly Member[],
  settings: ResolvedSettings & ForwardSettings,
): Promise<Behaviours> {
  const { inputs: given, onProgress } = settings;
  if (given === undefined) {
    throw new TensimError('INVALID_ARGUMENT', 'the measure "behavioural" needs inputs', {
      hint: 'Give the option "inputs" (--inputs FILE); every other measure needs no data',
    });
  }
  if (settings.perOutput) {
    throw new TensimError('INVALID_ARGUMENT', 'the measure "behavioural" compares outputs as whole vectors', {
      hint: 'Leave "perOutput" out, or compare by another measure',
    });
  }
  checkSameSizes(members.map(({ outline }) => outline));
  const pacer = new Pacer(settings.signal);
  const made = new Map<Member, { outputs: Outputs; source: FeatureSource }>();
  let digest: string | undefined;
  for (const member of members) {
    if (made.has(member)) continue;
    onProgress?.({ phase: 'evaluate', done: made.size, total: members.length });
    const model = await member.load();
    const read = await readInputs(model, isNamed(given) ? given.values : given, settings.signal);
    digest ??= await digestOfInputs(read, pacer);
    const outputs = await outputsOf(model, read, settings);
    const directions = await directionsOf(outputs, model.label, settings.dtype, pacer);
    made.set(member, { outputs, source: { kind: 'features', segments: [directions] } });
  }
  onProgress?.({ phase: 'evaluate', done: members.length, total: members.length });
  const all = members.map((member) => made.get(member)!);
  const { inputs } = all[0].outputs;
  return {
    outputs: all.map(({ outputs }) => outputs),
    sources: { names: ['all'], of: async (member) => made.get(member)!.source },
    name: isNamed(given) ? given.name : `${inputs} ${plural(inputs, 'input')}`,
    digest: digest!,
  };
}

function isNamed(given: DataInputs): given is Extract<DataInputs, { readonly name: string }> {
  return typeof given === 'object' && given !== null && 'values' in given && 'name' in given;
}

/**
 * In float64 whatever the dtype: what outputs vary by about a large constant, which is what CKA and the largest output
 * depend on, would be rounded away in float32.
 */
async function outputsOf(
  model: Model,
  { values, kind, leading }: ReadInputs,
  { backend, signal, threads }: ForwardSettings,
): Promise<Outputs> {
  if (leading[0] === 0) throw new TensimError('INVALID_ARGUMENT', 'the measure "behavioural" needs at least one input');
  const [positions, features] = model.inputShape;
  const pacer = new Pacer(signal);
  const law =
    kind === 'tokens' ? { sigma: 1 / Math.sqrt(features) } : await sizesOf(values as TensorData, features, pacer);
  // In whatever units: directions and correlations of outputs do not know of any.
  const units = law && { layers: model.layers, law, inputs: features, positions };
  const { source } = units
    ? await forwardSource(units, kind, { dtype: 'float64', perOutput: false }, pacer)
    : { source: { layers: model.layers, positions, features, input: kind } };
  const pass = await backend.forward.prepare(source, 'float64', { signal, threads });
  try {
    const evaluated = await pass.evaluate(values, { signal, threads });
    return { values: evaluated, inputs: leading[0], positions, outputs: model.outputShape[1] };
  } finally {
    pass.dispose();
  }
}

/** Inputs whose sizes are this far apart have no size in common. */
const APART = 2 ** 100;

/** A law of inputs as large as these, feature by feature; null where some are of another order of size altogether. */
async function sizesOf(values: TensorData, features: number, pacer: Pacer): Promise<WhitenedLaw | null> {
  const most = new Float64Array(features);
  let [largest, smallest] = [0, Number.POSITIVE_INFINITY];
  for (let at = 0; at < values.length; at += features) {
    let own = 0;
    for (let i = 0; i < features; i++) {
      const size = Math.abs(values[at + i]);
      own = Math.max(own, size);
      most[i] = Math.max(most[i], size);
    }
    largest = Math.max(largest, own);
    if (own > 0) smallest = Math.min(smallest, own);
    if (pacer.due(2 * features)) await pacer.pause();
  }
  return largest / smallest < APART ? { sigma: 0, mean: most } : null;
}

async function directionsOf(
  { values, inputs, positions, outputs }: Outputs,
  label: string,
  dtype: DType,
  pacer: Pacer,
): Promise<TensorData> {
  const size = positions * outputs;
  const directions = dtype === 'float64' ? new Float64Array(values.length) : new Float32Array(values.length);
  const share = 1 / Math.sqrt(inputs);
  for (let input = 0; input < inputs; input++) {
    const start = input * size;
    let largest = 0;
    for (let i = start; i < start + size; i++) {
      if (!Number.isFinite(values[i])) {
        throw new TensimError('NOT_FINITE', `an output of "${label}" on input ${input} is ${values[i]}`, {
          hint: 'The input or the weights are too large: scale them down',
        });
      }
      largest = Math.max(largest, Math.abs(values[i]));
    }
    if (largest > 0) {
      // Divided by the largest first: the squares of the others could overflow.
      let squares = 0;
      for (let i = start; i < start + size; i++) squares += (values[i] / largest) ** 2;
      const norm = Math.sqrt(squares);
      for (let i = start; i < start + size; i++) directions[i] = (values[i] / largest / norm) * share;
    }
    if (pacer.due(3 * size)) await pacer.pause();
  }
  return directions;
}
