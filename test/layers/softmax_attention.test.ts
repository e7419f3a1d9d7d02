import { describe, expect, it } from 'vitest';
import type { RopeScaling } from '../../lib/layers/rope_scaling.js';
import { createModel, type LayerDefinition } from '../../lib/model/create.js';
import type { SoftmaxAttentionLayer } from '../../lib/model/model.js';
import { similarity } from '../../lib/similarity/similarity.js';
import { type Tensor, tensor } from '../../lib/tensor/tensor.js';
import { expectForward } from '../support/forward.js';
import { randomLinear, randomTensor } from '../support/models.js';
import { type Random, random } from '../support/random.js';

type Rows = number[][];
type Fields = Omit<Partial<SoftmaxAttentionLayer>, 'type'>;
interface Sizes {
  readonly inputs: number;
  readonly heads: number;
  readonly kvHeads?: number;
  readonly size: number;
  readonly valueSize?: number;
  readonly biased?: boolean;
}

function attention(draw: Random, sizes: Sizes, fields: Fields = {}): LayerDefinition {
  const { inputs, heads, kvHeads = heads, size, valueSize = size, biased = false } = sizes;
  const part = (rows: number, columns: number) => {
    const { data, shape } = randomTensor(draw, rows, columns);
    return tensor(
      Array.from(data, (value) => 2 * value),
      shape,
    );
  };
  return {
    ...{ type: 'softmax_attention', heads, kvHeads, mask: 'causal' },
    q: part(heads * size, inputs),
    k: part(kvHeads * size, inputs),
    v: part(kvHeads * valueSize, inputs),
    o: part(inputs, heads * valueSize),
    ...(biased && {
      qBias: randomTensor(draw, heads * size),
      kBias: randomTensor(draw, kvHeads * size),
      vBias: randomTensor(draw, kvHeads * valueSize),
      oBias: randomTensor(draw, inputs),
    }),
    ...fields,
  };
}

const times = ({ data, shape }: Tensor, bias: Tensor | undefined, x: readonly number[]): number[] =>
  Array.from({ length: shape[0] }, (_, i) =>
    x.reduce((sum, one, j) => sum + data[i * x.length + j] * one, bias?.data[i] ?? 0),
  );

const cut = (row: readonly number[], count: number): Rows =>
  Array.from({ length: count }, (_, i) => row.slice((i * row.length) / count, ((i + 1) * row.length) / count));

