import type { GramJob, PreparedModel } from '../../../lib/backend/grams.js';
import { TensimError, type TensimErrorCode } from '../../../lib/errors.js';
import { type Addon, loadAddon, type NativeForwardPass } from '../../../lib/machines/addon.js';
import type { DType, TensorData } from '../../../lib/tensor/tensor.js';
import type { Random } from '../../support/random.js';
import { took } from '../engine/coverage.js';
import type { Reader, Target } from '../engine/target.js';
import { chance, pick } from '../mutation/bytes.js';
import { LAYER_WORDS, largestIn, rightChain, rightLayer, tensorOf } from '../mutation/chains.js';
import { type Json, jsonMutation, parsed, smallerJson, textOf } from '../mutation/json.js';
import { Builder, Thrown } from '../mutation/objects.js';
import { accepted, leftOut } from './files.js';

/** An input: the arguments of two calls of the addon, a forward pass or inner products. */
interface Call {
  readonly forward?: Json;
  readonly inputs?: Json;
  readonly sources?: Json;
  readonly job?: Json;
  readonly dtype?: Json;
  readonly threads?: Json;
  readonly control?: Json;
}

/** The largest number in an input that is let through: of positions, say, each of which takes memory and time. */
const MOST = 64;

const WORDS = [
  ...LAYER_WORDS,
  ...[
    'forward',
    'inputs',
    'sources',
    'job',
    'dtype',
    'threads',
    'control',
    'float64',
    'float32',
    'layers',
    'positions',
  ],
  ...['input', 'vectors', 'tokens', 'kind', 'chain', 'segments', 'method', 'law', 'sigma', 'mean', 'factor', 'columns'],
  ...['one-block', 'two-block', 'closure', 'tensor', 'route', 'unfolded', 'dense', 'measure', 'gaussian', 'symmetric'],
  ...['perOutput', 'degrees'],
];

function rightCall(random: Random): Json {
  const { layers, width } = rightChain(random);
  const positions = random.integer(1, 3);
  const dtype = chance(random, 0.2) ? 'float32' : 'float64';
  const full = layers.map(completed);
  if (chance(random, 0.5)) {
    const inputs = { $: 'array', length: 2 * positions * width };
    return { forward: { layers: full, positions, features: width, input: 'vectors' }, inputs, dtype };
  }
  const law = pick(random, [
    { sigma: 1 },
    { sigma: 0.5, mean: { $: 'array', length: width } },
    { sigma: 1, factor: { columns: 1, data: { $: 'array', length: width } } },
  ]) as Json;
  const method = pick(random, ['one-block', 'hidden', 'two-block', 'closure', 'tensor']);
  const chain = { kind: 'chain', method, layers: full, inputs: width, positions, law };
  const source = chance(random, 0.9) ? chain : { kind: 'features', segments: [{ $: 'array', length: 3 }] };
  const job = { measure: 'gaussian', symmetric: false, perOutput: chance(random, 0.5), degrees: chance(random, 0.3) };
  return { sources: chance(random, 0.7) ? [source] : [source, source], job, dtype };
}

/** What the facade fills in before the addon is given a layer. */
function completed(layer: Json): Json {
  const given = layer as { [key: string]: Json };
  const more: Readonly<Record<string, { [key: string]: Json }>> = {
    rms_norm: { offset: 0 },
    layer_norm: { offset: 0 },
    convolution: { stride: 1, padding: 0, dilation: 1, groups: 1 },
    pool: { padding: 0, countPadding: true },
    softmax_attention: { rotaryLayout: 'half', rotaryScaling: 1, normEpsilon: 0.125, normOffset: 0 },
  };
  return { ...more[String(given.type)], ...given };
}

const reads = (addon: Addon): Reader => {
  return async (bytes) => {
    const call = Object(parsed(bytes)) as Call;
    if (largestIn(call as Json) > MOST) throw leftOut();
    try {
      const answer = await answerOf(addon, call);
      took(shapeOf(call));
      return accepted(String(answer));
    } catch (error) {
      const refusal = refusalOf(error);
      if (refusal instanceof TensimError) took(`${refusal.code} ${refusal.message.replaceAll(/\d+/g, '#')}`);
      throw refusal;
    }
  };
};

