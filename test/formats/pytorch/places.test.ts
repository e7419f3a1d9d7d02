import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openCheckpoint } from '../../../lib/formats/checkpoint.js';
import { inspect } from '../../../lib/model/reading/inspect.js';
import { loadModel } from '../../../lib/model/reading/load.js';
import { isIntegerFormat } from '../../../lib/tensor/integers.js';
import { dict, global, int, list, join as parts, pickle, reduce, tensor, text, tuple } from '../../support/pickle.js';
import { fileIn, rejection, temporaryFolder } from '../safetensors/helpers.js';
import { checkpoint } from './checkpoint.js';

const folder = temporaryFolder();
const fixture = (name: string) => join(import.meta.dirname, 'fixtures', 'places', name);

interface Found {
  readonly place: string | undefined;
  readonly names: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
}

async function found(path: string, key?: string): Promise<Found> {
  const opened = await openCheckpoint(path, { key });
  await opened.close();
  return { place: opened.place, names: [...opened.tensors.keys()], metadata: { ...opened.metadata } };
}

/** What is found in a file with this content. */
const foundIn = (content: Buffer, key?: string) => found(fileIn(folder, 'made.pt', checkpoint(pickle(content))), key);
const refusalOf = async (content: Buffer, key?: string) => (await rejection(foundIn(content, key))).message;

const DEEP = ['embed.weight', 'body.0.l.weight', 'body.0.r.weight', 'body.0.d.weight', 'head.weight'];
const w = tensor();
const sd = dict([text('a.weight'), w], [text('a.bias'), tensor({ shape: [6], strides: [1] })]);
const one = tensor({ shape: [1], strides: [1] });

describe('the state dict is found', () => {
  test.each([
    ['net.pt', 'net', { epoch: '1' }],
    ['model_state.pt', 'model_state', { epoch: '1' }],
    ['deepspeed.pt', 'module', { global_steps: '10' }],
    ['model_tensorstep.pt', 'model', { step: '5' }],
    ['weights_tensorstep.pt', 'weights', { step: '5' }],
    ['step_tensor.pt', 'model', { step: '500' }],
    ['step_np.pt', 'model', { step: '500' }],
    ['numpydict.pt', '.', {}],
  ])('%s', async (file, place, metadata) => {
    expect(await found(fixture(file))).toEqual({ place, names: DEEP, metadata });
    expect(await inspect(fixture(file))).toMatchObject({ family: 'deep', parameters: 96, problems: [], place });
  });

  test('in a tree of dictionaries under its name', async () => {
    const { place, names } = await found(fixture('nested.pt'));
    expect({ place, names }).toEqual({ place: 'model', names: ['embed.weight', 'head.weight'] });
  });

  test.each([
    ['beside an optimizer, losses and the states of random generators', 'random.pt', 'model', { step: '5' }],
    ['two levels down, with the step beside it', 'deeper.pt', 'state.model', { step: '7' }],
    ['where it is there twice', 'twice.pt', 'model', {}],
  ])('%s', async (_, file, place, metadata) => {
    expect(await found(fixture(file))).toEqual({ place, names: ['w.weight'], metadata });
  });

  test.each([
    ['in a list of one', dict([text('models'), list(sd)]), 'models.0'],
    ['in a tuple', tuple(sd, dict([text('state'), '}'], [text('param_groups'), ']'])), '0'],
    ['under an unusual name', dict([text('thing'), sd], [text('epoch'), int(3)]), 'thing'],
    [
      'beside an optimizer under any name',
      dict(
        [text('net'), sd],
        [text('o'), dict([text('state'), dict([int(0), sd])], [text('param_groups'), list(dict())])],
      ),
      'net',
    ],
    [
      'beside a few numbers',
      dict([text('model'), sd], [text('extra'), dict([text('mean'), w], [text('std'), w])]),
      'model',
    ],
    [
      'in an instance of an unknown class',
      dict([text('runner'), parts(global('my', 'Runner'), ')\x81', dict([text('model'), sd]), 'b')]),
      'runner.model',
    ],
    [
      'in an instance with slots',
      dict([text('runner'), parts(global('my', 'Runner'), ')\x81', 'N', dict([text('model'), sd]), '\x86b')]),
      'runner.model',
    ],
    [
      'that is of an unknown class',
      dict([text('model'), parts(global('my', 'Dict'), ')R(', text('a.weight'), w, text('a.bias'), one, 'u')]),
      'model',
    ],
    [
      'that copyreg has made of a dictionary',
      dict([
        text('model'),
        reduce(global('copy_reg', '_reconstructor'), global('my', 'Dict'), global('__builtin__', 'dict'), sd),
      ]),
      'model',
    ],
  ])('%s', async (_, content, place) => {
    expect(await foundIn(content)).toMatchObject({ place, names: ['a.weight', 'a.bias'] });
  });

  test('in a tree at the top, without the optimizer beside it', async () => {
    // One dictionary at two places, and two dictionaries.
    const part = parts(dict([text('kernel'), w]), 'q\0');
    const state = dict([text('state'), dict([int(0), sd])], [text('param_groups'), list(dict())]);
    const content = dict(
      [text('dense_0'), part],
      [text('dense_1'), 'h\0'],
      [text('o'), state],
      [text('opt_state'), sd],
    );
    expect((await foundIn(content)).names).toEqual(['dense_0.kernel', 'dense_1.kernel']);
    const copy = dict(
      [text('dense_0'), part],
      [text('dense_1'), dict([text('kernel'), tensor({ offset: 1, shape: [5], strides: [1] })])],
      [text('o'), state],
    );
    expect((await foundIn(copy)).names).toEqual(['dense_0.kernel', 'dense_1.kernel']);
    expect((await foundIn(content, '.')).names).toEqual(['dense_0.kernel', 'dense_1.kernel']);
  });

  test('as it was, where tensors stand at the top: with the step and the state of a generator as what they are', async () => {
    const bytes = tensor({ type: global('torch', 'ByteStorage'), shape: [24], strides: [1], elements: 24 });
    const content = dict(
      [text('a.weight'), w],
      [text('step'), tensor({ type: global('torch', 'IntStorage'), shape: [], strides: [] })],
      [text('rng_state'), bytes],
    );
    expect(await foundIn(content)).toEqual({ place: '.', names: ['a.weight'], metadata: { step: `${0x3f800000}` } });
    expect((await foundIn(dict([text('loss'), w]))).names).toEqual(['loss']);
  });
});

