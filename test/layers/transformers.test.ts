import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { evaluate } from '../../lib/evaluation/evaluate.js';
import { writeSafetensors } from '../../lib/formats/safetensors/write.js';
import { inspect } from '../../lib/model/reading/inspect.js';
import { loadModel } from '../../lib/model/reading/load.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { tensim } from '../cli/run.js';
import { availableBackends } from '../support/backends.js';
import { difference } from '../support/forward.js';
import { randomTensor } from '../support/models.js';
import { random } from '../support/random.js';

/*
 * Whole transformers as a model.json describes them, against the loops that their papers say: GPT-2 (learned positions,
 * LayerNorm, GELU, biases), Llama 3 (RMSNorm, grouped keys, scaled rotations, SwiGLU), GPT-NeoX (parallel residuals, a
 * part of each head turning).
 */

const [V, D, N, HEADS] = [11, 8, 6, 2];
type Weights = Record<string, Tensor>;
type Rows = number[][];

interface Kind {
  readonly tensors: (make: (...shape: number[]) => Tensor) => Weights;
  readonly layers: unknown[];
  readonly logits: (weights: Weights, tokens: readonly number[]) => Rows;
}

const apply = ({ data, shape: [rows, columns] }: Tensor, x: readonly number[], bias?: Tensor): number[] =>
  Array.from({ length: rows }, (_, i) => {
    let sum = bias === undefined ? 0 : bias.data[i];
    for (let j = 0; j < columns; j++) sum += data[i * columns + j] * x[j];
    return sum;
  });

const add = (...all: Rows[]): Rows =>
  all[0].map((row, s) => row.map((_, i) => all.reduce((sum, x) => sum + x[s][i], 0)));

const layerNorm = (x: Rows, weight: Tensor, bias: Tensor, epsilon = 1e-5): Rows =>
  x.map((row) => {
    const mean = row.reduce((a, b) => a + b) / row.length;
    const variance = row.reduce((sum, one) => sum + (one - mean) ** 2, 0) / row.length;
    return row.map((one, i) => ((one - mean) / Math.sqrt(variance + epsilon)) * weight.data[i] + bias.data[i]);
  });

const rmsNorm = (x: Rows, weight: Tensor, epsilon = 1e-6): Rows =>
  x.map((row) => {
    const square = row.reduce((sum, one) => sum + one ** 2, 0) / row.length;
    return row.map((one, i) => (one / Math.sqrt(square + epsilon)) * weight.data[i]);
  });

/** Causal, heads one after the other in every row. @param turn of a head at a position. */
function attend(q: Rows, k: Rows, v: Rows, groups: number, turn = (head: number[], _s: number) => head): Rows {
  const size = q[0].length / HEADS;
  const head = (row: number[], h: number) => row.slice(h * size, (h + 1) * size);
  return q.map((row, s) =>
    Array.from({ length: HEADS }, (_, h) => {
      const g = Math.floor((h * groups) / HEADS);
      const query = turn(head(row, h), s);
      const scores: number[] = [];
      for (let t = 0; t <= s; t++) {
        const key = turn(head(k[t], g), t);
        scores.push(Math.exp(query.reduce((sum, one, i) => sum + one * key[i], 0) / Math.sqrt(size)));
      }
      const total = scores.reduce((a, b) => a + b);
      return Array.from({ length: size }, (_, i) =>
        scores.reduce((sum, score, t) => sum + (score / total) * head(v[t], g)[i], 0),
      );
    }).flat(),
  );
}

const tanhGelu = (u: number) => 0.5 * u * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (u + 0.044715 * u ** 3)));
const silu = (u: number) => u / (1 + Math.exp(-u));

/** Turns the pairs j and j + r/2 of the first r features. */
const rotary =
  (frequencies: readonly number[]) =>
  (head: number[], s: number): number[] => {
    const half = frequencies.length;
    const turned = [...head];
    for (let j = 0; j < half; j++) {
      const [cos, sin] = [Math.cos(s * frequencies[j]), Math.sin(s * frequencies[j])];
      turned[j] = head[j] * cos - head[j + half] * sin;
      turned[j + half] = head[j + half] * cos + head[j] * sin;
    }
    return turned;
  };

