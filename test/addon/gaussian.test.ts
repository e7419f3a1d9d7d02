import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

import type { ChainMethod, ChainSource, PreparedModel, WhitenedLaw } from '../../lib/backend/grams.js';
import { openCheckpoint } from '../../lib/formats/checkpoint.js';
import { loadNative } from '../../lib/machines/native.js';
import type { AttentionLayer, BilinearLayer, Layer, LinearLayer } from '../../lib/model/model.js';
import type { DType, Tensor } from '../../lib/tensor/tensor.js';

/* The native methods by themselves, on chains put together by hand: no model loader, no choice of method. */

const native = loadNative();
const absent = 'reason' in native || process.env.TENSIM_BACKEND === 'fallback';
const here = import.meta.dirname;
const readJson = (name: string) => JSON.parse(readFileSync(join(here, '../golden', `${name}.json`), 'utf8'));

interface Values {
  readonly ab: number;
  readonly aa: number;
  readonly bb: number;
  readonly perOutput_ab?: readonly number[];
}
interface SmallCase {
  readonly family: 'deep' | 'attention';
  readonly a: string;
  readonly b: string;
  readonly blocks?: number;
  readonly layers?: number;
  readonly n_ctx?: number;
  readonly gaussian_closure: Values;
  readonly gaussian_closure_input?: Values;
  readonly gaussian_exact: Values | null;
  readonly gaussian_exact_input?: Values;
  readonly tensor?: Values;
  readonly input?: { readonly mean: readonly number[]; readonly cov: readonly (readonly number[])[] };
}
interface Chain {
  readonly layers: readonly Layer[];
  readonly inputs: number;
  readonly positions: number;
}

type Weights = Record<string, Tensor>;

function transposed({ data, shape: [rows, columns] }: Tensor): Tensor {
  const result = new Float64Array(data.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) result[j * rows + i] = data[i * columns + j];
  return { data: result, shape: [columns, rows] };
}

async function readChain(file: string): Promise<Chain> {
  const checkpoint = await openCheckpoint(file);
  try {
    const weights: Weights = {};
    for (const name of checkpoint.tensors.keys()) weights[name] = await checkpoint.read(name);
    return 'unembed.weight' in weights ? attention(weights, checkpoint.metadata) : deep(weights, checkpoint.metadata);
  } finally {
    await checkpoint.close();
  }
}

function linear(weight: Tensor): LinearLayer {
  return { type: 'linear', weight };
}

function deep(weights: Weights, metadata: Readonly<Record<string, string>>): Chain {
  const scale = Number(metadata.scale);
  const layers: Layer[] = [linear(weights['embed.weight'])];
  for (let i = 0; `body.${i}.l.weight` in weights; i++) {
    const at = (name: string) => weights[`body.${i}.${name}`];
    const layer: Record<string, unknown> = { type: 'bilinear', alpha: 1 - scale, beta: scale };
    for (const [name, place] of Object.entries({ left: 'l', right: 'r', down: 'd' })) {
      layer[name] = at(`${place}.weight`);
      if (at(`${place}.bias`)) layer[`${name}Bias`] = at(`${place}.bias`);
    }
    layers.push(layer as unknown as BilinearLayer);
  }
  layers.push(linear(weights['head.weight']));
  return { layers, inputs: weights['embed.weight'].shape[1], positions: 1 };
}

function attention(weights: Weights, metadata: Readonly<Record<string, string>>): Chain {
  const layers: Layer[] = [linear(transposed(weights['embed.weight']))];
  for (let i = 0; `layers.${i}.q1.weight` in weights; i++) {
    const layer: Record<string, unknown> = {
      type: 'attention',
      heads: Number(metadata.n_head),
      mask: metadata.mask,
      rotaryBase: Number(metadata.rotary_base ?? 10_000),
      alpha: 1,
      beta: Number(metadata.attn_scale),
    };
    for (const name of ['q1', 'k1', 'q2', 'k2', 'v', 'o']) {
      layer[name] = weights[`layers.${i}.${name}.weight`];
      const bias = weights[`layers.${i}.${name}.bias`];
      if (bias) layer[`${name}Bias`] = bias;
    }
    layers.push(layer as unknown as AttentionLayer);
  }
  layers.push(linear(weights['unembed.weight']));
  return { layers, inputs: weights['embed.weight'].shape[0], positions: Number(metadata.n_ctx) };
}

