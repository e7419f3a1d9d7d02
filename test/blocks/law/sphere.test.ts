import { describe, expect, test } from 'vitest';
import { compareUnder } from '../../../lib/blocks/law/mlps.js';
import { toFirstOrder } from '../../../lib/blocks/law/sphere/mlps.js';
import type { MlpSource } from '../../../lib/blocks/mlps/source.js';
import { similarityOfBlocks } from '../../../lib/blocks/similarity_of_blocks.js';
import { evaluate } from '../../../lib/evaluation/evaluate.js';
import { createModel, type LayerDefinition } from '../../../lib/model/create.js';
import { tensim } from '../../cli/run.js';
import { temporaryFolder } from '../../formats/safetensors/helpers.js';
import { GPT, gptTensors, writeNetwork } from '../../support/block_files.js';
import { random } from '../../support/random.js';
import { gauged, llamaTensors, type SmallLayer, smallLayer } from '../../support/transformers.js';

const D = 12;
const root = temporaryFolder();
const SPHERE = { kind: 'sphere', name: 'sphere' } as const;

const multiply = async (a: Float64Array, b: Float64Array, inner: number) => {
  const columns = b.length / inner;
  return Float64Array.from({ length: (a.length / inner) * columns }, (_, at) => {
    const [i, j] = [Math.floor(at / columns), at % columns];
    let sum = 0;
    for (let k = 0; k < inner; k++) sum += a[i * inner + k] * b[j * inner + k];
    return sum;
  });
};

const tensorOf = (data: Float64Array, ...shape: number[]) => ({ data, shape });
const gated = ({ gate, up, down, upBias, downBias, units }: SmallLayer, activation = 'silu'): LayerDefinition => ({
  type: 'gated',
  gate: tensorOf(
    gate.map((value) => value / 3),
    units,
    D,
  ),
  up: tensorOf(
    up.map((value) => value / 3),
    units,
    D,
  ),
  upBias: tensorOf(upBias, units),
  down: tensorOf(down, D, units),
  downBias: tensorOf(downBias, D),
  activation,
});
const hidden = ({ up, down, upBias, downBias, units }: SmallLayer, activation = 'gelu'): LayerDefinition => ({
  type: 'hidden',
  weight: tensorOf(
    up.map((value) => value / 3),
    units,
    D,
  ),
  bias: tensorOf(upBias, units),
  down: tensorOf(down, D, units),
  downBias: tensorOf(downBias, D),
  activation,
});
const mlp = (layer: LayerDefinition): MlpSource => ({
  ...{ width: D, units: 0, gated: layer.type === 'gated', centres: false, label: 'f' },
  definition: async () => layer,
  done: () => {},
  part: async () => createModel({ layers: [layer] }).layers[0],
});
const SETTINGS = { backend: undefined, threads: undefined, signal: undefined, seed: 1, tolerance: 0.01, maxSamples: 1 };
const compared = (a: LayerDefinition, b: LayerDefinition) =>
  compareUnder(SPHERE, [mlp(a), mlp(b)], 'whole', multiply, SETTINGS);

/** What Monte Carlo says on the sphere, with the standard error of the similarity. */
async function sampled(a: LayerDefinition, b: LayerDefinition, count: number) {
  const { normal } = random(17);
  const inputs = Float64Array.from({ length: count * D }, normal);
  const inner = (x: ArrayLike<number>, y: ArrayLike<number>, at: number) => {
    let sum = 0;
    for (let i = at * D; i < (at + 1) * D; i++) sum += x[i] * y[i];
    return sum;
  };
  for (let at = 0; at < count; at++) {
    const scale = Math.sqrt(D / inner(inputs, inputs, at));
    for (let i = at * D; i < (at + 1) * D; i++) inputs[i] *= scale;
  }
  const outputs = async (layer: LayerDefinition) =>
    (await evaluate(createModel({ layers: [layer] }), tensorOf(inputs, count, D))).data;
  const [f, g] = [await outputs(a), await outputs(b)];
  const rows = Array.from({ length: count }, (_, at) => [inner(f, f, at), inner(f, g, at), inner(g, g, at)]);
  const [ff, fg, gg] = [0, 1, 2].map((k) => rows.reduce((sum, row) => sum + row[k], 0) / count);
  const similarity = fg / Math.sqrt(ff * gg);
  const influences = rows.map(([x, y, z]) => y / Math.sqrt(ff * gg) - (similarity / 2) * (x / ff + z / gg));
  const error = Math.sqrt(influences.reduce((sum, value) => sum + value * value, 0)) / count;
  return { similarity, error, fidelityError: (ff - 2 * fg + gg) / ff };
}