describe('of several none is taken, and all are named:', () => {
  test.each([
    ['ema.pt', '"model" (5 tensors, 96 numbers), "ema" (5 tensors, 96 numbers)'],
    ['gan.pt', '"generator" (5 tensors, 96 numbers), "discriminator" (5 tensors, 96 numbers)'],
    ['models_list.pt', '"models.0" (5 tensors, 96 numbers), "models.1" (5 tensors, 96 numbers)'],
    ['shadow.pt', '"model" (1 tensor, 6 numbers), "ema.shadow_params" (2 tensors, 9 numbers)'],
  ])('%s', async (file, places) => {
    const error = await rejection(found(fixture(file)));
    expect(error).toMatchObject({ code: 'INVALID_FILE', file: fixture(file) });
    expect(error.message).toContain(places);
    expect(error.hint).toContain('--key');
  });

  test.each([
    [
      'a state dict at the top and another in it',
      dict([text('a.weight'), w], [text('ema'), sd]),
      '"." (1 tensor, 6 numbers), "ema"',
    ],
    [
      'two of one small layer each',
      dict(
        [text('model'), dict([text('w'), w])],
        [text('ema'), dict([text('w'), tensor({ offset: 1, shape: [5], strides: [1] })])],
      ),
      '"model" (1 tensor, 6 numbers), "ema" (1 tensor, 5 numbers)',
    ],
    [
      'two under unusual names',
      dict([text('left'), sd], [text('right'), dict([text('b.weight'), w])]),
      '"left" (2 tensors',
    ],
    [
      'twenty',
      dict(...Array.from({ length: 20 }, (_, i) => [text(`m${i}`), dict([text(`${i}.weight`), w])] as const)),
      '8 more',
    ],
  ])('%s', async (_, content, message) => {
    expect(await refusalOf(content)).toContain(message);
  });
});

