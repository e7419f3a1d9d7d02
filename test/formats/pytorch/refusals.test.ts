import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openCheckpoint } from '../../../lib/formats/checkpoint.js';
import {
  dict,
  global,
  int,
  list,
  join as parts,
  pickle,
  reduce,
  storage,
  tensor,
  text,
  tuple,
} from '../../support/pickle.js';
import type { Member, ZipOptions } from '../../support/zip.js';
import { zip } from '../../support/zip.js';
import { fileIn, rejection, temporaryFolder, withCheckpoint } from '../safetensors/helpers.js';
import { checkpoint, SIX } from './checkpoint.js';

const folder = temporaryFolder();
const fixture = (name: string) => readFileSync(join(import.meta.dirname, 'fixtures', name));

async function refusal(bytes: Uint8Array) {
  const path = fileIn(folder, 'refused.pt', bytes);
  const error = await rejection(openCheckpoint(path));
  expect(error).toMatchObject({ code: 'INVALID_FILE', file: path });
  expect(error.hint).toBeTruthy();
  return error.message;
}

const whole = pickle(dict([text('w'), tensor()]));

describe('another format of PyTorch is refused with a way to convert it:', () => {
  const tar = Buffer.alloc(1024);
  tar.write('ustar', 257);
  test.each([
    ['tar', tar, 'weights_only=False), "refused.new.pt"), if you trust the file'],
    ['a plain pickle', fixture('refused_plain.pt'), 'pickle").load(open("refused.pt", "rb"))'],
    [
      'compressed members',
      fixture('refused_compressed.pt'),
      'compressed, which torch.save never does. Convert it with: import torch;',
    ],
    ['TorchScript', fixture('refused_script.pt'), 'save torch.jit.load("file.pt").state_dict()'],
    ['sparse tensors', fixture('refused_sparse.pt'), '"torch._utils._rebuild_sparse_tensor"'],
  ])('%s', async (_, bytes, remedy) => {
    expect(await refusal(bytes)).toContain(remedy);
  });
});

describe('a file of another kind is named:', () => {
  test.each([
    ['nothing', Buffer.alloc(0), 'is empty'],
    ['a Git LFS pointer', Buffer.from('version https://git-lfs.github.com/spec/v1\n'), 'git lfs pull'],
    ['a web page', Buffer.from('<!DOCTYPE html>'), 'web page'],
    ['damaged safetensors', Buffer.from('\x02\0\0\0\0\0\0\0{', 'latin1'), 'ending .safetensors'],
    ['a damaged NumPy archive', zip([{ name: 'w.npy', data: SIX }]), 'ending .npz'],
    ['some other archive', zip([{ name: 'readme.txt', data: SIX }]), 'without the one data.pkl'],
    ['two checkpoints in one', checkpoint(whole, [{ name: 'b/data.pkl', data: whole }]), 'without the one data.pkl'],
    ['noise', Buffer.alloc(300, 0xfe), 'does not begin as an archive'],
  ])('%s', async (_, bytes, message) => {
    expect(await refusal(bytes)).toContain(message);
  });
});

