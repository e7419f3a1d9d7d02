import { describe, expect, test } from 'vitest';
import { Arrays } from '../../../lib/blocks/arrays.js';
import { chooseMethods, exactFlops, sampleFlops } from '../../../lib/blocks/mlps/choose.js';
import { exactGram, unitsAtOnce } from '../../../lib/blocks/mlps/exact.js';
import { sampledPairs } from '../../../lib/blocks/mlps/sampled.js';
import { type MlpSource, weightsOf } from '../../../lib/blocks/mlps/source.js';
import { mlpLayer } from '../../../lib/blocks/parts/mlp.js';
import type { PieceReader } from '../../../lib/blocks/parts/reader.js';
import { Pacer } from '../../../lib/cooperate.js';
import { selectBackend } from '../../../lib/machines/select.js';
import { createModel } from '../../../lib/model/create.js';
import { readPiece, type Span } from '../../../lib/model/transformers/pieces.js';
import { similarityMatrix } from '../../../lib/similarity/matrix.js';
import type { Tensor } from '../../../lib/tensor/tensor.js';
import { backendsWith } from '../../support/backends.js';
import { random } from '../../support/random.js';

const D = 8;

/** An MLP of random weights, and of some of them a bit off. */
function mlp(units: number, { gated = true, seed = 1, noise = 0, biased = false } = {}): MlpSource {
  const [own, other] = [random(seed), random(seed + 100)];
  const draw = (...shape: number[]): Tensor => ({
    data: Float64Array.from({ length: shape.reduce((a, b) => a * b) }, () => own.normal() + noise * other.normal()),
    shape,
  });
  const tensors: Record<string, Tensor> = { up: draw(units, D), down: draw(D, units), gate: draw(units, D) };
  if (biased) Object.assign(tensors, { upBias: draw(units), gateBias: draw(units), downBias: draw(D) });
  const roles = Object.keys(tensors).filter((role) => gated || !role.startsWith('gate'));
  const pieces = Object.fromEntries(roles.map((role) => [role, { tensor: role }])) as Record<'up' | 'down', object>;
  // Memory is used again, as it is where files are read.
  const arrays = new Arrays();
  const make = (length: number) => arrays.take(length);
  const read: PieceReader = (piece, cut) => readPiece(piece, tensors[piece.tensor], new Pacer(), cut, make);
  const norm = { gain: draw(D).data as Float64Array, bias: null, centres: false };
  const about = { activation: 'silu', ...pieces } as unknown as Parameters<typeof mlpLayer>[0];
  const definition = (part?: Span) => mlpLayer(about, norm, D, read, part);
  return {
    ...{ width: D, units, gated, centres: false, label: `mlp ${seed}` },
    definition: () => definition(),
    done: (part) => arrays.give(weightsOf(part)),
    part: async (part) => createModel({ layers: [await definition(part)] }).layers[0],
  };
}

const CONTROL = { threads: undefined, signal: undefined };
const LAW = { sigma: 1 };
const whole = async (mlps: readonly MlpSource[]) =>
  Promise.all(mlps.map(async (one) => createModel({ layers: [await one.definition()] })));

describe.each(backendsWith('hidden'))('products of MLPs by parts of their units on %s', (name) => {
  test.each([
    ['gated', { gated: true, biased: true }],
    ['plain', { gated: false, biased: true }],
  ])('are those of the whole, %s, of other numbers of units', async (_, about) => {
    const mlps = [
      mlp(10, { ...about, seed: 1 }),
      mlp(10, { ...about, seed: 1, noise: 0.1 }),
      mlp(7, { ...about, seed: 5 }),
    ];
    const backend = await selectBackend(name, { grams: { method: 'hidden', dtype: 'float64' } });
    const expected = await similarityMatrix(await whole(mlps), { degrees: true, backend: name });
    for (const step of [3, 4, 16]) {
      const gram = await exactGram(mlps, { backend, law: LAW, ...CONTROL }, step);
      for (let i = 0; i < 3; i++)
        for (let j = 0; j < 3; j++) {
          const size = Math.sqrt(expected.gram[i][i] * expected.gram[j][j]);
          expect(Math.abs(gram.total[3 * i + j] - expected.gram[i][j])).toBeLessThan(1e-13 * size);
          for (let n = 0; n < 4; n++)
            expect(Math.abs(gram.perDegree![4 * (3 * i + j) + n] - expected.degrees!.gram[n][i][j])).toBeLessThan(
              1e-13 * size,
            );
        }
    }
  });
});

