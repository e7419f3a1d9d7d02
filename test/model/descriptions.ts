export const SCHEMA = 'tensim.model/1';
export const LAYERS = [
  { type: 'linear', weight: 'enc.w', bias: 'enc.b' },
  { type: 'bilinear', leftRight: 'mlp.w12', leftRightBias: 'mlp.b12', down: 'mlp.w3', downBias: 'mlp.b3' },
  { type: 'linear', weight: 'dec.w' },
];

const bilinear = { type: 'bilinear', left: 'l', right: 'r' };
/** Of a transformer, the least that can be said. */
const BLOCKS = { layer: 'n.{L}.', mlp: { up: 'u', down: 'd' }, norms: { kind: 'none' }, rotary: null };

/** Descriptions that are refused: what is wrong, the description or its text, and what is said. */
export const REFUSED: [what: string, description: unknown, message: RegExp][] = [
  [
    'of blocks that do not say how they turn',
    { schema: SCHEMA, blocks: { ...BLOCKS, rotary: undefined } },
    /has no "rotary"/,
  ],
  ['of neither layers nor blocks', { schema: SCHEMA }, /"layers" must be a list/],
  ['that is no object', [], /must be an object/],
  ['of another schema', { schema: 'tensim.model/2', layers: LAYERS }, /"tensim.model\/2".*reads "tensim.model\/1"/],
  ['without schema', { layers: LAYERS }, /schema/],
  ['without layers', { schema: SCHEMA }, /"layers" must be a list/],
  ['with an empty list of layers', { schema: SCHEMA, layers: [] }, /at least one layer/],
  ['with an unknown field', { schema: SCHEMA, layers: LAYERS, wieghts: 'x' }, /unknown field "wieghts"/],
  ['with a field named __proto__', `{"schema":"${SCHEMA}","layers":[{}],"__proto__":{}}`, /unknown field "__proto__"/],
  ['with weights that are no name', { schema: SCHEMA, layers: LAYERS, weights: 3 }, /"weights" must be a name/],
  ['with an ignore that is no list', { schema: SCHEMA, layers: LAYERS, ignore: 'a' }, /"ignore" must be a list/],
  ['with a layer that is none', { schema: SCHEMA, layers: [3] }, /layer 1 must be an object/],
  ['with an unknown layer', { schema: SCHEMA, layers: [LAYERS[0], { type: 'relu' }] }, /layer 2 has the type "relu"/],
  ['with a linear layer without weight', { schema: SCHEMA, layers: [{ type: 'linear' }] }, /layer 1.*no "weight"/],
  ['with an unknown part', { schema: SCHEMA, layers: [{ ...LAYERS[0], alpha: 1 }] }, /unknown field "alpha"/],
  ['with a weight that is no name', { schema: SCHEMA, layers: [{ type: 'linear', weight: '' }] }, /must be a name/],
  ['with one side only', { schema: SCHEMA, layers: [{ type: 'bilinear', left: 'l' }] }, /"left" but no "right"/],
  ['with no side', { schema: SCHEMA, layers: [{ type: 'bilinear' }] }, /no "left".* and no "leftRight"/],
  ['with sides twice', { schema: SCHEMA, layers: [{ ...bilinear, leftRight: 'x' }] }, /"leftRight" as well as "left"/],
  [
    'with biases twice',
    { schema: SCHEMA, layers: [{ ...bilinear, leftRightBias: 'x', rightBias: 'y' }] },
    /"leftRightBias" as well as "rightBias"/,
  ],
  [
    'with an alpha that is no number',
    { schema: SCHEMA, layers: [{ ...bilinear, alpha: '1' }] },
    /"alpha" must be a num/,
  ],
  [
    'with two residuals',
    { schema: SCHEMA, layers: [{ ...bilinear, alpha: 1, residual: { add: 1 } }] },
    /"residual" as well as "alpha"/,
  ],
  [
    'with an unknown residual',
    { schema: SCHEMA, layers: [{ ...bilinear, residual: { mul: 1 } }] },
    /"residual" must be/,
  ],
  [
    'with two kinds of residual',
    { schema: SCHEMA, layers: [{ ...bilinear, residual: { lerp: 1, add: 1 } }] },
    /"residual" must be/,
  ],
  [
    'with a residual that is no number',
    { schema: SCHEMA, layers: [{ ...bilinear, residual: { lerp: null } }] },
    /"lerp" must be a number, not null/,
  ],
  [
    'with a remark that is no text',
    { schema: SCHEMA, layers: [{ ...LAYERS[0], remark: 3 }] },
    /"remark" must be a text/,
  ],
  ['with remarks that are no list', { schema: SCHEMA, layers: LAYERS, remarks: 'why' }, /"remarks" must be a list/],
  [
    'with a place without a tensor',
    { schema: SCHEMA, layers: [{ type: 'linear', weight: {} }] },
    /"tensor" must be a name/,
  ],
  [
    'with a half that is none',
    { schema: SCHEMA, layers: [{ type: 'linear', weight: { tensor: 'w', half: 'third' } }] },
    /"half" must be "first" or "second"/,
  ],
  [
    'with a place that is said to be anything else',
    { schema: SCHEMA, layers: [{ type: 'linear', weight: { tensor: 'w', columns: 3 } }] },
    /unknown field "columns"/,
  ],
  [
    'with what a draft leaves to be filled in',
    { schema: SCHEMA, layers: [{ type: 'hidden', weight: 'w', activation: 'FILL IN: the activation' }] },
    /no activation "FILL IN: the activation"/,
  ],
];

