import { mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { labelOf, labelsOf } from '../../lib/model/labels.js';
import { compareNaturally } from '../../lib/model/reading/natural.js';
import { expandPaths } from '../../lib/model/reading/paths.js';
import { checkpoint } from '../formats/pytorch/checkpoint.js';
import { fileIn, rejection, temporaryFolder } from '../formats/safetensors/helpers.js';
import { dict, pickle, tensor, text } from '../support/pickle.js';
import { bilinearShapes, writeCheckpoint } from './helpers.js';

const root = temporaryFolder();
let folders = 0;

/** A new folder with a small checkpoint under each of the names; metadata by name. */
async function series(names: readonly string[], metadata: Readonly<Record<string, Record<string, string>>> = {}) {
  const folder = join(root, `series-${folders++}`);
  for (const name of names) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    await writeCheckpoint(folder, name, bilinearShapes(1, 1, 1), metadata[name] ?? {});
  }
  return {
    folder,
    expanded: async (...patterns: string[]) => namesIn(folder, await expandPaths(patterns.map((p) => join(folder, p)))),
  };
}

const namesIn = (folder: string, paths: readonly string[]) =>
  paths.map((path) => relative(folder, path).replaceAll('\\', '/'));
const st = (name: string | number) => `${name}.safetensors`;

