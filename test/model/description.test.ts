import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TensimError } from '../../lib/errors.js';
import type { BilinearLayer, LinearLayer } from '../../lib/model/model.js';
import { applyDescription, parseDescription } from '../../lib/model/reading/description.js';
import { loadModel } from '../../lib/model/reading/load.js';
import { fileIn, rejection, temporaryFolder } from '../formats/safetensors/helpers.js';
import { LAYERS, REFUSED, SCHEMA } from './descriptions.js';
import { bilinearShapes, listing, type Shapes, writeCheckpoint } from './helpers.js';

const root = temporaryFolder();
const SHAPES: Shapes = {
  'dec.w': [2, 4],
  'enc.w': [4, 3],
  'enc.b': [4],
  'mlp.w12': [12, 4],
  'mlp.b12': [12],
  'mlp.w3': [4, 6],
  'mlp.b3': [4],
};

function folder(name: string): string {
  const path = join(root, name);
  mkdirSync(path);
  return path;
}

const write = (where: string, fields: object, name = 'model.json') =>
  fileIn(where, name, JSON.stringify({ schema: SCHEMA, ...fields }));

describe('a model.json', () => {
  test('given as an option describes any naming', async () => {
    const where = folder('option');
    const weights = await writeCheckpoint(where, 'net.safetensors', SHAPES);
    const model = await loadModel(weights, { model: write(where, { layers: LAYERS }, 'layers.json') });
    expect(model).toMatchObject({ family: 'custom', inputShape: [1, 3], outputShape: [1, 2], degree: 2 });
    expect([...model.parameters.keys()]).toEqual(Object.keys(SHAPES));
    const block = model.layers[1] as BilinearLayer;
    const stacked = model.parameters.get('mlp.w12')?.data as Float64Array;
    expect(block.left).toEqual({ data: stacked.subarray(0, 24), shape: [6, 4] });
    expect(block.right).toEqual({ data: stacked.subarray(24), shape: [6, 4] });
    expect(block.right.data.buffer).toBe(stacked.buffer);
    expect(block.rightBias?.shape).toEqual([6]);
    expect((model.layers[0] as LinearLayer).bias).toEqual(model.parameters.get('enc.b'));
  });

  test('is found beside a checkpoint that no family knows', async () => {
    const where = folder('beside');
    write(where, { layers: LAYERS });
    expect((await loadModel(await writeCheckpoint(where, 'net.safetensors', SHAPES))).family).toBe('custom');
  });

  test('beside a checkpoint of a known family changes nothing, but does if it is given', async () => {
    const where = folder('known');
    const weights = await writeCheckpoint(where, 'net.safetensors', bilinearShapes());
    const layers = [{ type: 'bilinear', leftRight: 'bi_linear.weight', down: 'projection.weight', beta: 5 }];
    const model = write(where, { layers });
    expect((await loadModel(weights)).layers[0]).toMatchObject({ beta: 1 });
    expect((await loadModel(weights, { model })).layers[0]).toMatchObject({ beta: 5 });
  });

  test('is told apart from a pointer of Git LFS', async () => {
    const file = fileIn(root, 'pointer.json', 'version https://git-lfs.github.com/spec/v1\n');
    const weights = await writeCheckpoint(root, 'pointed.safetensors', { a: [1] });
    expect((await rejection(loadModel(weights, { model: file }))).hint).toContain('git lfs pull');
  });

  test.each(['{"model_type": "llama"}', 'not JSON', '[]', ''])('of someone else is left alone: %s', async (text) => {
    const where = folder(`foreign-${text.length}`);
    fileIn(where, 'model.json', text);
    const error = await rejection(loadModel(await writeCheckpoint(where, 'net.safetensors', SHAPES)));
    expect(error.code).toBe('UNSUPPORTED_LAYER');
  });

  test('of ours that is damaged is not left alone', async () => {
    const where = folder('damaged');
    const file = fileIn(where, 'model.json', `{"schema": "${SCHEMA}", "layers": [`);
    const error = await rejection(loadModel(await writeCheckpoint(where, 'net.safetensors', SHAPES)));
    expect(error).toMatchObject({ code: 'INVALID_FILE', file });
  });

  test('with weights is itself a model', async () => {
    const where = folder('own');
    mkdirSync(join(where, 'data'));
    await writeCheckpoint(where, 'data/net.safetensors', SHAPES);
    const file = write(where, { weights: 'data/net.safetensors', layers: LAYERS });
    expect(await loadModel(file)).toMatchObject({ label: 'model', family: 'custom', provenance: { file } });
  });

  test('without weights is no model, and says what would make it one', async () => {
    const file = write(folder('no-weights'), { layers: LAYERS });
    const error = await rejection(loadModel(file));
    expect(error).toMatchObject({ code: 'INVALID_FILE', file });
    expect(error.hint).toContain('"weights"');
  });

  test('names weights that are not there: the checkpoint is what was not found', async () => {
    const where = folder('gone');
    const error = await rejection(loadModel(write(where, { weights: 'gone.safetensors', layers: LAYERS })));
    expect(error).toMatchObject({ code: 'FILE_NOT_FOUND', file: join(where, 'gone.safetensors') });
  });

  test('cannot be described by another', async () => {
    const where = folder('two');
    const file = write(where, { weights: 'net.safetensors', layers: LAYERS });
    expect((await rejection(loadModel(file, { model: file }))).code).toBe('INVALID_ARGUMENT');
  });

  test('given as an option must be there', async () => {
    const weights = await writeCheckpoint(folder('missing'), 'net.safetensors', SHAPES);
    const model = join(root, 'missing.json');
    expect(await rejection(loadModel(weights, { model }))).toMatchObject({ code: 'FILE_NOT_FOUND', file: model });
  });
});