describe.each(backendsWith('hidden'))('MLPs on random inputs on %s', (name) => {
  test('are as similar as they are exactly, within the errors told', async () => {
    const mlps = [mlp(40, { seed: 1 }), mlp(40, { seed: 1, noise: 0.05 }), mlp(40, { seed: 9 })];
    const backend = await selectBackend(name, { forward: { dtype: 'float32' }, normals: {} });
    const expected = await similarityMatrix(await whole(mlps));
    const settings = { backend, law: LAW, seed: 3, tolerance: 0.02, maxSamples: 8192, ...CONTROL };
    const found = await sampledPairs(mlps, settings);
    for (const [i, j] of [
      [0, 1],
      [0, 2],
      [1, 2],
    ]) {
      const { similarity, standardError, fidelityError, fidelityDeviation, reverseFidelityError } = found.get(
        3 * i + j,
      )!;
      const [ff, fg, gg] = [expected.gram[i][i], expected.gram[i][j], expected.gram[j][j]];
      expect(Math.abs(similarity - expected.cosine[i][j])).toBeLessThan(4 * standardError);
      expect(Math.abs(fidelityError - (ff - 2 * fg + gg) / ff)).toBeLessThan(4 * fidelityDeviation);
      expect(reverseFidelityError / fidelityError).toBeCloseTo(ff / gg, 0);
      expect(1.96 * standardError).toBeLessThan(0.02);
    }
    // A copy is known much better than the tolerance asks for.
    expect(found.get(1)!.standardError).toBeLessThan(found.get(2)!.standardError / 5);
  });

  test('stop at the samples that they may take', async () => {
    const mlps = [mlp(4, { seed: 1 }), mlp(4, { seed: 2 })];
    const backend = await selectBackend(name, { forward: { dtype: 'float32' }, normals: {} });
    const settings = { backend, law: LAW, seed: 0, tolerance: 1e-6, maxSamples: 1300, ...CONTROL };
    expect((await sampledPairs(mlps, settings)).get(1)!.samples).toBe(1300);
  });
});

describe('the method of MLPs', () => {
  const rates = { float64: 1e11, float32: 2e11 };
  const shape = (width: number, units: number) => ({ width, units, gated: true });
  const layers = (width: number, units: number, count: number) =>
    Array.from({ length: count }, () => [shape(width, units), shape(width, units)]);

  test('is exact where that is quick, as wholes where they are small', () => {
    expect(chooseMethods(layers(64, 172, 5), 'auto', rates)).toEqual(Array(5).fill('whole'));
    expect(chooseMethods(layers(1024, 4096, 4), 'auto', rates)).toEqual(Array(4).fill('parts'));
  });

  test('is sampled where that takes a small part of a long time, unless it is asked for', () => {
    const large = layers(2048, 5632, 22);
    expect(chooseMethods(large, 'auto', rates)).toEqual(Array(22).fill('sampled'));
    expect(chooseMethods(large, 'exact', rates)).toEqual(Array(22).fill('parts'));
    expect(chooseMethods(layers(64, 172, 1), 'sampled', rates)).toEqual(['sampled']);
    expect(exactFlops(large[0])).toBeGreaterThan(5 * sampleFlops(large[0]));
  });

  test('takes no more units at a time than memory has room for', () => {
    expect(unitsAtOnce([shape(4096, 11008), shape(4096, 11008)])).toBe(256);
    expect(unitsAtOnce(layers(768, 2048, 1)[0])).toBeGreaterThan(300);
  });
});