/** As transformers' models write it: heads repeated, rotate_half or rotate_every_two, a mask of −∞, softmax. */
function plain(given: LayerDefinition, x: Rows): Rows {
  const layer = given as LayerDefinition & Fields & { q: Tensor; k: Tensor; v: Tensor; o: Tensor; heads: number };
  const { heads, kvHeads, mask, window, softcap, alibi, alpha = 0, beta = 1 } = layer;
  const groups = kvHeads ?? heads;
  const normed = (row: number[], weight: Tensor | undefined): number[] => {
    if (weight === undefined) return row;
    return cut(row, row.length / weight.data.length).flatMap((part) => {
      const square = part.reduce((sum, one) => sum + one * one, 0) / part.length;
      return part.map(
        (one, i) =>
          (one / Math.sqrt(square + (layer.normEpsilon ?? 1e-6))) * (weight.data[i] + (layer.normOffset ?? 0)),
      );
    });
  };
  const turned = (head: number[], s: number): number[] => {
    if (layer.rotaryBase == null) return head;
    const r = layer.rotaryDimension ?? head.length;
    const scaling = layer.rotaryScaling ?? 1;
    const [turn, size] = typeof scaling === 'number' ? [null, 1] : stretched(scaling, layer.rotaryBase, r, x.length);
    const angle = (j: number) =>
      turn === null ? s / (scaling as number) / layer.rotaryBase! ** ((2 * j) / r) : s * turn[j];
    const [cos, sin] = [Math.cos, Math.sin].map((wave) => (j: number) => size * wave(angle(j)));
    return head.map((value, i) => {
      if (i >= r) return value;
      if (layer.rotaryLayout === 'interleaved') {
        const other = i % 2 === 0 ? -head[i + 1] : head[i - 1];
        return value * cos(Math.floor(i / 2)) + other * sin(Math.floor(i / 2));
      }
      const other = i < r / 2 ? -head[i + r / 2] : head[i - r / 2];
      return value * cos(i % (r / 2)) + other * sin(i % (r / 2));
    });
  };
  const q = x.map((row, s) =>
    cut(normed(times(layer.q, layer.qBias, row), layer.qNorm), heads).map((h) => turned(h, s)),
  );
  const k = x.map((row, s) =>
    cut(normed(times(layer.k, layer.kBias, row), layer.kNorm), groups).map((h) => turned(h, s)),
  );
  const v = x.map((row) => cut(times(layer.v, layer.vBias, row), groups));
  return x.map((row, s) => {
    const joined = q[s].flatMap((query, head) => {
      const shared = Math.floor(head / (heads / groups));
      const scores = x.map((_, t) => {
        if (mask === 'causal' && t > s) return Number.NEGATIVE_INFINITY;
        if (window != null && Math.abs(s - t) >= window) return Number.NEGATIVE_INFINITY;
        let score =
          query.reduce((sum, one, i) => sum + one * k[t][shared][i], 0) * (layer.scale ?? query.length ** -0.5);
        if (softcap != null) score = softcap * Math.tanh(score / softcap);
        return alibi == null ? score : score - SLOPES[heads][head] * Math.abs(s - t);
      });
      const most = Math.max(...scores);
      const weights = scores.map((score) => Math.exp(score - most));
      const sum = weights.reduce((a, b) => a + b);
      return v[s][shared].map((_, i) =>
        weights.reduce((total, weight, t) => total + (weight / sum) * v[t][shared][i], 0),
      );
    });
    return times(layer.o, layer.oBias, joined).map((value, i) => beta * value + (alpha === 0 ? 0 : alpha * row[i]));
  });
}

/** Inverse frequencies, and what cosines and sines are multiplied by, as transformers' `modeling_rope_utils` says. */
function stretched(scaling: RopeScaling, base: number, dim: number, length: number): [number[], number] {
  const {
    factor = 1,
    original_max_position_embeddings: max = 1,
    low_freq_factor = 1,
    high_freq_factor = 4,
    beta_fast,
    beta_slow,
    attention_factor,
    mscale,
    mscale_all_dim,
    truncate,
  } = scaling;
  const inverse = (of: number) => Array.from({ length: dim / 2 }, (_, i) => 1 / of ** ((2 * i) / dim));
  const type = scaling.rope_type ?? scaling.type;
  if (type === 'linear') return [inverse(base).map((f) => f / factor), 1];
  if (type === 'dynamic') {
    const seen = Math.max(length, max);
    return [inverse(base * ((factor * seen) / max - (factor - 1)) ** (dim / (dim - 2))), 1];
  }
  if (type === 'llama3') {
    const [lowWavelength, highWavelength] = [max / low_freq_factor, max / high_freq_factor];
    const one = (f: number) => {
      const wavelength = (2 * Math.PI) / f;
      const slow = wavelength > lowWavelength ? f / factor : f;
      if (wavelength < highWavelength || wavelength > lowWavelength) return slow;
      const smooth = (max / wavelength - low_freq_factor) / (high_freq_factor - low_freq_factor);
      return ((1 - smooth) * slow) / factor + smooth * slow;
    };
    return [inverse(base).map(one), 1];
  }
  if (type === 'yarn') {
    const correction = (rotations: number) => (dim * Math.log(max / (rotations * 2 * Math.PI))) / (2 * Math.log(base));
    let [low, high] = [correction(beta_fast ?? 32), correction(beta_slow ?? 1)];
    if (truncate !== false) [low, high] = [Math.floor(low), Math.ceil(high)];
    [low, high] = [Math.max(low, 0), Math.min(high, dim - 1)];
    if (low === high) high += 0.001;
    const ramp = (i: number) => Math.max(0, Math.min(1, (i - low) / (high - low)));
    const of = (m: number) => (factor <= 1 ? 1 : 0.1 * m * Math.log(factor) + 1);
    const usual = mscale && mscale_all_dim ? of(mscale) / of(mscale_all_dim) : of(1);
    const frequencies = inverse(base).map((f, i) => (1 / (factor / f)) * ramp(i) + f * (1 - ramp(i)));
    return [frequencies, attention_factor ?? usual];
  }
  return [inverse(base), 1];
}

