import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadInputs } from '../../../lib/evaluation/inputs_file.js';
import { openCheckpoint } from '../../../lib/formats/checkpoint.js';
import { inspect } from '../../../lib/model/reading/inspect.js';
import { loadModel } from '../../../lib/model/reading/load.js';
import { expandPaths } from '../../../lib/model/reading/paths.js';
import { similarity } from '../../../lib/similarity/similarity.js';
import { isIntegerFormat } from '../../../lib/tensor/integers.js';
import { bilinearShapes, writeCheckpoint } from '../../model/helpers.js';
import {
  dict,
  global,
  int,
  join as parts,
  pickle,
  reduce,
  storage,
  tensor,
  text,
  tuple,
} from '../../support/pickle.js';
import { fileIn, rejection, temporaryFolder, withCheckpoint } from '../safetensors/helpers.js';
import { checkpoint, SIX } from './checkpoint.js';

const folder = temporaryFolder();
const fixture = (name: string) => join(import.meta.dirname, 'fixtures', name);

interface Expected {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly values?: readonly number[];
}
const expected: Record<string, Expected[]> = JSON.parse(readFileSync(fixture('expected.json'), 'utf8'));

/** Lists and reads everything in a file, in the form of expected.json. */
function readWhole(path: string): Promise<Expected[]> {
  return withCheckpoint(path, async (opened) => {
    const tensors: Expected[] = [];
    for (const { name, dtype, shape } of opened.tensors.values()) {
      const readable = isIntegerFormat(dtype) ? opened.readIntegers(name) : opened.read(name);
      const values = await readable.then(
        ({ data }) => [...data],
        () => undefined,
      );
      tensors.push({ name, dtype, shape: [...shape], ...(values && { values }) });
    }
    return tensors;
  });
}

describe('what torch.save wrote is read as torch reads it', () => {
  test.each(Object.keys(expected))('%s', async (file) => {
    // Truth values are read by torch as numbers, and here not at all; -0 is told from 0.
    const wanted = expected[file].map(({ values, ...rest }) =>
      rest.dtype === 'BOOL' || !values ? rest : { ...rest, values },
    );
    expect(await readWhole(fixture(file))).toEqual(wanted);
  });
});

describe('a checkpoint of a training run', () => {
  test('gives the model alone, with the numbers and texts beside it as metadata', async () => {
    const opened = await openCheckpoint(fixture('training.pt'));
    await opened.close();
    expect([...opened.tensors.keys()]).toEqual(['bi_linear.weight', 'projection.weight']);
    expect({ ...opened.metadata }).toEqual({
      epoch: '3',
      step: '700',
      lr: '0.001',
      name: 'café',
      done: 'false',
    });
  });

  test('is a model, inspected and compared like any other', async () => {
    const model = await loadModel(fixture('training.pt'));
    expect(model).toMatchObject({ label: 'training', family: 'bilinear', inputShape: [1, 4], outputShape: [1, 2] });
    const other = await loadModel(fixture('state_dict.pth'));
    expect((await similarity(model, other)).similarity).toBeCloseTo(1, 12);
    expect(await inspect(fixture('model.bin'))).toMatchObject({ family: 'bilinear', problems: [], parameters: 30 });
  });

  test('the storages of its optimizer are never read', async () => {
    const opened = await openCheckpoint(fixture('training.pt'));
    const spans = [...opened.tensors.values()].map(({ offset, bytes }) => [offset, offset + bytes]);
    await opened.close();
    // A copy in which everything but the pickle, the two tensors and the directory is noise.
    const bytes = readFileSync(fixture('training.pt'));
    const keep = [...spans, [0, bytes.indexOf('PK', 4)], [bytes.indexOf('PK\x01\x02'), bytes.length]];
    const noise = bytes.map((byte, at) => (keep.some(([from, to]) => at >= from && at < to) ? byte : byte ^ 0x5a));
    for (let at = bytes.indexOf('PK', 4); at >= 0; at = bytes.indexOf('PK\x03\x04', at + 1))
      bytes.copy(noise, at, at, at + 30 + bytes.readUInt16LE(at + 26) + bytes.readUInt16LE(at + 28));
    const spoilt = fileIn(folder, 'spoilt.pt', noise);
    expect(await readWhole(spoilt)).toEqual(expected['training.pt']);
  });
});