describe('a key says which:', () => {
  test.each([
    ['ema.pt', 'ema', 'ema', DEEP],
    ['ema.pt', 'model', 'model', DEEP],
    ['gan.pt', 'discriminator', 'discriminator', DEEP],
    ['models_list.pt', 'models.1', 'models.1', DEEP],
    ['shadow.pt', 'ema.shadow_params', 'ema.shadow_params', ['0', '1']],
    ['nested.pt', 'model.head', 'model.head', ['weight']],
    ['nested.pt', '.', '.', ['model.embed.weight', 'model.head.weight']],
    ['numpydict.pt', '.', '.', DEEP],
    ['numpydict.pt', 'head.weight', 'head.weight', ['tensor']],
    ['module4.pt', 'model.blocks', undefined, undefined],
  ])('%s, %s', async (file, key, place, names) => {
    if (names === undefined)
      expect((await rejection(found(fixture(file), key))).message).toContain(`nothing under the key "${key}"`);
    else expect(await found(fixture(file), key)).toMatchObject({ place, names });
  });

  test('names may have points in them', async () => {
    const content = dict([text('runs.best'), dict([text('model.ema'), sd])]);
    expect(await foundIn(content, 'runs.best.model.ema')).toMatchObject({ names: ['a.weight', 'a.bias'] });
  });

  test.each([
    [
      'that leads nowhere',
      'nothing',
      'has nothing under the key "nothing". Tensors are at: "model" (2 tensors, 12 numbers)',
    ],
    ['beyond a list', 'models.7', 'has nothing under the key "models.7"'],
    ['to what holds no tensors', 'config', 'has no tensors under the key "config"'],
    ['of the prototype', '__proto__', 'has nothing under the key "__proto__"'],
    ['without end', 'a.'.repeat(2000), 'has nothing under the key'],
  ])('one %s is refused', async (_, key, message) => {
    const content = dict([text('model'), sd], [text('config'), dict([text('lr'), int(1)])], [text('models'), list(sd)]);
    expect(await refusalOf(content, key)).toContain(message);
  });

  test('two keys of one file are two models', async () => {
    const [model, ema] = await Promise.all(['model', 'ema'].map((key) => loadModel(fixture('ema.pt'), { key })));
    expect(model.provenance).toMatchObject({ key: 'model', metadata: { step: '5' } });
    expect(ema.provenance.key).toBe('ema');
    expect(ema.parameters.get('embed.weight')).not.toEqual(model.parameters.get('embed.weight'));
  });
});

describe('what torch and NumPy keep in a file is read as they read it:', () => {
  interface Expected {
    readonly name: string;
    readonly shape: readonly number[];
    readonly values: readonly number[];
  }
  const expected: Record<string, Expected[]> = JSON.parse(readFileSync(fixture('expected.json'), 'utf8'));

  test.each(Object.keys(expected).filter((file) => file !== 'shadow.pt'))('%s', async (file) => {
    const opened = await openCheckpoint(fixture(file));
    const read: Expected[] = [];
    for (const { name, dtype } of opened.tensors.values()) {
      const { data, shape } = await (isIntegerFormat(dtype) ? opened.readIntegers(name) : opened.read(name));
      read.push({ name, shape, values: [...data] });
    }
    const { step } = opened.metadata;
    // In the order in which they lie, which for arrays is that of the pickle.
    const inOrder: string[] = [];
    const floats = [...opened.tensors.values()].filter(({ dtype }) => dtype.startsWith('F')).map(({ name }) => name);
    for await (const [name, { data }] of opened.readInOrder(floats)) {
      inOrder.push(name);
      expect([...data]).toEqual(expected[file].find((one) => one.name === name)?.values);
    }
    const digest = await opened.sha256();
    await opened.close();
    expect(read).toEqual(expected[file]);
    expect(inOrder.sort()).toEqual(floats.sort());
    expect(digest).toBe(
      createHash('sha256')
        .update(readFileSync(fixture(file)))
        .digest('hex'),
    );
    if (file.startsWith('arrays')) expect(step).toBe('700');
  });

  const array = (shape: Buffer, data: Buffer, type = text('f4')) =>
    parts(
      reduce(global('numpy.core.multiarray', '_reconstruct'), global('numpy', 'ndarray'), tuple(int(0)), text('b')),
      tuple(int(1), shape, reduce(global('numpy', 'dtype'), type, '\x89', '\x88'), '\x89', data),
      'b',
    );
  const encoded = (content: string) => reduce(global('_codecs', 'encode'), text(content), text('latin1'));

  test.each([
    [
      'has fewer numbers than its shape says',
      array(tuple(int(2)), encoded('abcd')),
      'has the shape [2], but has 4 bytes',
    ],
    ['is written in characters that are no bytes', array(tuple(int(1)), encoded('ab€')), 'written as a text'],
    ['holds objects', array(tuple(int(1)), encoded('abcd'), text('O8')), 'elements are no numbers'],
    ['holds records', array(tuple(int(1)), encoded('abcd'), text('V4')), 'elements are no numbers'],
    ['has no shape', array(text('x'), encoded('abcd')), 'without its numbers'],
  ])('an array is refused if it %s', async (_, content, message) => {
    expect(await refusalOf(dict([text('v'), content]))).toContain(message);
  });

  test('modules in modules without end are refused or left, at no great cost', async () => {
    const module = (entries: Buffer) =>
      parts(
        global('torch.nn', 'Module'),
        ')\x81',
        dict([text('_parameters'), dict([text('w'), w])], [text('_modules'), entries]),
        'b',
      );
    // Each holds the one before twice: 2^40 of them, if they are walked through.
    const shared = Array.from({ length: 40 }, (_, i) =>
      parts(
        'q',
        Buffer.from([i]),
        '0',
        module(dict([text('a'), `h${String.fromCharCode(i)}`], [text('b'), `h${String.fromCharCode(i)}`])),
      ),
    );
    expect(await refusalOf(parts(module(dict()), ...shared))).toContain('more than any model needs');
    let nested = module(dict());
    for (let depth = 0; depth < 100; depth++) nested = module(dict([text('m'), nested]));
    expect(await refusalOf(nested)).toContain('nests modules deeper than any network');
  });

  test('a tree that shares its branches is walked through as far as memory allows', async () => {
    const shared = Array.from({ length: 40 }, (_, i) =>
      parts(
        'q',
        Buffer.from([i]),
        '0',
        dict([text('a'), `h${String.fromCharCode(i)}`], [text('b'), `h${String.fromCharCode(i)}`]),
      ),
    );
    const content = parts(dict([text('w'), w]), ...shared);
    expect((await foundIn(content).catch((error: Error) => error)) instanceof Error).toBe(true);
    expect(await refusalOf(content, '.')).toMatch(/more than any model needs|deeper than any model/);
  });
});