describe('MLPs on the sphere', () => {
  const [one, other] = [smallLayer(21), smallLayer(22)];
  test.each<[string, LayerDefinition, LayerDefinition]>([
    ['gated', gated(one), gated(other)],
    ['hidden', hidden(one), hidden(other)],
    ['one gated, one hidden', gated(one), hidden(other)],
  ])('are what averages over random points tell: %s', async (_, a, b) => {
    const found = await compared(a, b);
    const expected = await sampled(a, b, 50_000);
    expect(Math.abs(found.similarity - expected.similarity)).toBeLessThan(4 * expected.error);
    expect(found.fidelityError / expected.fidelityError).toBeCloseTo(1, 1);
    expect(found).toMatchObject({ exact: true, input: 'sphere', standardError: null, sphere: { method: 'series' } });
    expect(found.certified).toBeLessThan(1e-11);
    expect(Math.abs(found.sphere!.standard - found.similarity)).toBeGreaterThan(1e-5);
    const { parts } = found.byDegree!;
    expect(parts.reduce((sum, { shareA }) => sum + shareA, 0)).toBeCloseTo(1, 13);
  });

  test('are the same either way round', async () => {
    const [a, b] = [await compared(gated(one), gated(other)), await compared(gated(other), gated(one))];
    expect(a.similarity).toBeCloseTo(b.similarity, 13);
  });

  test('with kinks say how far their series go', async () => {
    const { certified, similarity } = await compared(hidden(one, 'relu'), hidden(other, 'relu'));
    expect(certified).toBeGreaterThan(1e-9);
    expect(certified).toBeLessThan(1e-3);
    const expected = await sampled(hidden(one, 'relu'), hidden(other, 'relu'), 20_000);
    expect(Math.abs(similarity - expected.similarity)).toBeLessThan(4 * expected.error + certified!);
  });

  test('without biases are what bilinear blocks are under a normal', async () => {
    const plain = ({ gate, up, down, units }: SmallLayer): LayerDefinition => ({
      type: 'gated',
      gate: tensorOf(gate, units, D),
      up: tensorOf(up, units, D),
      down: tensorOf(down, D, units),
      activation: 'identity',
    });
    const { similarity, sphere } = await compared(plain(one), plain(other));
    expect(similarity).toBeCloseTo(sphere!.standard, 12);
  });

  test('to the first order are close by', async () => {
    for (const build of [gated, hidden]) {
      const series = await compared(build(one), build(other));
      const models = [one, other].map((layer) => createModel({ layers: [build(layer)] }));
      const found = await toFirstOrder(models[0], models[1], D, {});
      expect(found).toMatchObject({ exact: false, sphere: { method: 'first-order' } });
      expect(found.certified).toBeUndefined();
      const [off, plain] = [found.similarity, found.sphere!.standard].map((value) =>
        Math.abs(value - series.similarity),
      );
      expect(off).toBeLessThan(plain / 3);
    }
  });

  test('that are zero have no similarity', async () => {
    const nothing = hidden({ ...one, down: one.down.map(() => 0), downBias: one.downBias.map(() => 0) });
    await expect(compared(nothing, hidden(other))).rejects.toMatchObject({ code: 'ZERO_NORM' });
  });
});

describe('blocks on the sphere', () => {
  const layer = smallLayer(1);
  const [base, same] = [layer, gauged(layer, 9)].map((one, i) => writeNetwork(root, `llama${i}`, llamaTensors([one])));

  test('of one function in other weights are the same', async () => {
    const found = await similarityOfBlocks(base, same, { input: 'sphere' });
    expect(found).toMatchObject({ input: 'sphere', worst: null });
    expect(Math.abs(1 - found.layers[0].mlp!.similarity)).toBeLessThan(1e-12);
    const plain = await similarityOfBlocks(base, same);
    expect(found.layers[0].attention!.heads).toEqual(plain.layers[0].attention!.heads);
    expect(found.layers[0].attention!.input).toBe('sphere');
  });

  test('behind a layer norm have one dimension less', async () => {
    const [a, b] = [smallLayer(3, 4), smallLayer(4, 4)];
    // Along 1 the norm lets nothing through.
    const moved = b.shifts[1].reduce((sum, value, i) => sum + (3 * value) / b.gains[1][i], 0);
    const tilted = {
      ...b,
      up: b.up.map((value, at) => value + 3 / b.gains[1][at % D]),
      upBias: b.upBias.map((value) => value - moved),
    };
    const files = [a, b, tilted].map((one, i) => writeNetwork(root, `gpt${i}`, gptTensors([one]), GPT));
    const [plain, other] = [
      await similarityOfBlocks(files[0], files[1], { input: 'sphere' }),
      await similarityOfBlocks(files[0], files[2], { input: 'sphere' }),
    ];
    expect(other.layers[0].mlp!.similarity).toBeCloseTo(plain.layers[0].mlp!.similarity, 11);
  });

  test('say so, and how far they are from a standard normal input', async () => {
    const { stdout } = await tensim(['blocks', base, same, '--input', 'sphere']);
    expect(stdout).toMatch(/uniform on a sphere, as behind a norm \(MLPs at most .* from their similarity under/);
  });
});
