import { describe, expect, test } from 'vitest';
import { type Impressed, impressionOf } from '../../lib/blocks/impression.js';
import { similarityOfBlocks } from '../../lib/blocks/similarity_of_blocks.js';
import type { BlockSubject, LayerComparison, WeightComparison } from '../../lib/blocks/terms.js';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import { writeNetwork } from '../support/block_files.js';
import { random } from '../support/random.js';
import { type Given, gauged, llamaTensors, smallLayer } from '../support/transformers.js';

const subject = (layout: string): BlockSubject => ({ path: layout, sha256: '', layout, left: [], settings: {} });
const EQUAL: WeightComparison = { cosine: 1, nmse: 0, equal: true };
const unlike = (nmse: number, cosine = 1 - nmse / 2): WeightComparison => ({ cosine, nmse, equal: false });

function layer(
  number: number,
  difference: number,
  weights: WeightComparison,
  part: 'mlp' | 'qk' = 'mlp',
): LayerComparison {
  const [mlp, qk] = part === 'mlp' ? [1 - difference, 1] : [1, 1 - difference];
  return {
    layer: number,
    mlp: { similarity: mlp, fidelityError: 2 * (1 - mlp), exact: true, standardError: null, input: 'standard' },
    attention: {
      input: 'standard',
      heads: [{ head: 0, answeredBy: 0, qk, ov: 1 }],
      ov: { similarity: 1, fidelityError: 0 },
    },
    weights,
  };
}

function impress(layers: readonly LayerComparison[], about: Partial<Impressed> = {}) {
  const pair = { a: subject('llama'), b: subject('llama') };
  return impressionOf({ ...pair, alignment: 'heads', layers, embedding: EQUAL, ...about });
}
const all = (differences: readonly number[], weights: WeightComparison, part: 'mlp' | 'qk' = 'mlp') =>
  differences.map((value, i) => layer(i, value, weights, part));

describe('two networks look', () => {
  test('the same', () => {
    expect(impress(all([0, 0], EQUAL))).toEqual({
      kind: 'same',
      words: 'All weights that were compared are equal.',
      layers: [],
    });
  });

  test('like a conversion: of names, of weights of one function, of precision', () => {
    const named = impress(all([0, 0], EQUAL), { b: subject('gguf') });
    expect(named).toMatchObject({ kind: 'conversion', words: expect.stringMatching(/as llama and as gguf name them/) });
    const moved = impress(all([1e-15, 1e-14], unlike(1.4, 0.2)));
    expect(moved).toMatchObject({
      kind: 'conversion',
      words: expect.stringMatching(/other weights, with heads aligned/),
    });
    for (const [name, nmse] of [
      ['bfloat16', 2.7e-6],
      ['float16', 4.3e-8],
    ] as const)
      expect(impress(all([2e-6, 3e-6], unlike(nmse)), { embedding: unlike(nmse * 1.1) })).toMatchObject({
        kind: 'conversion',
        words: expect.stringContaining(`rounding to ${name} leaves`),
      });
  });

  test('not like rounding where one layer was changed more, or one was not', () => {
    const rounded = unlike(2.7e-6);
    const embedding = unlike(2.7e-6);
    expect(impress([layer(0, 1e-6, rounded), layer(1, 3e-6, unlike(8e-6))], { embedding }).kind).toBe('fine-tune');
    expect(impress([layer(0, 1e-6, rounded), layer(1, 2e-6, rounded)], { embedding: EQUAL }).kind).toBe('fine-tune');
  });

  test('like a patch, in one layer or a quarter of them, on whatever all have', () => {
    const one = impress([layer(0, 0, EQUAL), layer(3, 0.2, unlike(0.1)), layer(4, 0, EQUAL)]);
    expect(one).toMatchObject({
      kind: 'patch',
      layers: [3],
      words: expect.stringMatching(/layer 3 changed, the others are/),
    });
    const differences = [1e-5, 2e-5, 0.4, 1e-5, 0.01, 3e-5, 1e-5, 1e-5];
    const two = impress(all(differences, unlike(0.01), 'qk'));
    expect(two).toMatchObject({
      kind: 'patch',
      layers: [2, 4],
      words: expect.stringMatching(/the others differ far less/),
    });
    expect(
      impress(
        all(
          differences.map((value, i) => (i < 3 ? 0.4 : value)),
          unlike(0.01),
        ),
      ).kind,
    ).toBe('unclear');
  });

  test('like a patch of the embeddings', () => {
    const found = impress(all([0, 0], EQUAL), { embedding: unlike(0.1) });
    expect(found).toMatchObject({ kind: 'patch', layers: [], words: expect.stringMatching(/only the embeddings/) });
  });

  test('like a fine-tune, where all layers differ a little', () => {
    expect(impress(all([0.01, 0.02, 0.005, 0.03], unlike(0.01))).kind).toBe('fine-tune');
    expect(impress(all([0.2], unlike(0.1))).kind).toBe('fine-tune');
    expect(impress(all([0.4, 0.4, 0.4, 0.4], unlike(0.5))).kind).toBe('unclear');
    expect(impress(all([0.0001, 0.0001, 0.0001, 0.004], unlike(0.01))).kind).toBe('unclear');
  });

  test('like another seed, where nothing is alike', () => {
    const layers = all([0.9, 1.02, 0.8], unlike(2, 0.01));
    expect(impress(layers)).toMatchObject({
      kind: 'unrelated',
      words: expect.stringMatching(/unless .*--align rotation/),
    });
    const rotation = { identity: true } as NonNullable<Impressed['rotation']>;
    expect(impress(layers, { alignment: 'rotation', rotation }).words).toMatch(
      /with heads, units and the stream aligned/,
    );
    expect(impress(all([0.9, 1.02, 0.8], unlike(0.4, 0.8))).kind).toBe('unclear');
  });

  test('like nothing, where there are no blocks', () => {
    expect(impress([]).kind).toBe('unclear');
  });
});

