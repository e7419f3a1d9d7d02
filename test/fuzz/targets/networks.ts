import type { BackendName } from '../../../lib/backend/backend.js';
import { evaluate } from '../../../lib/evaluation/evaluate.js';
import { createModel, type ModelDefinition } from '../../../lib/model/create.js';
import type { Model } from '../../../lib/model/model.js';
import { similarity } from '../../../lib/similarity/similarity.js';
import type { SimilarityOptions, SimilarityResult } from '../../../lib/similarity/terms/types.js';
import type { Tensor } from '../../../lib/tensor/tensor.js';
import { availableBackends } from '../../support/backends.js';
import type { Random } from '../../support/random.js';
import { type Reader, type Target, Wrong } from '../engine/target.js';
import { chance, pick } from '../mutation/bytes.js';
import { LAYER_WORDS, largestIn, rightChain, rightLayer } from '../mutation/chains.js';
import { type Json, jsonMutation, parsed, smallerJson, textOf } from '../mutation/json.js';
import { Builder, Thrown } from '../mutation/objects.js';
import { accepted, leftOut, tried } from './files.js';

/** An input: what two models are made of, and how they are compared. */
interface Question {
  readonly layers?: Json;
  /** Of the second model; absent: the same with other numbers. */
  readonly others?: Json;
  readonly positions?: Json;
  readonly inputs?: Json;
  readonly options?: Json;
}

/** Of features, weights and numbers in descriptions, in an execution that goes all the way. */
const MOST_FEATURES = 256;
const MOST_WEIGHTS = 4096;
const MOST = 16;

const WORDS = [
  ...LAYER_WORDS,
  ...['layers', 'others', 'positions', 'inputs', 'options', 'measure', 'method', 'input', 'dtype', 'perOutput'],
  ...['gaussian', 'weights', 'behavioural', 'tensor', 'auto', 'exact', 'closure', 'sampled', 'onehot', 'standard'],
  ...['tokens', 'sigma', 'float32', 'float64', 'degrees', 'route', 'factor', 'unfolded', 'dense', 'tolerance'],
];

function rightQuestion(random: Random): Json {
  const { layers } = rightChain(random);
  return {
    layers,
    ...(chance(random, 0.5) && { positions: random.integer(1, 4) }),
    options: {
      ...(chance(random, 0.3) && { method: pick(random, ['auto', 'exact', 'closure', 'sampled']) }),
      ...(chance(random, 0.2) && { measure: pick(random, ['tensor', 'weights']) }),
      ...(chance(random, 0.2) && { dtype: 'float32' }),
      ...(chance(random, 0.3) && { perOutput: true }),
      ...(chance(random, 0.2) && { input: pick(random, ['onehot', 'tokens', { sigma: 0.5 }]) }),
    },
  };
}

export const readsNetworks: Target = {
  name: 'network',
  about: 'layers of every kind, what is asked of them, and objects that are neither',
  mutate: jsonMutation({ words: WORDS, whole: rightQuestion, values: (random) => rightLayer(random, 3).layer }),
  simplify: smallerJson,
  async prepare() {
    const read: Reader = async (bytes, thorough) => {
      const question = Object(parsed(bytes)) as Question;
      const [a, b] = modelsOf(question);
      const sizes = [...a.inputShape, ...a.outputShape, ...b.outputShape];
      const small = Math.max(...sizes) <= MOST_FEATURES && a.parameterCount + b.parameterCount <= MOST_WEIGHTS;
      if (!small || largestIn(question as Json) > MOST) return accepted(`${sizes}`, false);
      const outputs = await outputsOf(a, question);
      return accepted(outputs + (await comparisonOf(a, b, question, thorough)));
    };
    return { seeds: seeds().map(textOf), read };
  },
};

/** A chain of each kind, and what hostile callers give. */
function seeds(): Json[] {
  const weight = { $: 'tensor', shape: [2, 3] };
  const hidden = { type: 'hidden', weight, activation: 'relu', down: { $: 'tensor', shape: [3, 2], seed: 1 } };
  const gated = { type: 'gated', gate: weight, up: { ...weight, seed: 2 }, activation: 'silu', slope: null };
  return [
    { layers: [{ ...hidden, alpha: 0.5 }], options: { perOutput: true } },
    { layers: [gated, { type: 'linear', weight: { $: 'tensor', shape: [2, 2], type: 'f32' } }] },
    { layers: [hidden, { type: 'rms_norm', features: 3, epsilon: 0.125 }, gated], options: { method: 'sampled' } },
    { layers: [hidden], others: [gated, { type: 'activation', width: 2, activation: 'tanh' }] },
    { layers: [{ ...hidden, weight: { ...weight, memory: 'resizable' } }], positions: { $: 'nan' } },
    { layers: [{ ...hidden, beta: { $: 'get', values: [1, 'one'] } }], inputs: { $: 'array', length: 3 } },
  ];
}