describe('expandPaths', () => {
  test('puts the checkpoints of a folder into the order of their numbers', async () => {
    const { expanded } = await series(['step_10', 'step_9', 'step_100', 'final', 'step_1'].map(st));
    expect(await expanded('.')).toEqual(['final', 'step_1', 'step_9', 'step_10', 'step_100'].map(st));
  });

  test('goes by the metadata step if every file has one', async () => {
    const steps = { [st('a')]: { step: '200' }, [st('b')]: { step: '30' }, [st('c')]: { step: '1e2' } };
    const { expanded } = await series(Object.keys(steps), steps);
    expect(await expanded('.')).toEqual(['b', 'c', 'a'].map(st));
  });

  test.each(['', 'soon', 'NaN'])('goes by the names if one file has the step "%s"', async (step) => {
    const { expanded } = await series([st('a'), st('b')], { [st('a')]: { step: '200' }, [st('b')]: { step } });
    expect(await expanded('.')).toEqual(['a', 'b'].map(st));
  });

  test('goes by the names where steps are equal', async () => {
    const names = ['x/10', 'x/9', 'y/9'].map(st);
    const { expanded } = await series(names, Object.fromEntries(names.map((name) => [name, { step: '5' }])));
    expect(await expanded('y', 'x')).toEqual(['x/9', 'x/10', 'y/9'].map(st));
  });

  test('takes every file once, however often it is named', async () => {
    const { expanded } = await series([st(1), st(2)]);
    expect(await expanded(st(2), '.', '*.safetensors', st(2))).toEqual([st(1), st(2)]);
  });

  test('expands patterns, and the folders that they match', async () => {
    const { folder, expanded } = await series(['run2/step_2', 'run10/step_1', 'run2/step_1', 'top'].map(st));
    mkdirSync(join(folder, 'run3'));
    writeFileSync(join(folder, 'run2', 'notes.txt'), 'not a checkpoint');
    writeFileSync(join(folder, 'history.json'), '[]');
    expect(await expanded('run*')).toEqual(['run2/step_1', 'run2/step_2', 'run10/step_1'].map(st));
    expect(await expanded('run2/*')).toEqual(['run2/step_1', 'run2/step_2'].map(st));
    expect(await expanded('**/*_1.safetensors')).toEqual(['run2/step_1', 'run10/step_1'].map(st));
    expect(await expanded('run{2,3}/*.safetensors')).toEqual(['run2/step_1', 'run2/step_2'].map(st));
  });

  test.each([
    'runs (1)',
    'runs (x)',
    'runs [v2]',
    'runs [v2] (x)',
    'runs{a,b}',
    'seed_{1}',
    'exp!(2)',
    '@(a)',
    '!a',
    'runs+x',
    'a?b',
    '[best] run',
    'lr=0.1,wd=(0.2)',
    '{x}/(y)',
  ])('takes the folder "%s" as it is called', async (name) => {
    const { folder, expanded } = await series([st(`${name}/run-1`), st(`${name}/run-2`), st('other/run-1')]);
    const both = [st(`${name}/run-1`), st(`${name}/run-2`)];
    expect(await expanded(`${name}/*.safetensors`)).toEqual(both);
    expect(await expanded(`${name}/run-{1,2}.safetensors`)).toEqual(both);
    expect(await expanded(`${name}/run-[2].safetensors`)).toEqual([st(`${name}/run-2`)]);
    const relatively = join(relative(process.cwd(), folder), name, '*.safetensors');
    expect(namesIn(folder, await expandPaths([relatively]))).toEqual(both);
    const { message } = await rejection(expanded(`${name}/gone.safetensors`));
    expect(message).toContain('there is no such file or folder');
  });

  test('brackets behind a wildcard that choose between nothing are those of names', async () => {
    const { expanded } = await series(['a/runs (x)/1', 'a/runs x/1', 'a/seed_{1}/1', 'b/(z|y)/1', 'b/z/1'].map(st));
    expect(await expanded('*/runs (x)/*')).toEqual([st('a/runs (x)/1')]);
    expect(await expanded('*/seed_{1}/*')).toEqual([st('a/seed_{1}/1')]);
    expect(await expanded('*/@(z|y)/*')).toEqual([st('b/z/1')]);
    expect(await expanded('{a,b}/{seed_*,z}/1.*')).toEqual([st('a/seed_{1}/1'), st('b/z/1')]);
  });

  test('keeps relative patterns relative', async () => {
    const { folder } = await series([st('only')]);
    const pattern = join(relative(process.cwd(), folder), '*.safetensors');
    const [path] = await expandPaths([pattern]);
    expect(path).toBe(join(relative(process.cwd(), folder), st('only')).replaceAll('\\', '/'));
  });

  test('a file whose name looks like a pattern is that file', async () => {
    const { expanded } = await series([st('step[1]'), st('step1')]);
    expect(await expanded(st('step[1]'))).toEqual([st('step[1]')]);
  });

  test('takes a sharded checkpoint by its index instead of its shards', async () => {
    const { folder, expanded } = await series([st('plain')]);
    await writeCheckpoint(folder, st('big-1'), { 'bi_linear.weight': [2, 1] });
    await writeCheckpoint(folder, st('big-2'), { 'projection.weight': [1, 1] });
    const weight_map = { 'bi_linear.weight': st('big-1'), 'projection.weight': st('big-2') };
    writeFileSync(join(folder, 'big.safetensors.index.json'), JSON.stringify({ weight_map }));
    expect(await expanded('.')).toEqual(['big.safetensors.index.json', st('plain')]);
    expect(await expanded('*')).toEqual(['big.safetensors.index.json', st('plain')]);
    expect(await expanded(st('big-1'), 'big.safetensors.index.json')).toEqual(['big.safetensors.index.json']);
  });

  test('takes checkpoints of PyTorch, and variants, by their indexes too', async () => {
    const { folder, expanded } = await series([]);
    mkdirSync(folder, { recursive: true });
    const shard = (name: string) => {
      fileIn(folder, name, checkpoint(pickle(dict([text(name), tensor()]))));
      return [name, name];
    };
    const weight_map = Object.fromEntries(['model-00001-of-00002.bin', 'model-00002-of-00002.bin'].map(shard));
    fileIn(folder, 'model.bin.index.json', JSON.stringify({ metadata: {}, weight_map }));
    expect(await expanded('.')).toEqual(['model.bin.index.json']);
    expect(await expanded('*')).toEqual(['model.bin.index.json']);
    await writeCheckpoint(folder, 'm.fp16-00001-of-00001.safetensors', { a: [1] });
    const variant = { weight_map: { a: 'm.fp16-00001-of-00001.safetensors' } };
    fileIn(folder, 'm.safetensors.index.fp16.json', JSON.stringify(variant));
    expect(await expanded('.')).toEqual(['m.safetensors.index.fp16.json']);
  });

  test('takes a described model, and its step from its weights', async () => {
    const { folder, expanded } = await series([st('a'), st('b')], {
      [st('a')]: { step: '2' },
      [st('b')]: { step: '1' },
    });
    const layers = [{ type: 'bilinear', leftRight: 'bi_linear.weight', down: 'projection.weight' }];
    fileIn(folder, 'described.json', JSON.stringify({ schema: 'tensim.model/1', weights: st('a'), layers }));
    expect(await expanded('described.json', st('b'))).toEqual([st('b'), 'described.json']);
    expect(await expanded('*ed.json')).toEqual(['described.json']);
  });

  test('leaves a damaged file for loading to report', async () => {
    const { folder, expanded } = await series([st('good')]);
    fileIn(folder, st('bad'), 'damaged');
    expect(await expanded('.')).toEqual([st('bad'), st('good')]);
  });

  test.each([
    ['gone.safetensors', 'no such file'],
    ['gone*.safetensors', 'no checkpoint matches'],
    ['*.txt', 'no checkpoint matches'],
    ['empty', 'no checkpoint in this folder'],
  ])('names %s, for which there is nothing', async (pattern, message) => {
    const { folder } = await series([st('a'), 'notes.txt']);
    mkdirSync(join(folder, 'empty'));
    const error = await rejection(expandPaths([join(folder, st('a')), join(folder, pattern)]));
    expect(error).toMatchObject({ code: 'FILE_NOT_FOUND', file: join(folder, pattern) });
    expect(error.message).toContain(message);
  });

  test('rejects with the reason of its signal', async () => {
    const reason = new Error('enough');
    await expect(expandPaths(['*'], AbortSignal.abort(reason))).rejects.toBe(reason);
  });
});