const ATTENTION = { type: 'attention', q: 'q', k: 'k', v: 'v', o: 'o', heads: 2, mask: 'causal', rotaryBase: null };
const SOFTMAX = { type: 'softmax_attention', q: 'q', k: 'k', v: 'v', o: 'o', heads: 2, mask: 'none' };

/** A layer of every kind, with what it needs and no more. */
export const SMALLEST: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  linear: { type: 'linear', weight: 'w' },
  bilinear,
  attention: ATTENTION,
  hidden: { type: 'hidden', weight: 'w', activation: 'relu' },
  gated: { type: 'gated', gate: 'g', up: 'u', activation: 'SiLU' },
  activation: { type: 'activation', width: 3, activation: 'leaky_relu', slope: 0.1 },
  batch_norm: { type: 'batch_norm', mean: 'm', variance: 'v', epsilon: 1e-5 },
  rms_norm: { type: 'rms_norm', epsilon: 1e-6 },
  layer_norm: { type: 'layer_norm', epsilon: 1e-6 },
  convolution: { type: 'convolution', weight: 'w', width: 8 },
  pool: { type: 'pool', mode: 'mean', channels: 2, width: 8, kernel: 2 },
  softmax_attention: SOFTMAX,
  positions: { type: 'positions', weight: 'w' },
  parallel: { type: 'parallel', branches: [[SOFTMAX], [bilinear, bilinear]] },
};

/** Descriptions that are read. */
export const READ: readonly unknown[] = [
  { schema: SCHEMA, layers: LAYERS },
  { $schema: './node_modules/tensim/schemas/tensim.model.1.schema.json', schema: SCHEMA, layers: LAYERS },
  { schema: SCHEMA, blocks: BLOCKS },
  { schema: SCHEMA, layers: LAYERS, blocks: { ...BLOCKS, heads: 2, rotary: { interleaved: true, share: 0.5 } } },
  { schema: SCHEMA, weights: 'net.safetensors', layers: LAYERS, ignore: ['opt.*'], remarks: ['Drafted.'] },
  ...Object.values(SMALLEST).map((layer) => ({
    schema: SCHEMA,
    positions: 3,
    layers: [{ ...layer, remark: 'Guess.' }],
  })),
  {
    schema: SCHEMA,
    positions: 2,
    layers: [
      { type: 'linear', weight: { tensor: 'tok', transposed: true } },
      {
        ...ATTENTION,
        q: undefined,
        q1: { tensor: 'q', factor: 4, gain: 'n' },
        q2: { tensor: 'q', gain: 'n' },
        rotaryBase: 1e4,
      },
      { ...SOFTMAX, kvHeads: 1, rotaryScaling: { rope_type: 'linear', factor: 2 }, residual: { add: 1 } },
      { type: 'convolution', weight: 'w', height: 4, width: 8, stride: [2, 1], padding: 0 },
      { type: 'linear', weight: { tensor: 'out', half: 'second', meanEnergy: 'e' }, bias: { tensor: 'b', factor: -1 } },
    ],
  },
];