const embedding = (name: string) => ({ type: 'linear', weight: name, transposed: true });
const branch = (...layers: unknown[]) => ({ type: 'parallel', branches: [layers] });
const column = ({ data }: Tensor, token: number): number[] => Array.from(data.slice(token * D, (token + 1) * D));

const gpt2: Kind = {
  tensors: (make) => ({
    ...{ 'wte.weight': make(V, D), 'wpe.weight': make(9, D), 'ln_f.weight': make(D), 'ln_f.bias': make(D) },
    ...Object.assign(
      {},
      ...[0, 1].map((l) => ({
        ...{ [`h.${l}.ln_1.weight`]: make(D), [`h.${l}.ln_1.bias`]: make(D) },
        ...{ [`h.${l}.ln_2.weight`]: make(D), [`h.${l}.ln_2.bias`]: make(D) },
        ...Object.fromEntries(
          ['q', 'k', 'v', 'o'].flatMap((p) => [
            [`h.${l}.${p}.weight`, make(D, D)],
            [`h.${l}.${p}.bias`, make(D)],
          ]),
        ),
        ...{ [`h.${l}.fc.weight`]: make(4 * D, D), [`h.${l}.fc.bias`]: make(4 * D) },
        ...{ [`h.${l}.proj.weight`]: make(D, 4 * D), [`h.${l}.proj.bias`]: make(D) },
      })),
    ),
  }),
  layers: [
    embedding('wte.weight'),
    { type: 'positions', weight: 'wpe.weight' },
    ...[0, 1].flatMap((l) => {
      const norm = (name: string) => ({
        type: 'layer_norm',
        weight: `h.${l}.${name}.weight`,
        bias: `h.${l}.${name}.bias`,
        epsilon: 1e-5,
      });
      const parts = Object.fromEntries(
        ['q', 'k', 'v', 'o'].flatMap((p) => [
          [p, `h.${l}.${p}.weight`],
          [`${p}Bias`, `h.${l}.${p}.bias`],
        ]),
      );
      return [
        branch(norm('ln_1'), { type: 'softmax_attention', heads: HEADS, mask: 'causal', ...parts }),
        branch(norm('ln_2'), {
          ...{ type: 'hidden', activation: 'gelu_new', weight: `h.${l}.fc.weight`, bias: `h.${l}.fc.bias` },
          ...{ down: `h.${l}.proj.weight`, downBias: `h.${l}.proj.bias` },
        }),
      ];
    }),
    { type: 'layer_norm', weight: 'ln_f.weight', bias: 'ln_f.bias', epsilon: 1e-5 },
    { type: 'linear', weight: 'wte.weight' },
  ],
  logits: (w, tokens) => {
    let x = tokens.map((token, s) =>
      column(w['wte.weight'], token).map((one, i) => one + w['wpe.weight'].data[s * D + i]),
    );
    for (const l of [0, 1]) {
      const at = (name: string) => [w[`h.${l}.${name}.weight`], w[`h.${l}.${name}.bias`]] as const;
      const map = (rows: Rows, name: string) => rows.map((row) => apply(at(name)[0], row, at(name)[1]));
      const normed = layerNorm(x, ...at('ln_1'));
      x = add(x, map(attend(map(normed, 'q'), map(normed, 'k'), map(normed, 'v'), HEADS), 'o'));
      x = add(
        x,
        map(
          map(layerNorm(x, ...at('ln_2')), 'fc').map((row) => row.map(tanhGelu)),
          'proj',
        ),
      );
    }
    return layerNorm(x, w['ln_f.weight'], w['ln_f.bias']).map((row) => apply(w['wte.weight'], row));
  },
};

const SCALING = {
  rope_type: 'llama3',
  factor: 8,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 32,
};