describe('natural order', () => {
  test('is the order of the numbers, with or without leading zeros', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat()), fc.nat(12), (numbers, width) => {
        const names = numbers.map((number) => st(`step_${String(number).padStart(width, '0')}`));
        const sorted = [...numbers].sort((a, b) => a - b);
        expect(names.sort(compareNaturally)).toEqual(sorted.map((n) => st(`step_${String(n).padStart(width, '0')}`)));
      }),
    );
  });

  test('is a total order: only equal names are equal', () => {
    const name = fc.string({ unit: fc.constantFrom('a', 'B', '0', '1', '_', '/', 'é'), maxLength: 5 });
    fc.assert(
      fc.property(name, name, name, (a, b, c) => {
        expect(compareNaturally(a, b) === 0).toBe(a === b);
        expect(Math.sign(compareNaturally(a, b))).toBe(-Math.sign(compareNaturally(b, a)) || 0);
        if (compareNaturally(a, b) <= 0 && compareNaturally(b, c) <= 0)
          expect(compareNaturally(a, c)).toBeLessThanOrEqual(0);
      }),
    );
  });
});

describe('labels', () => {
  test.each([
    ['runs/a/step_10.safetensors', 'step_10'],
    ['model.safetensors.index.json', 'model'],
    ['described/model.json', 'model'],
    ['runs/a/', 'a'],
    ['v1.5.safetensors', 'v1.5'],
    ['UPPER.SAFETENSORS', 'UPPER'],
    ['.safetensors', '.safetensors'],
  ])('%s is called %s', (path, label) => {
    expect(labelOf(path)).toBe(label);
  });

  test('files of the same name get as many folders as they need, the others none', () => {
    expect(labelsOf(['a/x/1.safetensors', 'b/x/1.safetensors', 'b/y/1.safetensors', 'c/2.safetensors'])).toEqual([
      'a/x/1',
      'b/x/1',
      'y/1',
      '2',
    ]);
  });

  test('files that differ in their ending only are called by their path', () => {
    expect(labelsOf(['d/m.json', 'd/m.safetensors'])).toEqual(['d/m.json', 'd/m.safetensors']);
  });

  test('are different for different files and equal for the same file', () => {
    const part = fc.constantFrom('a', 'b', 'c');
    const path = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => st(parts.join('/')));
    fc.assert(
      fc.property(fc.array(path, { maxLength: 8 }), (paths) => {
        const labels = labelsOf(paths);
        for (const [i, label] of labels.entries())
          for (const [j, other] of labels.entries()) expect(label === other).toBe(paths[i] === paths[j]);
      }),
    );
  });
});