describe('the residual of a described block', () => {
  const parse = (fields: object) =>
    parseDescription(
      JSON.stringify({ schema: SCHEMA, layers: [{ type: 'bilinear', left: 'l', right: 'r', ...fields }] }),
      'model.json',
    ).layers[0];
  test.each([
    [{}, 0, 1],
    [{ alpha: 2 }, 2, 1],
    [{ alpha: 0.5, beta: -3 }, 0.5, -3],
    [{ residual: { lerp: 0.25 } }, 0.75, 0.25],
    [{ residual: { add: 0.1 } }, 1, 0.1],
  ])('%j is α = %s, β = %s', (fields, alpha, beta) => {
    expect(parse(fields)).toMatchObject({ alpha, beta });
  });
});

describe('a description is refused', () => {
  test.each(REFUSED)('%s', (_, json, message) => {
    const text = typeof json === 'string' ? json : JSON.stringify(json);
    expect(() => parseDescription(text, 'dir/model.json')).toThrow(
      expect.objectContaining({
        code: 'INVALID_FILE',
        file: 'dir/model.json',
        message: expect.stringMatching(message),
      }),
    );
  });

  test('or read, but never anything else, whatever the text', () => {
    const value = fc.oneof(fc.jsonValue(), fc.constantFrom('linear', 'bilinear', 'w', 0.5, { lerp: 1 }));
    const fields = fc.constantFrom(
      'type',
      'weight',
      'left',
      'right',
      'leftRight',
      'down',
      'residual',
      'alpha',
      '__proto__',
    );
    const layer = fc.oneof(fc.dictionary(fields, value), fc.jsonValue());
    const json = fc.record(
      { schema: fc.constant(SCHEMA), layers: fc.array(layer), ignore: value },
      { requiredKeys: [] },
    );
    const text = fc.oneof(
      json.map((object) => JSON.stringify(object)),
      fc.string(),
    );
    fc.assert(
      fc.property(text, (candidate) => {
        try {
          expect(parseDescription(candidate, 'model.json').layers.length).toBeGreaterThan(0);
        } catch (error) {
          if (!(error instanceof TensimError)) throw error;
          expect(error.code).toBe('INVALID_FILE');
        }
      }),
    );
  });
});

describe('a description must fit its checkpoint', () => {
  const apply = (fields: object, shapes: Shapes) =>
    applyDescription(
      parseDescription(JSON.stringify({ schema: SCHEMA, ...fields }), 'model.json'),
      listing(shapes),
      'net',
    );
  const layers = [{ type: 'linear', weight: 'w' }];

  test('tensors that it uses and the checkpoint has not are named', () => {
    expect(() => apply({ layers: LAYERS }, { 'enc.w': [1, 1] })).toThrow(
      expect.objectContaining({
        code: 'INVALID_FILE',
        message: expect.stringMatching(/uses "enc.b", "mlp.w12".*, not in net/),
      }),
    );
  });

  test('tensors that it neither uses nor ignores are named', () => {
    const shapes = { w: [1, 1], 'opt.m': [1], 'opt.v': [1], step: [1] };
    expect(() => apply({ layers, ignore: ['opt.*'] }, shapes)).toThrow(/does not use "step" of net.*"ignore"/);
    expect(apply({ layers, ignore: ['opt.*', 'step'] }, shapes).layers).toHaveLength(1);
  });

  test('ignoring never takes away a tensor that a layer uses', () => {
    expect(apply({ layers, ignore: ['*'] }, { w: [1, 1], b: [1] }).layers).toHaveLength(1);
  });

  test('a star stands for any characters, and everything else for itself', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*', '(', '$'), maxLength: 8 });
    fc.assert(
      fc.property(text, text, (pattern, name) => {
        const parts = pattern.split('*').map((part) => part.replace(/[.($]/g, '\\$&'));
        const matches = new RegExp(`^${parts.join('.*')}$`).test(name);
        const use = () => apply({ layers, ignore: [pattern] }, { w: [1, 1], [`n${name}`]: [1] });
        const useWithPrefix = () => apply({ layers, ignore: [`n${pattern}`] }, { w: [1, 1], [`n${name}`]: [1] });
        if (matches) expect(useWithPrefix).not.toThrow();
        else expect(useWithPrefix).toThrow('does not use');
        if (!pattern.startsWith('*') && !pattern.startsWith('n')) expect(use).toThrow('does not use');
      }),
    );
  });
});
