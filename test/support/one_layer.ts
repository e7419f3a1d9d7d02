import { similarity } from '../../lib/similarity/similarity.js';
import { openBlocks, productsOfHeads } from './open_blocks.js';
import { type Given, joined, rowsOf, type SmallLayer, smallLayer, TOKENS } from './transformers.js';

/* One small block with the network that it is as GPT-2, to write in other layouts and compare with. */

export const one = smallLayer(2, 4);
export const { d, heads, width, units } = one;
export const rows = heads * width;

export const norm = (name: string, at: 0 | 1, of: SmallLayer = one): Given => ({
  [`${name}.weight`]: [of.gains[at], d],
  [`${name}.bias`]: [of.shifts[at], d],
});

export const linear = (name: string, weight: Float64Array, bias: Float64Array): Given => ({
  [`${name}.weight`]: [weight, bias.length, weight.length / bias.length],
  [`${name}.bias`]: [bias, bias.length],
});

/** Matrices of one each: of attention's, then of the MLP's. */
export function matrices(
  layer: string,
  [query, key, value, output]: readonly string[],
  [up, down]: readonly string[],
  of: SmallLayer = one,
): Given {
  return {
    ...linear(`${layer}${query}`, of.query, of.queryBias),
    ...linear(`${layer}${key}`, of.key, of.keyBias),
    ...linear(`${layer}${value}`, of.value, of.valueBias),
    ...linear(`${layer}${output}`, of.output, of.outputBias),
    ...linear(`${layer}${up}`, of.up, of.upBias),
    ...linear(`${layer}${down}`, of.down, of.downBias),
  };
}

/** The same with queries, keys and values in one matrix, whose rows are in this order of the three parts' rows. */
export function packed(
  layer: string,
  [all, output]: readonly string[],
  [up, down]: readonly string[],
  order: readonly number[],
): Given {
  return {
    ...linear(
      `${layer}${all}`,
      rowsOf(joined(one.query, one.key, one.value), d, order),
      rowsOf(joined(one.queryBias, one.keyBias, one.valueBias), 1, order),
    ),
    ...linear(`${layer}${output}`, one.output, one.outputBias),
    ...linear(`${layer}${up}`, one.up, one.upBias),
    ...linear(`${layer}${down}`, one.down, one.downBias),
  };
}

export const inOrder = Array.from({ length: 3 * rows }, (_, row) => row);
export const run = (from: number, count: number) => Array.from({ length: count }, (_, i) => from + i);
/** Head by head: its query, its key, its value. */
export const byHead = run(0, heads).flatMap((h) => [0, 1, 2].flatMap((part) => run(part * rows + h * width, width)));
/** In four parts: queries, values, keys of the heads of each. */
export const byCore = run(0, 4).flatMap((core) =>
  [0, 2, 1].flatMap((part) => run(part * rows + (core * rows) / 4, rows / 4)),
);

export const gpt2 = (layer = 'h.0.'): Given => ({
  ...packed(layer, ['attn.c_attn', 'attn.c_proj'], ['mlp.c_fc', 'mlp.c_proj'], inOrder),
  ...norm(`${layer}ln_1`, 0),
  ...norm(`${layer}ln_2`, 1),
});
export const embeddings = (token: string, position?: string): Given => ({
  [token]: [one.embedding, TOKENS, d],
  ...(position !== undefined && { [position]: [one.embedding, 1, TOKENS, d] as [Float64Array, ...number[]] }),
});

export const GELU = { n_head: 4, activation: 'gelu' };

/** Which of a network's blocks are those of another, and how far their heads' scores are off at most. */
export async function compared(tensors: Given, config: Record<string, unknown>, at = 0) {
  const [own, other] = [await openBlocks(gpt2(), GELU), await openBlocks(tensors, config, at)];
  const [self, mixed] = [
    await productsOfHeads(own.circuits!, own.circuits!),
    await productsOfHeads(own.circuits!, other.circuits!),
  ];
  const off = (a: Float64Array, b: Float64Array) =>
    Math.max(...a.map((value, i) => Math.abs(value - b[i]))) / Math.max(...a.map(Math.abs));
  return {
    ...other,
    scores: off(self.scores, mixed.scores),
    values: off(self.values, mixed.values),
    functions: Math.abs(1 - (await similarity(own.mlp!, other.mlp!)).similarity),
  };
}

/** Names of the matrices of a BERT. */
export const BERT_MATRICES = (of: string) =>
  [
    [...['query', 'key', 'value'].map((name) => `attention.${of}.${name}`), 'attention.output.dense'],
    ['intermediate.dense', 'output.dense'],
  ] as const;
