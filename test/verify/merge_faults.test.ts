import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { verifyMerge } from '../../lib/verify/merge.js';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import { multipliedOut } from '../support/adapters.js';
import { add, d, K, Q, scenariosIn, V } from '../support/merges.js';
import { random } from '../support/random.js';

const root = temporaryFolder();
let places = 0;
const place = (): string => join(root, String(places++));
const scenario = scenariosIn(place);

const scale = 2;
const check = ({ base, adapter, merged }: { base: string; adapter: string; merged: string }) =>
  verifyMerge(base, [adapter], merged);

describe('wrong merges', () => {
  test('that left the base', async () => {
    const { outcome, faults, tensors } = await check(scenario(() => undefined));
    expect(outcome).toBe('fail');
    expect(faults).toMatchObject([{ cause: 'not-merged', layer: 0 }]);
    expect(faults[0].tensors).toHaveLength(6);
    expect(faults[0].text).toContain('nothing was merged');
    for (const { state, factor } of tensors) expect([state, factor]).toEqual(['not-merged', 0]);
  });

  test('that left one layer out', async () => {
    const { faults } = await check(
      scenario((merged, modules) =>
        add(
          merged,
          modules.filter(({ name }) => !name.includes('layers.1')),
          scale,
        ),
      ),
    );
    expect(faults).toMatchObject([{ cause: 'not-merged', layer: 1 }]);
    expect(faults[0].tensors).toHaveLength(3);
  });

  test('that merged twice', async () => {
    const { faults, tensors } = await check(scenario((merged, modules) => add(merged, modules, 2 * scale)));
    expect(faults).toMatchObject([{ cause: 'merged-twice' }]);
    expect(tensors[0].factor).toBeCloseTo(2, 6);
  });

  test.each([
    [8, 'α = 8 in place of α/r'],
    [1, 'B A was added without a scale'],
    [4, 'merged-twice'],
    [0.25, '1/r in place of α/r'],
    [-2, 'taken off'],
    [0.7, 'times 0.35'],
  ])('by %f in place of 2', async (applied, text) => {
    const { faults, tensors } = await check(scenario((merged, modules) => add(merged, modules, applied)));
    expect(faults).toHaveLength(1);
    expect(faults[0].tensors).toHaveLength(6);
    expect(tensors[0].factor).toBeCloseTo(applied / scale, 5);
    if (text === 'merged-twice') expect(faults[0].cause).toBe('merged-twice');
    else {
      expect(faults[0].cause).toBe('wrong-scale');
      expect(faults[0].text).toContain(text);
    }
  });

  test('with the change of the queries in the values of the next layer', async () => {
    const { faults } = await check(
      scenario((merged, modules) => {
        const names = (name: string) => (name === V ? 'model.layers.1.self_attn.k_proj' : name);
        return add(merged, modules, scale, names);
      }),
    );
    expect(faults.map(({ cause, tensor }) => [cause, tensor])).toEqual([
      ['wrong-slice', 'model.layers.1.self_attn.k_proj.weight'],
      ['not-merged', `${V}.weight`],
    ]);
    expect(faults[0].text).toContain(`the change of "${V}.weight"`);
  });

  test('with the changes of two layers exchanged', async () => {
    const swap = (name: string) => name.replace(/\d/, (layer) => String(1 - Number(layer)));
    const { faults } = await check(scenario((merged, modules) => add(merged, modules, scale, swap)));
    expect(faults.map(({ cause }) => cause)).toEqual(Array(6).fill('wrong-slice'));
    expect(faults[0].text).toContain('model.layers.1.self_attn.q_proj.weight');
  });

  test('with one change transposed', async () => {
    const { faults } = await check(
      scenario((merged, modules) => {
        add(merged, modules.slice(1), scale);
        const delta = multipliedOut(modules[0], scale);
        const { data } = merged[`${Q}.weight`];
        for (let i = 0; i < d; i++) for (let j = 0; j < d; j++) data[j * d + i] += delta[i * d + j];
        return merged;
      }),
    );
    expect(faults).toMatchObject([{ cause: 'transposed', tensor: `${Q}.weight` }]);
  });

  test('with something else changed: the embedding, keys, a norm of the base', async () => {
    const { faults } = await check(
      scenario((merged, modules) => {
        merged['model.embed_tokens.weight'].data[5] += 0.01;
        merged[`${K}.weight`].data[0] *= 1.001;
        return add(merged, modules, scale);
      }),
    );
    expect(faults).toMatchObject([
      { cause: 'changed-elsewhere', tensors: ['model.embed_tokens.weight', `${K}.weight`] },
    ]);
  });

  test('with noise beside the change', async () => {
    const { normal } = random(99);
    const { faults } = await check(
      scenario((merged, modules) => {
        const { data } = add(merged, modules, scale)[`${V}.weight`];
        for (let i = 0; i < data.length; i++) data[i] += 0.05 * normal();
        return merged;
      }),
    );
    expect(faults).toMatchObject([{ cause: 'perturbed', tensor: `${V}.weight` }]);
  });

  test('with NaN, a tensor less, a tensor more, another shape', async () => {
    const { faults } = await check(
      scenario((merged, modules) => {
        const made = add(merged, modules, scale);
        made[`${Q}.weight`].data[0] = Number.NaN;
        const { [`${K}.weight`]: _, ...rest } = made;
        return {
          ...rest,
          'extra.weight': { data: new Float64Array(2), shape: [2] },
          'model.norm.weight': { data: new Float64Array(d + 1), shape: [d + 1] },
        };
      }),
    );
    expect(faults.map(({ cause, tensor }) => [cause, tensor])).toEqual([
      ['not-finite', `${Q}.weight`],
      ['wrong-shape', 'model.norm.weight'],
      ['missing-tensor', `${K}.weight`],
      ['extra-tensor', 'extra.weight'],
    ]);
  });
});