const llama: Kind = {
  tensors: (make) => ({
    ...{ 'embed.weight': make(V, D), 'norm.weight': make(D) },
    ...Object.assign(
      {},
      ...[0, 1].map((l) => ({
        ...{ [`layers.${l}.n1.weight`]: make(D), [`layers.${l}.n2.weight`]: make(D) },
        ...{ [`layers.${l}.q.weight`]: make(D, D), [`layers.${l}.k.weight`]: make(D / 2, D) },
        ...{ [`layers.${l}.v.weight`]: make(D / 2, D), [`layers.${l}.o.weight`]: make(D, D) },
        ...{ [`layers.${l}.gate.weight`]: make(12, D), [`layers.${l}.up.weight`]: make(12, D) },
        ...{ [`layers.${l}.down.weight`]: make(D, 12) },
      })),
    ),
  }),
  layers: [
    embedding('embed.weight'),
    ...[0, 1].flatMap((l) => {
      const norm = (name: string) => ({ type: 'rms_norm', weight: `layers.${l}.${name}.weight`, epsilon: 1e-6 });
      const parts = (...names: string[]) => Object.fromEntries(names.map((p) => [p, `layers.${l}.${p}.weight`]));
      return [
        branch(norm('n1'), {
          ...{ type: 'softmax_attention', heads: HEADS, kvHeads: 1, mask: 'causal', ...parts('q', 'k', 'v', 'o') },
          ...{ rotaryBase: 500, rotaryScaling: SCALING },
        }),
        branch(norm('n2'), { type: 'gated', activation: 'silu', ...parts('gate', 'up', 'down') }),
      ];
    }),
    { type: 'rms_norm', weight: 'norm.weight', epsilon: 1e-6 },
    { type: 'linear', weight: 'embed.weight' },
  ],
  logits: (w, tokens) => {
    // Wavelengths of 2π and 141 of 32 positions: the first pair turns as it is, the second eight times as slowly.
    const turn = rotary([lambda(1), lambda(500 ** -0.5)]);
    let x = tokens.map((token) => column(w['embed.weight'], token));
    for (const l of [0, 1]) {
      const map = (rows: Rows, name: string) => rows.map((row) => apply(w[`layers.${l}.${name}.weight`], row));
      const normed = rmsNorm(x, w[`layers.${l}.n1.weight`]);
      x = add(x, map(attend(map(normed, 'q'), map(normed, 'k'), map(normed, 'v'), 1, turn), 'o'));
      const inner = rmsNorm(x, w[`layers.${l}.n2.weight`]);
      const [gate, up] = [map(inner, 'gate'), map(inner, 'up')];
      x = add(
        x,
        map(
          gate.map((row, s) => row.map((one, i) => silu(one) * up[s][i])),
          'down',
        ),
      );
    }
    return rmsNorm(x, w['norm.weight']).map((row) => apply(w['embed.weight'], row));
  },
};

/** A frequency of Llama 3.1: slow ones an eighth, quick ones as they are; between them as far as it is between. */
function lambda(frequency: number): number {
  const turns = (32 * frequency) / (2 * Math.PI);
  const share = Math.min(Math.max((turns - 1) / 3, 0), 1);
  return frequency * (share + (1 - share) / 8);
}