function modelsOf({ layers, others, positions }: Question): [Model, Model] {
  const model = (tree: Json | undefined, shift: number) => {
    const builder = new Builder(shift);
    const definition = {
      layers: builder.build(tree),
      ...(positions !== undefined && { positions: builder.build(positions) }),
    };
    return orOfCaller(() => createModel(definition as ModelDefinition));
  };
  return [model(layers, 0), model(others ?? layers, 5)];
}

/** What getters of the caller throw is the caller's own. */
function orOfCaller<Value>(work: () => Value): Value {
  try {
    return work();
  } catch (error) {
    throw error instanceof Thrown ? leftOut() : error;
  }
}

/** The outputs of a model, which must be equal on all backends as far as numbers can tell. */
async function outputsOf(model: Model, { layers, inputs }: Question): Promise<string> {
  const [positions, features] = model.inputShape;
  const shape = [2, positions, features];
  const given = new Builder().build(inputs ?? { $: 'tensor', shape, seed: 3 });
  const results: Tensor[] = [];
  for (const backend of availableBackends)
    results.push(await evaluate(model, given as Tensor, { backend, threads: 1 }).catch(ofCaller));
  const [first, ...rest] = results.map(({ data }) => Array.from(data));
  for (const other of rest) {
    const worst = Math.max(1, ...first.map(Math.abs));
    const apart = first.findIndex((value, i) => !(Math.abs(value - other[i]) <= 1e-9 * worst));
    if (apart >= 0 && isOrdinary(layers) && [first, other].every((values) => values.every(isOfSize)))
      throw new Wrong(`output ${apart} is ${first[apart]} and ${other[apart]}`);
  }
  return String(first);
}

const isOfSize = (value: number) => Math.abs(value) < 1e9;

function ofCaller(error: unknown): never {
  throw error instanceof Thrown ? leftOut() : error;
}

/**
 * Whether rounding stays rounding: no norm over almost nothing, which makes it as large as everything else, and no step
 * at which a function jumps.
 */
function isOrdinary(layers: Json | undefined): boolean {
  const text = JSON.stringify(layers ?? null);
  return !/heaviside|step|tiny|huge|[eE]psilon":(?!0\.125)/.test(text);
}

/** Codes that a backend may have alone: for a method that it lacks, or what its own rounding covers. */
const OWN = new Set(['UNSUPPORTED_LAYER', 'BACKEND_UNAVAILABLE', 'PRECISION', 'ZERO_NORM', 'MEMORY_LIMIT']);

/** What one backend answers without random inputs, which would take most of the time; the rest is looked at `thorough`ly. */
async function comparisonOf(a: Model, b: Model, question: Question, thorough: boolean): Promise<string> {
  const {
    signal: _,
    onProgress: __,
    backend: ___,
    threads: ____,
    inputs: _____,
    ...options
  } = Object(new Builder().build(question.options)) as SimilarityOptions;
  const answerOf = (backend: BackendName, more: SimilarityOptions) =>
    similarity(a, b, { ...options, backend, threads: 1, maxSamples: 1024, ...more }).catch(codeOf);
  if (thorough) await compareBackends(await Promise.all(availableBackends.map((name) => answerOf(name, {}))), question);
  const method = options.method === 'closure' ? 'closure' : 'exact';
  const answer = await answerOf(availableBackends[0], { method });
  const isExact = typeof answer !== 'string' && answer.exact && answer.measure === 'gaussian';
  if (thorough && isExact) await compareWithSampled(a, b, answer, options);
  return told(answer);
}

function compareBackends(
  [first, second = first]: readonly (SimilarityResult | string)[],
  { layers, others }: Question,
) {
  if (typeof first === 'string' || typeof second === 'string') {
    if (first !== second && ![first, second].some((answer) => OWN.has(answer as string)))
      throw new Wrong(`the backends answer ${told(first)} and ${told(second)}`);
    return;
  }
  const bound = first.dtype === 'float32' ? 1e-3 : 1e-8;
  const isClose = Math.abs(first.similarity - second.similarity) <= bound;
  if (!isClose && isOrdinary(layers) && isOrdinary(others))
    throw new Wrong(`the similarities are ${told(first)} and ${told(second)}`);
}

function codeOf(error: unknown): string {
  if (error instanceof Thrown) return error.name;
  const { code } = Object(error) as { code?: string };
  if (code === undefined || code === 'INTERNAL') throw error;
  return code;
}

const told = (answer: SimilarityResult | string): string =>
  typeof answer === 'string' ? answer : `${answer.similarity} ${answer.method} ${answer.exact}`;

/** What is said to be exact lies where random inputs say it does. */
async function compareWithSampled(a: Model, b: Model, exact: SimilarityResult, options: SimilarityOptions) {
  const how = { input: options.input, method: 'sampled', maxSamples: 4096, tolerance: 0.01, seed: 1 } as const;
  const found = await tried(similarity(a, b, how));
  if (found?.sampling == null || found.sampling.effectiveSamples < 1000) return;
  const away = Math.abs(found.similarity - exact.similarity);
  if (away > 8 * found.standardError! + 0.02)
    throw new Wrong(`exact ${exact.similarity}, sampled ${found.similarity} ± ${found.standardError}`);
}