describe('what other versions write', () => {
  const read = (bytes: Uint8Array) => readWhole(fileIn(folder, 'made.pt', bytes));
  const w = { name: 'w', dtype: 'F32', shape: [2, 3], values: [1, 2, 3, 4, 5, 6] };

  test('archives with zip64 records, and with a comment', async () => {
    const content = pickle(dict([text('w'), tensor()]));
    expect(await read(checkpoint(content))).toEqual([w]);
    expect(await read(checkpoint(content, undefined, { zip64: true }))).toEqual([w]);
    expect(await read(checkpoint(content, undefined, { comment: `PK\x05\x06${'x'.repeat(60)}` }))).toEqual([w]);
  });

  test('tensors with attributes, parameters with state, sizes as torch.Size', async () => {
    const size = reduce(global('torch', 'Size'), tuple(int(2), int(3)));
    const args = tuple(
      storage(),
      int(0),
      size,
      tuple(int(3), int(1)),
      '\x89',
      reduce(global('collections', 'OrderedDict')),
    );
    const typed = reduce(
      global('torch._tensor', '_rebuild_from_type_v2'),
      global('torch._utils', '_rebuild_tensor_v2'),
      global('torch', 'Tensor'),
      args,
      dict([text('note'), text('kept')]),
    );
    const parameter = reduce(global('torch._utils', '_rebuild_parameter_with_state'), typed, '\x88', '}', '}');
    expect(await read(checkpoint(pickle(dict([text('w'), parameter]))))).toEqual([w]);
  });

  test('NumPy scalars, paths and settings beside the weights are passed over', async () => {
    const scalar = reduce(
      global('numpy.core.multiarray', 'scalar'),
      reduce(global('numpy', 'dtype'), text('f8'), '\x89', '\x88'),
      reduce(global('_codecs', 'encode'), text('abcdefgh'), text('latin1')),
    );
    const settings = parts(global('argparse', 'Namespace'), ')\x81', dict([text('lr'), int(1)]), 'b');
    const content = pickle(
      dict([text('best'), scalar], [text('args'), settings], [text('model'), dict([text('w'), tensor()])]),
    );
    expect(await read(checkpoint(content))).toEqual([w]);
  });

  test('a tensor among numbers at the top does not hide the state dict', async () => {
    const model = dict([text('w'), tensor()]);
    expect(
      await read(checkpoint(pickle(dict([text('loss'), tensor({ shape: [], strides: [] })], [text('model'), model])))),
    ).toEqual([w]);
  });

  test('a tensor larger than one read, transposed', async () => {
    const [rows, columns] = [1200, 1100];
    const values = Float32Array.from({ length: rows * columns }, (_, index) => index);
    const content = pickle(
      dict([text('w'), tensor({ elements: rows * columns, shape: [columns, rows], strides: [1, columns] })]),
    );
    const file = fileIn(
      folder,
      'large.pt',
      checkpoint(content, [{ name: 'a/data/0', data: Buffer.from(values.buffer) }]),
    );
    const { data } = await withCheckpoint(file, (opened) => opened.read('w'));
    const reason = new Error('enough');
    const controller = new AbortController();
    await withCheckpoint(file, async (opened) => {
      const reading = opened.read('w', controller.signal);
      controller.abort(reason);
      await expect(reading).rejects.toBe(reason);
    });
    let wrong = 0;
    for (let i = 0; i < columns; i++)
      for (let j = 0; j < rows; j++) if (data[i * rows + j] !== j * columns + i) wrong++;
    expect(wrong).toBe(0);
  });
});

describe('a path', () => {
  test('to a folder means its checkpoints: safetensors if there are any, else those of PyTorch', async () => {
    const mixed = join(folder, 'mixed');
    mkdirSync(mixed);
    for (const name of ['step_2.pt', 'step_10.pth', 'step_1.bin'])
      copyFileSync(fixture('model.bin'), join(mixed, name));
    expect(await expandPaths([mixed])).toEqual(
      ['step_1.bin', 'step_2.pt', 'step_10.pth'].map((name) => join(mixed, name)),
    );
    expect(await expandPaths([join(mixed, '*.p*')])).toHaveLength(2);
    for (const name of ['optimizer.pt', 'rng_state_0.pth', 'training_args.bin']) fileIn(mixed, name, 'no model');
    expect(await expandPaths([mixed])).toHaveLength(3);
    const converted = await writeCheckpoint(mixed, 'step_1.safetensors', bilinearShapes());
    expect(await expandPaths([mixed])).toEqual([converted]);
  });

  test('to inputs may be a tensor that was saved alone', async () => {
    expect(await loadInputs(fixture('alone.pt'))).toEqual({ data: Float32Array.of(0, 1, 2, 3, 4, 5), shape: [2, 3] });
  });

  test('steps of training order a folder', async () => {
    const steps = join(folder, 'steps');
    mkdirSync(steps);
    for (const [name, step] of [
      ['a', 30],
      ['b', 4],
      ['c', 200],
    ] as const)
      fileIn(
        steps,
        `${name}.pt`,
        checkpoint(pickle(dict([text('step'), int(step)], [text('model'), dict([text('w'), tensor()])]))),
      );
    expect(await expandPaths([steps])).toEqual(['b', 'a', 'c'].map((name) => join(steps, `${name}.pt`)));
  });
});

test('reading can be aborted, and a file that shrinks meanwhile is told', async () => {
  const file = fileIn(
    folder,
    'abort.pt',
    checkpoint(pickle(dict([text('w'), tensor()])), [{ name: 'a/data/0', data: SIX }]),
  );
  const reason = new Error('enough');
  await expect(openCheckpoint(file, AbortSignal.abort(reason))).rejects.toBe(reason);
  const opened = await openCheckpoint(file);
  await expect(opened.read('w', AbortSignal.abort(reason))).rejects.toBe(reason);
  const handle = await open(file, 'r+');
  await handle.truncate(60);
  await handle.close();
  expect(await rejection(opened.read('w'))).toMatchObject({ code: 'FILE_CHANGED', file, tensor: 'w' });
  await opened.close();
});
