import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { writeSafetensors } from '../../lib/formats/safetensors/write.js';
import { recognise, unrecognised } from '../../lib/model/families/recognise.js';
import { loadModel } from '../../lib/model/reading/load.js';
import { ModelSettings, type SettingSources } from '../../lib/model/settings.js';
import { similarity } from '../../lib/similarity/similarity.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { tensim } from '../cli/run.js';
import { rejection, temporaryFolder } from '../formats/safetensors/helpers.js';
import { counting, listing, type Shapes, writeCheckpoint } from './helpers.js';

const root = temporaryFolder();
const familyOf = (shapes: Shapes, sources: SettingSources = {}) =>
  recognise(listing(shapes), new ModelSettings('f', {}, sources));

/** One block of three matrices under these names. */
const three = ([left, right, down]: readonly string[], [d, h, o] = [4, 3, 2]): Shapes => ({
  [left]: [h, d],
  [right]: [h, d],
  [down]: [o, h],
});
const spellings = {
  modules: ['left.weight', 'right.weight', 'down.weight'],
  'modules of a body': ['body.left.weight', 'body.right.weight', 'body.down.weight'],
  'W with modules': ['W_l.weight', 'W_r.weight', 'W_p.weight'],
  'W bare': ['W_l', 'W_r', 'W_p'],
};

describe('sides', () => {
  test.each(Object.entries(spellings))('%s', (_, names) => {
    const [left, right, down] = names.map((tensor) => ({ tensor }));
    const block = { type: 'bilinear', left, right, down, alpha: 0, beta: 1 };
    expect(familyOf(three(names))).toEqual({ family: 'sides', positions: 1, layers: [block] });
    const around = { 'embed.weight': [4, 6], ...three(names), 'head.weight': [5, 2], 'head.bias': [5] };
    expect(familyOf(around)?.layers).toEqual([
      { type: 'linear', weight: { tensor: 'embed.weight' } },
      block,
      { type: 'linear', weight: { tensor: 'head.weight' }, bias: { tensor: 'head.bias' } },
    ]);
  });

  test('has biases, and a residual if there is a scale', () => {
    const biases = { 'left.bias': [3], 'right.bias': [3], 'down.bias': [2] };
    const blueprint = familyOf({ ...three(spellings.modules), ...biases }, { options: { scale: 0.25 } });
    expect(blueprint?.layers[0]).toMatchObject({
      leftBias: { tensor: 'left.bias' },
      rightBias: { tensor: 'right.bias' },
      downBias: { tensor: 'down.bias' },
      alpha: 0.75,
      beta: 0.25,
    });
  });

  test('is all of the names and no others', () => {
    for (const names of Object.values(spellings))
      for (const name of names) {
        const { [name]: _, ...others } = three(names);
        expect(familyOf(others)).toBeUndefined();
        expect(unrecognised(listing(others), 'f').message).toContain(`the nearest is sides, with "${name}" missing`);
      }
    expect(familyOf({ ...three(spellings.modules), 'head.bias': [2] })).toBeUndefined();
    expect(familyOf({ ...three(spellings['W bare']), 'W_l.bias': [3] })).toBeUndefined();
    expect(familyOf({ ...three(spellings.modules), 'body.left.weight': [3, 4] })).toBeUndefined();
  });

  test('is the same function as under any other name', async () => {
    const [left, right, down] = [counting([3, 4]), counting([3, 4], 40), counting([2, 3], 7)];
    const stacked: Tensor = { data: Float64Array.of(...left.data, ...right.data), shape: [6, 4] };
    const [one, other] = [join(root, 'one.safetensors'), join(root, 'other.safetensors')];
    await writeSafetensors(one, { W_l: left, W_r: right, W_p: down });
    await writeSafetensors(other, { 'bi_linear.weight': stacked, 'projection.weight': down });
    expect((await similarity(await loadModel(one), await loadModel(other))).distance).toBeLessThan(1e-6);
  });
});

describe('stack', () => {
  const shapes = (blocks: number): Shapes =>
    Object.assign({}, ...Array.from({ length: blocks }, (_, i) => three([`Ls.${i}`, `Rs.${i}`, `Ds.${i}`], [4, 3, 4])));

  test('has blocks in the order of their numbers, and says whether they add to their input', () => {
    const blueprint = familyOf(shapes(11), { options: { residual: true } });
    expect(blueprint?.layers.map((layer) => layer.type === 'bilinear' && layer.left.tensor)).toEqual(
      Array.from({ length: 11 }, (_, index) => `Ls.${index}`),
    );
    expect(blueprint?.layers[0]).toMatchObject({ alpha: 1, beta: 1 });
    expect(familyOf(shapes(1), { options: { residual: false } })?.layers[0]).toMatchObject({ alpha: 0, beta: 1 });
    expect(() => familyOf(shapes(1))).toThrow(/does not say "residual"/);
  });

  test('is nothing with linear maps or normalisations beside', () => {
    expect(familyOf({ ...shapes(1), 'Ws.0': [4, 4] }, { options: { residual: true } })).toBeUndefined();
    expect(familyOf({ ...shapes(1), 'norms.0.weight': [4] }, { options: { residual: true } })).toBeUndefined();
  });
});

describe('a language model', () => {
  const shapes: Shapes = Object.assign(
    { 'transformer.wte.weight': [9, 4], 'transformer.n_f.weight': [4], 'lm_head.weight': [9, 4] },
    ...[0, 1].map((i) => ({
      [`transformer.h.${i}.attn.qkv.weight`]: [12, 4],
      [`transformer.h.${i}.n1.weight`]: [4],
      [`transformer.h.${i}.mlp.w.weight`]: [6, 4],
      [`transformer.h.${i}.mlp.p.weight`]: [4, 3],
    })),
  );

  test('is not comparable as a whole, for reasons that are told, but block by block', () => {
    expect(() => familyOf(shapes)).toThrow(
      expect.objectContaining({
        code: 'UNSUPPORTED_LAYER',
        message: expect.stringMatching(
          /language model of 2 blocks; as a whole .* softmax .* normalisations .*"block": 0.* to 1/,
        ),
      }),
    );
    expect(familyOf(shapes, { options: { block: 1 } })?.layers).toEqual([
      {
        type: 'bilinear',
        left: { tensor: 'transformer.h.1.mlp.w.weight', half: 'first' },
        right: { tensor: 'transformer.h.1.mlp.w.weight', half: 'second' },
        down: { tensor: 'transformer.h.1.mlp.p.weight' },
        alpha: 0,
        beta: 1,
      },
    ]);
    expect(() => familyOf(shapes, { options: { block: 2 } })).toThrow(/no block 2/);
    expect(() => familyOf(shapes, { options: { block: -1 } })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    );
  });

  test('with a gate is refused', () => {
    const beside = (gate: string | null) => ({ path: 'config.json', text: JSON.stringify({ gate }) });
    expect(() => familyOf(shapes, { options: { block: 0 }, beside: beside('silu') })).toThrow(/the gate "silu"/);
    expect(familyOf(shapes, { options: { block: 0 }, beside: beside(null) })?.family).toBe('language model');
  });

  test('is compared on the command line with settings in place', async () => {
    const file = await writeCheckpoint(root, 'language.safetensors', shapes);
    const { code, stdout } = await tensim(['compare', file, file, '--config', '{"block": 1}', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout).similarity).toBeCloseTo(1, 12);
    const refused = await tensim(['compare', file, file]);
    expect(refused).toMatchObject({ code: 3 });
    expect(await rejection(loadModel(file, { config: '{"block": 1' }))).toMatchObject({ code: 'INVALID_FILE' });
  });
});
