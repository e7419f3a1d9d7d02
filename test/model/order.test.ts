import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { npyHeader } from '../../lib/formats/numpy/npy_header.js';
import { orderByNames } from '../../lib/model/reading/order.js';
import { expandInOrder } from '../../lib/model/reading/paths.js';
import { similarityMatrix } from '../../lib/similarity/matrix.js';
import { tensim } from '../cli/run.js';
import { checkpoint } from '../formats/pytorch/checkpoint.js';
import { fileIn, rawFile, rejection, temporaryFolder } from '../formats/safetensors/helpers.js';
import { dict, int, pickle, tensor, text } from '../support/pickle.js';
import { zip } from '../support/zip.js';
import { bilinearShapes, tensorsOf, writeCheckpoint } from './helpers.js';

const root = temporaryFolder();
let folders = 0;

/** The steps of files in alphabetical order: their own order is another. */
const STEPS = { alpha: 500, best: 300, final: 1000, init: 0 };
const IN_ORDER = ['init', 'best', 'alpha', 'final'];

type Write = (folder: string, name: string, step: number) => unknown;

async function series(write: Write): Promise<string> {
  const folder = join(root, `series-${folders++}`);
  mkdirSync(folder);
  for (const [name, step] of Object.entries(STEPS)) await write(folder, name, step);
  return folder;
}

/** A safetensors file with these metadata; its weights depend on the step. */
const safetensors =
  (metadata: (step: number) => Record<string, string>): Write =>
  (folder, name, step) => {
    const tensors = tensorsOf(bilinearShapes(2, 2, 2));
    tensors.get('projection.weight')!.data[0] += step / 100;
    return writeCheckpoint(folder, `${name}.safetensors`, tensors, metadata(step));
  };

const namesOf = (paths: readonly string[]) => paths.map((path) => path.replace(/^.*[\\/]|\.\w+$/g, ''));

describe('the order of files', () => {
  test.each(['step', 'global_step', 'global_steps', 'iter_num', 'iteration', 'train_step', 'epoch'])(
    'is that of "%s" in the metadata',
    async (key) => {
      const folder = await series(safetensors((step) => ({ [key]: String(step) })));
      const { paths, order } = await expandInOrder([folder]);
      expect(namesOf(paths)).toEqual(IN_ORDER);
      expect(order).toEqual({ by: 'metadata', key });
    },
  );

  test.each<[title: string, write: Write]>([
    [
      'a number beside the state dict of a .pt file',
      (folder, name, step) => {
        const state = dict([text('w'), tensor()]);
        return fileIn(
          folder,
          `${name}.pt`,
          checkpoint(pickle(dict([text('model'), state], [text('iter_num'), int(step)]))),
        );
      },
    ],
    [
      'a number in an .npz archive',
      (folder, name, step) => {
        const array = Buffer.concat([npyHeader('<i8', []), new Uint8Array(BigInt64Array.of(BigInt(step)).buffer)]);
        const weight = Buffer.concat([npyHeader('<f4', [1]), Buffer.alloc(4)]);
        return fileIn(
          folder,
          `${name}.npz`,
          zip([
            { name: 'step.npy', data: array },
            { name: 'w.npy', data: weight },
          ]),
        );
      },
    ],
    [
      'a tensor in a safetensors file',
      (folder, name, step) => {
        const header =
          '{"global_step":{"dtype":"I64","shape":[],"data_offsets":[0,8]},"w":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}';
        const data = Buffer.concat([new Uint8Array(BigInt64Array.of(BigInt(step)).buffer), Buffer.alloc(4)]);
        return fileIn(folder, `${name}.safetensors`, rawFile(header, data));
      },
    ],
  ])('is that of %s', async (_, write) => {
    const { paths, order } = await expandInOrder([await series(write)]);
    expect(namesOf(paths)).toEqual(IN_ORDER);
    expect(order.by).toBe('metadata');
  });

  test('believes a step more than an epoch, and no number that is the same in all', async () => {
    const epochs = safetensors((step) => ({ epoch: String(2000 - step), global_step: String(step), steps: '1000' }));
    expect(await expandInOrder([await series(epochs)])).toMatchObject({ order: { key: 'global_step' } });
    const total = safetensors((step) => ({ step: '1000', iteration: String(step) }));
    const { paths, order } = await expandInOrder([await series(total)]);
    expect({ names: namesOf(paths), order }).toEqual({ names: IN_ORDER, order: { by: 'metadata', key: 'iteration' } });
  });

  test('rests on one name for all files', async () => {
    const mixed = await series(safetensors((step) => (step === 0 ? { step: '9' } : { global_step: String(step) })));
    expect(await expandInOrder([mixed])).toMatchObject({ order: { by: 'none' } });
  });

  test.each([
    [['step_9', 'step_10'], 'names'],
    [['run2/last', 'run10/last'], 'names'],
    [['final', 'step_1'], 'none'],
    [['mnist2_a', 'mnist2_b'], 'none'],
    [['one'], 'names'],
  ])('of %j without steps is by %s', async (names, by) => {
    const folder = join(root, `series-${folders++}`);
    for (const name of names) {
      mkdirSync(join(folder, name, '..'), { recursive: true });
      await safetensors(() => ({}))(folder, name, 0);
    }
    const { order } = await expandInOrder(names.map((name) => join(folder, `${name}.safetensors`)));
    if (names.length > 1) expect(order).toEqual({ by });
  });
});