const neox: Kind = {
  tensors: (make) => ({
    ...{ 'embed_in.weight': make(V, D), 'embed_out.weight': make(V, D) },
    ...Object.fromEntries(
      ['ln1', 'ln2', 'q', 'k', 'v', 'o', 'up', 'down'].flatMap((name) => {
        const shape: Record<string, number[]> = { ln1: [D], ln2: [D], up: [16, D], down: [D, 16] };
        const own = shape[name] ?? [D, D];
        return [
          [`0.${name}.weight`, make(...own)],
          [`0.${name}.bias`, make(own[0])],
        ];
      }),
    ),
  }),
  layers: [
    embedding('embed_in.weight'),
    {
      type: 'parallel',
      branches: [
        [
          { type: 'layer_norm', weight: '0.ln1.weight', bias: '0.ln1.bias', epsilon: 1e-5 },
          {
            ...{ type: 'softmax_attention', heads: HEADS, mask: 'causal', rotaryBase: 10, rotaryDimension: 2 },
            ...Object.fromEntries(
              ['q', 'k', 'v', 'o'].flatMap((p) => [
                [p, `0.${p}.weight`],
                [`${p}Bias`, `0.${p}.bias`],
              ]),
            ),
          },
        ],
        [
          { type: 'layer_norm', weight: '0.ln2.weight', bias: '0.ln2.bias', epsilon: 1e-5 },
          {
            ...{ type: 'hidden', activation: 'relu', weight: '0.up.weight', bias: '0.up.bias' },
            ...{ down: '0.down.weight', downBias: '0.down.bias' },
          },
        ],
      ],
    },
    { type: 'linear', weight: 'embed_out.weight' },
  ],
  logits: (w, tokens) => {
    const x = tokens.map((token) => column(w['embed_in.weight'], token));
    const map = (rows: Rows, name: string) => rows.map((row) => apply(w[`0.${name}.weight`], row, w[`0.${name}.bias`]));
    const [one, two] = ['ln1', 'ln2'].map((name) => layerNorm(x, w[`0.${name}.weight`], w[`0.${name}.bias`]));
    const attention = map(attend(map(one, 'q'), map(one, 'k'), map(one, 'v'), HEADS, rotary([1])), 'o');
    const units = map(two, 'up').map((row) => row.map((u) => Math.max(u, 0)));
    return add(x, attention, map(units, 'down')).map((row) => apply(w['embed_out.weight'], row));
  },
};

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tensim-transformers-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe.each(Object.entries({ 'GPT-2': gpt2, 'Llama 3': llama, 'GPT-NeoX': neox }))(
  '%s',
  (name, { tensors, layers, logits }) => {
    const make = async (seed: number): Promise<[path: string, weights: Weights]> => {
      const draw = random(seed);
      const weights = tensors((...shape) => {
        const { data } = randomTensor(draw, ...shape);
        return { data: data.map((one) => (shape.length === 1 ? one : one * 1.5)), shape };
      });
      const base = `${name}-${seed}`;
      await writeSafetensors(join(folder, `${base}.safetensors`), weights);
      const path = join(folder, `${base}.json`);
      const description = { schema: 'tensim.model/1', weights: `${base}.safetensors`, positions: N, layers };
      await writeFile(path, JSON.stringify(description));
      return [path, weights];
    };

    it('gives the logits that the loops give, on every backend', async () => {
      const [path, weights] = await make(1);
      const model = await loadModel(path);
      const inputs = [
        [0, 1, 2, 3, 4, 5],
        [10, 10, 3, 7, 0, 9],
        [8, 2, 2, 6, 6, 1],
      ];
      const expected = inputs.flatMap((tokens) => logits(weights, tokens).flat());
      for (const backend of availableBackends) {
        const { data, shape } = await evaluate(model, inputs, { backend });
        expect(shape).toEqual([3, N, V]);
        expect(difference(data, expected)).toBeLessThan(1e-12);
        const single = await evaluate(model, inputs, { backend, dtype: 'float32' });
        expect(difference(single.data, expected)).toBeLessThan(1e-5);
      }
    });

    it('is compared with another over random tokens, from the command line', async () => {
      const [[a], [b]] = [await make(1), await make(2)];
      expect(await inspect(a)).toMatchObject({ problems: [], method: 'sampled', positions: N, inputs: V, outputs: V });
      const args = ['compare', a, b, '--method', 'sampled', '--input', 'tokens', '--tolerance', '0.3', '--json'];
      const { code, stdout } = await tensim(args);
      expect(code).toBe(0);
      const found = JSON.parse(stdout);
      expect(found).toMatchObject({ method: 'sampled' });
      expect(Math.abs(found.similarity)).toBeLessThan(1);
    });
  },
);