/** What tells calls apart that the addon takes: their words. */
function shapeOf(call: Call): string {
  const words = JSON.stringify(call).match(/"(?:type|activation|method|mask|mode|kind|\$)":"[^"]*"/g) ?? [];
  return [...new Set(words)].sort().join();
}

/** The addon knows no TensimError: what it throws has a code, and is made one above it. */
function refusalOf(error: unknown): unknown {
  if (error instanceof Thrown) return leftOut();
  const { code, message } = Object(error) as { code?: string; message: string };
  return code === undefined || !/^[A-Z_]+$/.test(code) ? error : new TensimError(code as TensimErrorCode, message);
}

async function answerOf(addon: Addon, { forward, inputs, sources, job, dtype, threads = 1, control }: Call) {
  const builder = new Builder();
  const type = builder.build(dtype ?? 'float64') as DType;
  const count = builder.build(threads) as number;
  const controlled = () => (control === undefined ? new addon.Control() : (builder.build(control) as never));
  if (forward !== undefined) {
    const values = builder.build(inputs) as TensorData;
    const pass = await addon.prepareForward(builder.build(forward) as object, type, count, controlled());
    try {
      return await partedFrom(builder, addon.evaluate(pass as NativeForwardPass, values, count, controlled()));
    } finally {
      pass.dispose();
    }
  }
  const models: PreparedModel[] = await partedFrom(
    builder,
    addon.prepare(builder.build(sources) as object[], type, count, controlled()),
  );
  try {
    const tile = await addon.gramTile(builder.build(job) as GramJob, models, models, count, controlled());
    return Object.values(tile).flatMap((part) => Array.from(part as Float64Array));
  } finally {
    for (const model of models) model.dispose();
  }
}

/** While the threads work, the caller does with its arrays what it likes. */
function partedFrom<Result>(builder: Builder, pending: Promise<Result>): Promise<Result> {
  builder.part();
  return pending;
}

const found = loadAddon();

/** The readers of native/addon, without the facade in front of them; none where there is no addon. */
export const passesToAddon: readonly Target[] =
  'reason' in found
    ? []
    : [
        {
          name: 'addon',
          about: 'what the addon is given, without the checks of the facade',
          mutate: jsonMutation({
            words: WORDS,
            whole: rightCall,
            values: (random) =>
              chance(random, 0.5) ? completed(rightLayer(random, 3).layer) : tensorOf(random, [2, 3]),
          }),
          simplify: smallerJson,
          prepare: async () => ({ seeds: seeds().map(textOf), read: reads(found.addon) }),
        },
      ];

function seeds(): Json[] {
  const weight = { $: 'tensor', shape: [2, 3] };
  const hidden = { type: 'hidden', weight, activation: 'relu', slope: null, alpha: 0, beta: 1 };
  const chain = { kind: 'chain', inputs: 3, positions: 1, law: { sigma: 1 }, layers: [hidden] };
  const forward = { layers: [hidden], positions: 1, features: 3, input: 'vectors' };
  const job = { measure: 'gaussian', symmetric: false, perOutput: true };
  const attention = {
    ...{ type: 'softmax_attention', heads: 1, mask: 'causal', alpha: 0, beta: 1 },
    ...{ q: weight, k: weight, v: weight, o: { $: 'tensor', shape: [2, 2] } },
  };
  const pool = { type: 'pool', mode: 'max', channels: 1, width: 3, kernel: 2 };
  return [
    { sources: [{ ...chain, method: 'hidden' }], job },
    { sources: [{ kind: 'features', segments: [{ $: 'array', length: 3 }] }], job },
    { forward, inputs: { $: 'array', length: 6 } },
    { forward: { ...forward, layers: [completed(attention)] }, inputs: { $: 'array', length: 3 } },
    { forward: { ...forward, layers: [completed(pool)] }, inputs: { $: 'array', length: 3, memory: 'resizable' } },
    // The shape is read after the data, which are gone by then.
    {
      sources: [{ ...chain, method: 'hidden', layers: [{ ...hidden, slope: { $: 'parts', value: null } }] }],
      job: { ...job, degrees: true },
    },
  ];
}