/** Of the paper, and of BLOOM for numbers of heads that are no power of two. */
const SLOPES: Record<number, readonly number[]> = {
  4: [1 / 4, 1 / 16, 1 / 64, 1 / 256],
  3: [1 / 16, 1 / 256, 1 / 4],
};

const LLAMA = { rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4 } as const;

const CASES: Record<string, readonly [Sizes, Fields?, number?]> = {
  causal: [{ inputs: 6, heads: 2, size: 3 }],
  'without a mask, with biases': [{ inputs: 5, heads: 2, size: 4, biased: true }, { mask: 'none' }],
  'with shared keys and values': [{ inputs: 8, heads: 6, kvHeads: 2, size: 2, biased: true }],
  'with one head of keys, and values of another size': [{ inputs: 4, heads: 4, kvHeads: 1, size: 2, valueSize: 5 }],
  'with rotations, half-split': [{ inputs: 6, heads: 2, size: 4 }, { rotaryBase: 100 }],
  'with rotations, interleaved': [
    { inputs: 6, heads: 2, size: 4 },
    { rotaryBase: 100, rotaryLayout: 'interleaved' },
  ],
  'with rotations of a part, scaled': [
    { inputs: 6, heads: 3, size: 6 },
    { rotaryBase: 50, rotaryDimension: 4, rotaryScaling: 4 },
  ],
  'with interleaved rotations of a part': [
    { inputs: 6, heads: 3, size: 6 },
    { rotaryBase: 50, rotaryDimension: 2, rotaryLayout: 'interleaved' },
  ],
  'with rotations as of Llama 3': [
    { inputs: 6, heads: 2, size: 8 },
    { rotaryBase: 50, rotaryScaling: { ...LLAMA, original_max_position_embeddings: 40 } },
  ],
  'with rotations as of Llama 3, interleaved and of a part': [
    { inputs: 6, heads: 2, size: 8 },
    {
      ...{ rotaryBase: 30, rotaryDimension: 6, rotaryLayout: 'interleaved' },
      rotaryScaling: { ...LLAMA, original_max_position_embeddings: 24 },
    },
  ],
  'with rotations by YaRN': [
    { inputs: 6, heads: 2, size: 8 },
    {
      rotaryBase: 20,
      rotaryScaling: { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 64, beta_fast: 6, beta_slow: 1 },
    },
  ],
  'with rotations by YaRN, as usual, over many positions': [
    { inputs: 6, heads: 2, size: 16 },
    { rotaryBase: 1e4, rotaryScaling: { type: 'yarn', factor: 16, original_max_position_embeddings: 4096 } },
    40,
  ],
  'with rotations by YaRN, of a part, with all that may be said': [
    { inputs: 6, heads: 2, size: 12 },
    {
      ...{ rotaryBase: 100, rotaryDimension: 8 },
      rotaryScaling: {
        ...{ rope_type: 'yarn', factor: 4, original_max_position_embeddings: 128, beta_fast: 8, truncate: false },
        ...{ mscale: 0.7, mscale_all_dim: 1.2 },
      },
    },
  ],
  'with rotations by YaRN of a given size': [
    { inputs: 6, heads: 2, size: 4 },
    {
      rotaryBase: 100,
      rotaryScaling: { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 128, attention_factor: 1.5 },
    },
  ],
  'with rotations by NTK, beyond what was trained': [
    { inputs: 6, heads: 2, size: 6 },
    { rotaryBase: 50, rotaryScaling: { rope_type: 'dynamic', factor: 3, original_max_position_embeddings: 4 } },
  ],
  'with rotations by NTK, within what was trained': [
    { inputs: 6, heads: 2, size: 6 },
    { rotaryBase: 50, rotaryScaling: { rope_type: 'dynamic', factor: 3, original_max_position_embeddings: 9 } },
  ],
  'with rotations divided': [
    { inputs: 6, heads: 2, size: 6 },
    { rotaryBase: 50, rotaryScaling: { rope_type: 'linear', factor: 3 } },
  ],
  'with a window': [{ inputs: 4, heads: 2, size: 2 }, { window: 3 }, 9],
  'with a window to both sides': [{ inputs: 4, heads: 2, size: 2 }, { window: 2, mask: 'none' }, 9],
  'with ALiBi': [{ inputs: 4, heads: 4, size: 2 }, { alibi: 8 }],
  'with ALiBi of three heads, without a mask': [
    { inputs: 4, heads: 3, size: 2 },
    { alibi: 8, mask: 'none' },
  ],
  'with bounded scores of another scale': [
    { inputs: 4, heads: 2, size: 4 },
    { softcap: 2, scale: 0.8 },
  ],
  'with a residual': [
    { inputs: 4, heads: 2, size: 2 },
    { alpha: 1, beta: 0.5 },
  ],
  'over more positions than a block of queries': [
    { inputs: 4, heads: 2, size: 2 },
    { window: 40, rotaryBase: 1e4 },
    70,
  ],
};