describe('nothing of a pickle is carried out:', () => {
  const asks = (...content: (Buffer | string)[]) =>
    checkpoint(pickle(dict([text('w'), tensor()], [text('x'), parts(...content)])));
  const command = (module: string, name: string) => reduce(global(module, name), text('touch executed'));

  test('a command to the system, as torch.save writes it, is passed over', async () => {
    const path = fileIn(folder, 'evil.pt', fixture('refused_evil.pt'));
    expect(await withCheckpoint(path, async ({ tensors }) => [...tensors.keys()])).toEqual(['w']);
    expect(existsSync('executed')).toBe(false);
  });

  test.each([
    ['os.system', command('os', 'system')],
    ['posix.system', command('posix', 'system')],
    ['subprocess.Popen', command('subprocess', 'Popen')],
    ['builtins.eval', reduce(global('builtins', 'eval'), text('1'))],
    ['builtins.exec of protocol 2', reduce(global('__builtin__', 'exec'), text('1'))],
    ['a file that is opened', reduce(global('builtins', 'open'), text('executed'), text('w'))],
    [
      'getattr of an import',
      reduce(
        reduce(global('builtins', 'getattr'), command('builtins', '__import__'), text('system')),
        text('touch executed'),
      ),
    ],
    ['torch.load', command('torch', 'load')],
    ['torch.hub.load', command('torch.hub', 'load')],
    ['runpy', command('runpy', '_run_code')],
    [
      'a partial function',
      reduce(reduce(global('functools', 'partial'), global('os', 'system')), text('touch executed')),
    ],
    [
      'a global by its parts on the stack',
      parts(text('os'), text('system'), '\x93', tuple(text('touch executed')), 'R'),
    ],
    ['a dotted name', parts(text('torch'), text('_utils.os.system'), '\x93', tuple(text('touch executed')), 'R')],
    ['a class of the script', global('__main__', 'Model')],
    ['names from the prototype', reduce(global('constructor', 'prototype'))],
    ['a prototype as a module', reduce(global('__proto__', 'constructor'))],
    ['a name to print', global('\x1b[2Jos', 'x')],
    ['an instance, old style', parts('(', text('touch executed'), 'ios\nsystem\n')],
    ['an instance by its class', parts('(', global('os', 'system'), text('touch executed'), 'o')],
    [
      'an instance by its class, with arguments by name',
      parts(global('os', 'system'), ')', dict([text('command'), text('touch executed')]), '\x92'),
    ],
    ['an instance by copyreg', reduce(global('copyreg', '__newobj__'), global('os', 'system'), text('touch executed'))],
    ['an extension', parts('\x82\x01', ')R')],
    ['a state for a function', parts(global('os', 'system'), dict([text('__class__'), text('x')]), 'b')],
    ['entries and items for a function', parts(command('os', 'system'), text('a'), 'N', 's', 'Na')],
    ['a text of protocol 0', parts("S'a'\n")],
    ['a call of a type', reduce(global('torch', 'FloatStorage'), int(9))],
    ['a call of what a call has made', parts(reduce(global('os', 'system')), ')R')],
    ['a persistent id of its own', parts(text('file:///etc/passwd'), 'Q')],
    ['a persistent id by text', parts('Pfile:///etc/passwd\n')],
    [
      'a type of tensors that runs a function',
      reduce(
        global('torch._tensor', '_rebuild_from_type_v2'),
        global('os', 'system'),
        global('os', 'system'),
        tuple(text('touch executed')),
        'N',
      ),
    ],
  ])('%s stands beside the weights unread', async (_, content) => {
    const path = fileIn(folder, 'asks.pt', asks(content));
    const { data } = await withCheckpoint(path, (opened) => opened.read('w'));
    expect([...data]).toEqual([1, 2, 3, 4, 5, 6]);
    expect(existsSync('executed')).toBe(false);
  });

  test.each([
    ['a call of a text', parts(text('os.system'), ')R'), 'calls what is no function'],
    ['a call with no tuple', parts(global('torch', 'Size'), 'NR'), 'calls what is no function'],
    ['a global by what is no text', parts('NN\x93'), 'names a global by what is no text'],
    ['an instruction that is none', parts('\xff'), 'the instruction 0xff, which is none of a pickle'],
  ])('%s is no pickle at all', async (_, content, message) => {
    expect(await refusal(asks(content))).toContain(message);
  });

  test.each([
    ['a function', command('os', 'system'), 'has no tensors at the top'],
    [
      'a tensor of another kind',
      reduce(global('torch._utils', '_rebuild_qtensor'), storage()),
      'tensor "w": its pickle makes it by "torch._utils._rebuild_qtensor", which is not read. Save tensor.dequantize()',
    ],
    [
      'a tensor in a storage of another kind',
      tensor({ type: global('torch', 'QInt8Storage') }),
      'tensor "w": its pickle keeps it in a storage of "torch.QInt8Storage"',
    ],
    [
      'a tensor of what is opaque',
      reduce(
        global('torch._utils', '_rebuild_tensor_v2'),
        command('os', 'system'),
        int(0),
        tuple(int(6)),
        tuple(int(1)),
      ),
      'tensor "w": its pickle keeps it in a storage of "os.system"',
    ],
    [
      'a tensor under a type of another kind',
      reduce(
        global('torch._utils', '_rebuild_tensor_v3'),
        storage(),
        int(0),
        tuple(int(6)),
        tuple(int(1)),
        '\x89',
        '}',
        global('torch', 'float4\x1b[2J'),
      ),
      '"torch.float4\\u001b[2J"',
    ],
  ])('a weight that depends on %s is refused by its name', async (_, content, message) => {
    expect(await refusal(checkpoint(pickle(dict([text('w'), content]))))).toContain(message);
    expect(existsSync('executed')).toBe(false);
  });

  test('within a state dict, what was made of tensors by an unknown name is refused; what was made of none is not', async () => {
    const model = (made: Buffer) =>
      checkpoint(pickle(dict([text('model'), dict([text('w'), tensor()], [text('x'), made])])));
    const ofTensors = reduce(global('torchao', 'Quantized'), tensor(), int(4));
    expect(await refusal(model(ofTensors))).toContain(
      'tensor "x": its pickle makes it by "torchao.Quantized" of tensors',
    );
    const path = fileIn(folder, 'beside.pt', model(reduce(global('_io', 'BytesIO'), text('abc'))));
    expect(await withCheckpoint(path, async ({ tensors }) => [...tensors.keys()])).toEqual(['w']);
  });
});