/** Cholesky: enough for the well-conditioned covariances of the golden values. */
function lawOf({ mean, cov }: NonNullable<SmallCase['input']>): WhitenedLaw {
  const n = mean.length;
  const factor = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = cov[i][j];
      for (let k = 0; k < j; k++) sum -= factor[i * n + k] * factor[j * n + k];
      factor[i * n + j] = i === j ? Math.sqrt(Math.max(sum, 0)) : sum / factor[j * n + j];
    }
  }
  return { sigma: 1, mean: Float64Array.from(mean), factor: { data: factor, columns: n } };
}

describe.skipIf(absent)('the native methods', () => {
  // The condition is for the type checker: where there is no backend, nothing here runs.
  const backend = 'reason' in native ? undefined! : native.backend;
  const job = { measure: 'gaussian', symmetric: true, perOutput: true } as const;

  async function prepareAll(
    chains: readonly Chain[],
    method: ChainMethod,
    dtype: DType = 'float64',
    law: WhitenedLaw = { sigma: 1 },
    threads = 2,
  ): Promise<PreparedModel[]> {
    const models: PreparedModel[] = [];
    for (const chain of chains) {
      const source: ChainSource = { kind: 'chain', method, law, ...chain };
      models.push(await backend.grams.prepare(source, dtype, { threads }));
    }
    return models;
  }

  async function compare(chains: readonly Chain[], method: ChainMethod, law?: WhitenedLaw): Promise<Values> {
    const models = await prepareAll(chains, method, 'float64', law);
    const { total, perOutput } = await backend.grams.tile(job, models, models);
    const outputs = models[0].outputs;
    return { ab: total[1], aa: total[0], bb: total[3], perOutput_ab: [...perOutput!.subarray(outputs, 2 * outputs)] };
  }

  function expectValues(found: Values, golden: Values, tolerance: number): void {
    const scale = Math.sqrt(golden.aa) * Math.sqrt(golden.bb);
    const close = (value: number, expected: number, size: number) =>
      expect(Math.abs(value - expected) / size).toBeLessThanOrEqual(tolerance);
    close(found.ab, golden.ab, Math.max(scale, Math.abs(golden.ab)));
    close(found.aa, golden.aa, golden.aa);
    close(found.bb, golden.bb, golden.bb);
    for (const [c, value] of (golden.perOutput_ab ?? []).entries()) close(found.perOutput_ab![c], value, scale);
  }

  describe.each(
    (readJson('small_models') as SmallCase[]).map((golden) => [golden.a.replace(/_a\..*/, ''), golden] as const),
  )('%s', (_, golden) => {
    const chains = () =>
      Promise.all([golden.a, golden.b].map((file) => readChain(join(here, '../golden/models', file))));

    it('closure to 1e-10', async () => {
      expectValues(await compare(await chains(), 'closure'), golden.gaussian_closure, 1e-10);
      if (golden.input && golden.gaussian_closure_input) {
        expectValues(
          await compare(await chains(), 'closure', lawOf(golden.input)),
          golden.gaussian_closure_input,
          1e-10,
        );
      }
    });
    if ((golden.blocks ?? golden.layers) === 1 && golden.gaussian_exact !== null) {
      it('closure is exact with one block', async () => {
        expectValues(await compare(await chains(), 'closure'), golden.gaussian_exact!, 1e-9);
      });
    }
    if (golden.family === 'deep') {
      it('tensor to 1e-10', async () => {
        expectValues(await compare(await chains(), 'tensor'), golden.tensor!, 1e-10);
      });
    }
    if (golden.family === 'deep' && golden.blocks! <= 2) {
      it('two-block to 1e-9', async () => {
        expectValues(await compare(await chains(), 'two-block'), golden.gaussian_exact!, 1e-9);
        expectValues(
          await compare(await chains(), 'two-block', lawOf(golden.input!)),
          golden.gaussian_exact_input!,
          1e-9,
        );
      });
    }
  });

  interface SeedCase {
    readonly blocks: number;
    readonly seeds: readonly [number, number];
    readonly closure: Values;
    readonly exact?: Values;
  }
  it.each(readJson('digits-seeds').cases as SeedCase[])('digits, $blocks blocks, seeds $seeds', async (golden) => {
    const { blocks, seeds } = golden;
    const chains = await Promise.all(
      seeds.map((seed) =>
        readChain(join(here, '../../examples/digits-seeds', `deep${blocks}_seed${seed}.safetensors`)),
      ),
    );
    expectValues(await compare(chains, 'closure'), golden.closure, 1e-10);
    if (golden.exact) expectValues(await compare(chains, 'two-block'), golden.exact, 1e-9);
  });
});