describe('softmax attention', () => {
  it.each(Object.entries(CASES))('%s: gives what transformers give', async (_, [sizes, fields, positions = 7]) => {
    const draw = random(1);
    const layer = attention(draw, sizes, fields);
    await expectForward(createModel({ layers: [layer], positions }), draw, (x) => plain(layer, x), { batch: 3 });
  });

  it.each([
    ['every head', 4, 4, 0],
    ['all heads as one', 8, 4, 1],
  ])('normalises queries and keys, %s', async (_, ofQueries, ofKeys, normOffset) => {
    const draw = random(2);
    const norms = { qNorm: randomTensor(draw, ofQueries), kNorm: randomTensor(draw, ofKeys) };
    const layer = attention(
      draw,
      { inputs: 5, heads: 2, kvHeads: 1, size: 4, biased: true },
      { ...norms, normOffset, normEpsilon: 0.01, rotaryBase: 10 },
    );
    await expectForward(createModel({ layers: [layer], positions: 6 }), draw, (x) => plain(layer, x));
  });

  it('turns interleaved as half-split where the rows are exchanged for it', async () => {
    const [heads, size] = [2, 6];
    const sizes = { inputs: 5, heads, size };
    const interleaved = attention(random(3), sizes, { rotaryBase: 100, rotaryLayout: 'interleaved' });
    const layer = interleaved as SoftmaxAttentionLayer;
    const exchanged = ({ data, shape }: Tensor) => {
      const rows = cut(Array.from(data), shape[0]);
      const from = (i: number) => i - (i % size) + (i % size < size / 2 ? 2 * (i % size) : 2 * (i % size) - size + 1);
      return tensor(
        rows.flatMap((_, i) => rows[from(i)]),
        shape,
      );
    };
    const half = { ...layer, q: exchanged(layer.q), k: exchanged(layer.k), rotaryLayout: 'half' } as LayerDefinition;
    const model = createModel({ layers: [half], positions: 5 });
    await expectForward(model, random(4), (x) => plain(interleaved, x));
  });

  it('is sampled, and refused by everything else with the reason', async () => {
    const [a, b] = [1, 2].map((seed) => {
      const draw = random(seed);
      const layers = [attention(draw, { inputs: 4, heads: 2, size: 2 }, { alpha: 1 }), randomLinear(draw, 2, 4)];
      return createModel({ layers, positions: 3 });
    });
    expect(a.degree).toBeNull();
    expect(await similarity(a, b, { tolerance: 0.1 })).toMatchObject({ method: 'sampled', exact: false });
    await expect(similarity(a, b, { method: 'exact' })).rejects.toMatchObject({
      code: 'UNSUPPORTED_LAYER',
      message: expect.stringContaining('has softmax attention, for which no method is exact'),
    });
    await expect(similarity(a, b, { method: 'closure' })).rejects.toThrow('for which there is no closure');
  });

  it.each([
    [{ heads: 3, kvHeads: 3 }, 'rows do not divide into 3 heads'],
    [{ kvHeads: 3 }, '2 heads do not share 3 heads'],
    [{ mask: 'left' }, 'mask is "left"'],
    [{ window: 0 }, 'window is 0'],
    [{ rotaryBase: -1 }, 'rotaryBase is -1, not a positive number'],
    [{ rotaryBase: 10, rotaryDimension: 3 }, '3 of 4 features of a head cannot turn in pairs'],
    [{ rotaryLayout: 'both' }, 'rotaryLayout is "both"'],
    [{ rotaryScaling: 0 }, 'rotaryScaling is 0, neither a positive number nor an object'],
    [{ rotaryScaling: [] }, 'rotaryScaling is [], neither a positive number nor an object'],
    [{ rotaryScaling: { rope_type: 'longrope', factor: 4 } }, 'of the type "longrope"; known are default, linear'],
    [{ rotaryScaling: { rope_type: 'llama3', factor: 8 } }, 'of the type "llama3" needs "low_freq_factor"'],
    [{ rotaryScaling: { rope_type: 'linear', factor: -1 } }, 'factor is -1, not a positive number'],
    [{ rotaryScaling: { rope_type: 'linear', factor: 2, beta_fast: 3 } }, 'of the type "linear" has no "beta_fast"'],
    [
      { rotaryScaling: { ...LLAMA, low_freq_factor: 4, original_max_position_embeddings: 8 } },
      'low_freq_factor 4 is not below high_freq_factor 4',
    ],
    [
      { rotaryScaling: { rope_type: 'dynamic', factor: 2, original_max_position_embeddings: 1.5 } },
      'original_max_position_embeddings is 1.5, not a whole number',
    ],
    [{ qNorm: tensor([1, 2, 3], [3]) }, 'a norm of every head has [4], one of all [8]'],
    [{ o: tensor(new Float64Array(20), [5, 4]) }, 'takes 4 features, but the heads give 8'],
    [{ k: tensor(new Float64Array(20), [4, 5]) }, '2 heads of 4 features are needed'],
  ])('is refused with %j', (fields, message) => {
    const layer = attention(random(5), { inputs: 5, heads: 2, size: 4 }, fields as Fields);
    expect(() => createModel({ layers: [layer], positions: 2 })).toThrow(message);
  });
});