describe('the steps option', () => {
  test('reads steps as the order does', async () => {
    const folder = await series(safetensors((step) => ({ epoch: '1', iter_num: String(step) })));
    const { paths } = await expandInOrder([folder]);
    const { labels } = await similarityMatrix(paths, { steps: [[200, 600]], measure: 'weights' });
    expect(labels).toEqual(['best', 'alpha']);
    const error = await rejection(
      similarityMatrix((await expandInOrder([await series(safetensors(() => ({})))])).paths, { steps: [0] }),
    );
    expect(error.message).toContain('does not say which step it is of');
  });
});

describe('tensim matrix', () => {
  const run = (folder: string, ...args: string[]) => tensim(['matrix', folder, '--measure', 'weights', ...args]);

  test('says what the order rests on', async () => {
    const folder = await series(safetensors((step) => ({ global_step: String(step) })));
    const { stdout, stderr } = await run(folder);
    expect(stderr).toBe('');
    expect(stdout).toContain('In the order of "global_step" in their metadata.');
    expect(stdout).toContain('The largest change between consecutive models is init → best');
    expect(JSON.parse((await run(folder, '--json')).stdout).order).toEqual({ by: 'metadata', key: 'global_step' });
  });

  test('tells no change from one to the next where there is no order, in any report', async () => {
    const folder = await series(safetensors((step) => ({ note: String(step) })));
    const files = ['svg', 'html', 'json'].map((ending) => join(folder, `report.${ending}`));
    const { stdout, stderr } = await run(folder, ...files.flatMap((file) => ['--out', file]));
    expect(stderr).toContain('note: In alphabetical order, as nothing says which comes after which');
    expect(stdout).toContain(
      'Nothing says which model comes after which: those that are alike stand next to each other',
    );

    for (const report of [stdout, ...files.map((file) => readFileSync(file, 'utf8'))])
      expect(report).not.toMatch(/consecutive|largest change|onset at|→/i);
    const several = await tensim(['matrix', folder, '--measure', 'weights,gaussian', '--out', files[1]]);
    expect(several.stdout).not.toMatch(/consecutive|largest change|→|block score/i);
    expect(readFileSync(files[1], 'utf8')).not.toContain('Change from one model to the next');
    const json = JSON.parse((await run(folder, '--json')).stdout);
    expect(json).toMatchObject({ order: { by: 'none' } });
  });

  test('nor in a table too wide for the terminal', async () => {
    const folder = join(root, `series-${folders++}`);
    mkdirSync(folder);
    for (let i = 0; i < 16; i++) {
      const name = String.fromCharCode(97 + i).repeat(3);
      await safetensors(() => ({}))(folder, name, i * i);
    }
    const { stdout } = await run(folder);
    expect(stdout).toMatch(/^16 models: similarities from 0\.\d+ to /);
    expect(stdout).not.toContain('change from one to the next, 1');
  });
});

describe('a set is no series', () => {
  const order = (...labels: string[]) => orderByNames(labels.map((label) => `${label}.safetensors`));

  test.each([
    [['net_seed0', 'net_seed1', 'net_seed2'], 'seeds'],
    [['relu_seed0', 'relu_seed1', 'gelu2_seed0'], 'seeds'],
    [['fold-1', 'fold-2'], 'seeds'],
    [['lr0.1_wd0.2', 'lr0.1_wd0.4', 'lr0.2_wd0.2', 'lr0.2_wd0.4'], 'settings'],
    [['deep1_width64', 'deep2_width32'], 'settings'],
  ])('%j differ in %s', (labels, why) => {
    expect(order(...labels)).toEqual({ by: 'set', why });
  });

  test.each([
    [['step_100', 'step_200']],
    [['epoch=0-step=100', 'epoch=2-step=300', 'epoch=10-step=1100']],
    [['epoch=0-step=100', 'epoch=0-step=50', 'epoch=1-step=150']],
    [['seed3_step_100', 'seed3_step_200']],
    [['model_v2_100', 'model_v2_200', 'model_v2_final_300']],
    [['ckpt1', 'ckpt2']],
  ])('%j may be one', (labels) => {
    expect(order(...labels)).toEqual({ by: 'names' });
  });
});