describe('a pickle is refused if', () => {
  test.each([
    ['it is empty', Buffer.alloc(0), 'breaks off'],
    ['it breaks off', whole.subarray(0, -1), 'breaks off'],
    ['a text is longer than it', pickle('X\xff\xff\xff\xff'), 'breaks off'],
    ['a name has no end', pickle(`c${'x'.repeat(9000)}`), 'has a name without an end'],
    ['it pops from nothing', pickle('0'), 'where there is none'],
    ['it reaches below a mark', pickle('N(0'), 'where there is none'],
    ['it reaches below a mark for two', pickle('NN(\x86'), 'where there are none'],
    ['it closes no mark', pickle('t'), 'closes what it has not opened'],
    ['it leaves a mark open', pickle('N('), 'stops in the middle'],
    ['it leaves nothing', pickle(), 'stops in the middle'],
    ['it appends to a tuple', pickle(')Na'), 'appends to what is no list'],
    ['it sets entries of a list', pickle(']NNs'), 'sets entries of what is no dictionary'],
    ['it sets a key without a value', pickle('}(Nu'), 'sets entries of what is no dictionary'],
    ['it recalls what it has not remembered', pickle('h\x00'), 'recalls value 0'],
    ['it remembers out of order', pickle('Nr\xff\xff\xff\x7f'), 'remembers value 2,147,483,647 before value 0'],
    ['it is of a later protocol', Buffer.from('\x80\x06N.', 'latin1'), 'protocol beyond 5'],
    ['it is a list', pickle(list(tensor())), 'no dictionary'],
    [
      'it has no tensors',
      pickle(dict([text('step'), int(3)])),
      'no tensors at the top, and none under "model_state_dict"',
    ],
    [
      'a weight is a NumPy array',
      pickle(dict([text('w'), tensor()], [text('v'), reduce(global('numpy.core.multiarray', '_reconstruct'))])),
      'tensor "v": its pickle has a NumPy array without its numbers',
    ],
    [
      'a state dict nests another',
      pickle(dict([text('model'), dict([text('w'), tensor()], [text('sub'), dict([text('v'), tensor()])])])),
      'has tensors in "sub" within its state dict',
    ],
    ['a tensor has no name', pickle(dict([text('w'), tensor()], [int(3), tensor()])), 'under a key that is no name'],
    ['the name of a tensor is a page', pickle(dict([text('w'.repeat(5000)), tensor()])), 'under a key that is no name'],
    [
      'the name of a tensor is no text',
      pickle('}', 'X\x02\x00\x00\x00\xff\xfe', tensor(), 's'),
      'under a key that is no name',
    ],
    [
      'the name of a tensor moves the cursor',
      pickle(dict([text('a\x1b[2J'), tensor()])),
      'contains control characters',
    ],
  ])('%s', async (_, content, message) => {
    expect(await refusal(checkpoint(content))).toContain(message);
  });
});