describe('learned positions', () => {
  it('are added, as many as an input has', async () => {
    const draw = random(6);
    const weight = randomTensor(draw, 8, 3);
    const model = createModel({ layers: [{ type: 'positions', weight }], positions: 5 });
    await expectForward(model, draw, (x) => x.map((row, s) => row.map((value, i) => value + weight.data[s * 3 + i])));
    expect(model.degree).toBe(1);
  });

  it('are refused where there are too few', () => {
    const layers: LayerDefinition[] = [{ type: 'positions', weight: randomTensor(random(7), 2, 3) }];
    expect(() => createModel({ layers, positions: 3 })).toThrow('has 2 positions, but inputs of the model have 3');
  });
});

describe('an embedding that is the unembedding as well', () => {
  it('is one tensor in two places', async () => {
    const draw = random(8);
    const embedding = randomTensor(draw, 6, 4);
    const transposed = tensor(
      Array.from({ length: 24 }, (_, i) => embedding.data[(i % 6) * 4 + Math.floor(i / 6)]),
      [4, 6],
    );
    const layer = attention(draw, { inputs: 4, heads: 2, size: 2 }, { alpha: 1 });
    const layers: LayerDefinition[] = [
      { type: 'linear', weight: { data: embedding.data, shape: [4, 6], strides: [1, 4] } as Tensor },
      layer,
      { type: 'linear', weight: embedding },
    ];
    const model = createModel({ layers, positions: 4 });
    await expectForward(model, draw, (x) =>
      plain(
        layer,
        x.map((row) => times(transposed, undefined, row)),
      ).map((row) => times(embedding, undefined, row)),
    );
  });
});