describe('networks that were changed look', () => {
  const root = temporaryFolder();
  const config = { n_head: 4, num_key_value_heads: 2, hidden_act: 'silu' };
  const layers = [1, 2, 3, 4].map((seed) => smallLayer(seed));
  const tensors = llamaTensors(layers);
  const base = writeNetwork(root, 'base', tensors, config);
  const changed = (change: (data: Float64Array, name: string) => Float64Array): Given =>
    Object.fromEntries(
      Object.entries(tensors).map(([name, [data, ...shape]]) => [name, [change(data, name), ...shape]]),
    ) as Given;
  const noise = (size: number) => {
    const { normal } = random(9);
    return (data: Float64Array) => data.map((value) => value + size * normal());
  };
  /** To significands of so many bits. */
  const rounded = (bits: number) => (data: Float64Array) =>
    data.map((value) => {
      const unit = 2 ** (Math.floor(Math.log2(Math.abs(value))) - bits + 1);
      return Math.round(value / unit) * unit;
    });

  test.each<[string, Given, RegExp]>([
    ['conversion', changed(rounded(8)), /rounding to bfloat16/],
    ['conversion', changed(rounded(11)), /rounding to float16/],
    ['conversion', llamaTensors(layers.map((one, i) => gauged(one, i + 20))), /the same functions in other weights/],
    ['fine-tune', changed(noise(0.02)), /all layers differ a little/],
    [
      'patch',
      changed((data, name) => (name.includes('layers.2.mlp.down') ? noise(0.5)(data) : data)),
      /layer 2 changed/,
    ],
    ['patch', changed((data, name) => (name.includes('embed') ? noise(0.5)(data) : data)), /only the embeddings/],
    ['unrelated', llamaTensors([5, 6, 7, 8].map((seed) => smallLayer(seed))), /another seed/],
    ['same', tensors, /equal/],
  ])('like a %s (%#)', async (kind, other, words) => {
    const changedOne = writeNetwork(root, `other ${words.source}`, other, config);
    const { impression } = await similarityOfBlocks(base, changedOne);
    expect(impression).toMatchObject({ kind, words: expect.stringMatching(words) });
  });
});