describe('a tensor is refused if', () => {
  const negated = reduce(
    global('torch._utils', '_rebuild_tensor_v2'),
    ...[storage(), int(0), tuple(int(6)), tuple(int(1)), '\x89', '}', dict([text('neg'), '\x88'])],
  );
  const untyped = tensor({ type: global('torch.storage', 'UntypedStorage'), elements: 24 });
  test.each([
    ['its storage is missing', tensor({ key: '7' }), 'its storage "7" is missing'],
    ['its storage is elsewhere', tensor({ key: '../data.pkl' }), 'is missing'],
    ['its storage is shorter than it says', tensor({ elements: 7 }), 'said to have 28 bytes, and has 24 bytes'],
    ['it ends behind its storage', tensor({ offset: 1 }), 'does not fit into its storage of 6 elements'],
    ['its strides lead out of its storage', tensor({ strides: [3, 2] }), 'does not fit'],
    ['its offset is negative', tensor({ offset: -1 }), 'what is no storage'],
    ['its shape is negative', tensor({ shape: [-2, 3] }), 'not up to 32 whole numbers'],
    ['its strides are negative', tensor({ strides: [-3, 1] }), 'not up to 32 whole numbers'],
    ['it has more axes than strides', tensor({ strides: [1] }), 'gives a tensor 2 axes and 1 strides'],
    ['it has 33 axes', tensor({ shape: Array(33).fill(1), strides: Array(33).fill(1) }), 'not up to 32'],
    ['it overlaps', tensor({ strides: [1, 1] }), 'its elements overlap'],
    [
      'it repeats one number a billion times',
      tensor({ shape: [1 << 30], strides: [0] }),
      'repeats its 6 elements without end',
    ],
    ['its size is beyond all numbers', tensor({ shape: [2 ** 30, 2 ** 30], strides: [0, 0] }), 'does not fit'],
    ['it is to be negated', negated, 'to be negated or conjugated'],
    ['its bytes have no type', untyped, 'without an element type'],
  ])('%s', async (_, content, message) => {
    expect(await refusal(checkpoint(pickle(dict([text('w'), content]))))).toContain(message);
  });

  test('many of them are one and the same large one', async () => {
    const elements = 1 << 22;
    const shared = Array.from(
      { length: 5 },
      (_, i) => [text(`w${i}`), tensor({ elements, shape: [elements], strides: [1] })] as const,
    );
    const data = new Uint8Array(4 * elements);
    expect(await refusal(checkpoint(pickle(dict(...shared)), [{ name: 'a/data/0', data }]))).toContain(
      'share storages',
    );
  });
});

describe('an archive is refused if', () => {
  const data: Member = { name: 'a/data/0', data: SIX };
  const made = (members: Member[], options?: ZipOptions) => checkpoint(whole, members, options);
  const good = made([data]);
  const end = good.length - 22;
  const changed = (at: number, value: number) => {
    const bytes = Buffer.from(good);
    bytes.writeUInt32LE(value, at);
    return bytes;
  };
  test.each([
    ['its end is missing', good.subarray(0, -1), 'the end of the archive is missing'],
    ['its directory begins beyond it', changed(end + 16, 1e9), 'lies beyond its end'],
    ['its directory is longer than it', changed(end + 12, 1e9), 'lies beyond its end'],
    ['it claims more members than it has', made([data], { entries: 9 }), 'breaks off after 2 of 9 members'],
    [
      'it claims 2^40 members',
      made([data], { zip64: true, entries: 2 ** 40 }),
      'breaks off after 2 of 1,099,511,627,776',
    ],
    ['two members have one name', made([data, data]), 'two members "a/data/0"'],
    ['a member is not where the directory says', made([{ ...data, header: 7 }]), 'is not where the directory says'],
    ['a member begins beyond the end', made([{ ...data, header: 1e9 }]), 'is not where the directory says'],
    ['a member has another name on the spot', made([{ ...data, localName: 'a/data/1' }]), 'is not where'],
    ['a member ends beyond the directory', made([{ ...data, size: 1e6 }]), 'has no end'],
    ['a member ends beyond all files', made([{ ...data, size: 2 ** 62 }], { zip64: true }), 'beyond any file'],
    ['a member is encrypted', made([{ ...data, flags: 0x801 }]), 'is encrypted'],
    ['a member is compressed', made([{ ...data, method: 8 }]), 'is compressed'],
  ])('%s', async (_, bytes, message) => {
    expect(await refusal(bytes)).toContain(message);
  });
});