describe('40,000 losses beside a model are no error:', () => {
  const LOSSES = 40_000;
  /** As picklers write it: what comes again is remembered, and a thousand things are gathered at a time. */
  const remembered = [
    global('torch._utils', '_rebuild_tensor_v2'),
    text('storage'),
    global('torch', 'FloatStorage'),
    text('cpu'),
    global('collections', 'OrderedDict'),
  ];
  const prologue = parts(...remembered.map((value, i) => parts(value, 'q', Buffer.from([i]), '0')));
  const again = (i: number) => parts('h', Buffer.from([i]));
  const loss = (i: number, shape: Buffer | string) =>
    parts(
      again(0),
      parts(
        '(',
        tuple(again(1), again(2), text(`${i}`), again(3), int(1)),
        'Q',
        int(0),
        shape,
        shape,
        '\x89',
        again(4),
        ')R',
        't',
      ),
      'R',
    );
  const gathered = (empty: string, end: string, item: (i: number) => Buffer) => {
    const batches: Buffer[] = [];
    for (let from = 0; from < LOSSES; from += 1000)
      batches.push(parts('(', ...Array.from({ length: 1000 }, (_, i) => item(from + i)), end));
    return parts(empty, ...batches);
  };
  // torch.save begins every member at a multiple of 64.
  const members = Array.from({ length: LOSSES }, (_, i) => ({ name: `a/data/${i}`, data: Buffer.alloc(64) }));

  test.each([
    ['in a list', gathered(']', 'e', (i) => loss(i, ')'))],
    ['of one element each, in a list', gathered(']', 'e', (i) => loss(i, parts(int(1), '\x85')))],
    ['by number', gathered('}', 'u', (i) => parts(int(i), loss(i, ')')))],
    ['by name', gathered('}', 'u', (i) => parts(text(`loss_${i}`), loss(i, ')')))],
  ])('%s', async (_, losses) => {
    const content = parts(prologue, dict([text('log'), losses], [text('model'), sd]));
    const path = fileIn(folder, 'losses.pt', checkpoint(pickle(content), members, { zip64: true }));
    expect(await found(path)).toMatchObject({ place: 'model', names: ['a.weight', 'a.bias'] });
  });
});
