import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openCheckpoint } from '../../../lib/formats/checkpoint.js';
import { inspect } from '../../../lib/model/reading/inspect.js';
import { dict, global, int, join as parts, pickle, reduce, tensor, text, tuple } from '../../support/pickle.js';
import { fileIn, rejection, temporaryFolder } from '../safetensors/helpers.js';
import { checkpoint } from './checkpoint.js';

const folder = temporaryFolder();
const beside = join(import.meta.dirname, 'fixtures', 'beside');

describe('what people save beside their weights is passed over:', () => {
  test.each(readdirSync(beside))('%s', async (file) => {
    expect(await inspect(join(beside, file))).toMatchObject({ family: 'deep', parameters: 96, problems: [] });
  });

  test.each([
    ['xrange, as protocol 2 has ranges', reduce(global('__builtin__', 'xrange'), int(0), int(3), int(1))],
    ['an instance of a class that is called', reduce(global('uuid', 'UUID'), text('x'))],
    [
      'entries, items and a state of what is unknown',
      parts(global('a', 'B'), ')\x81(', text('k'), 'Nu(Ne', dict(), 'b'),
    ],
    ['arguments by name', parts(global('a', 'B'), ')', dict([text('k'), 'N']), '\x92')],
    ['what functions of functions have made', reduce(reduce(global('a', 'f'), global('b', 'g')), int(1))],
  ])('%s', async (_, content) => {
    const path = fileIn(
      folder,
      'made.pt',
      checkpoint(pickle(dict([text('x'), content], [text('model'), dict([text('w'), tensor()])]))),
    );
    const opened = await openCheckpoint(path);
    await opened.close();
    expect([...opened.tensors.keys()]).toEqual(['w']);
  });
});

describe('all instructions that write data are read:', () => {
  /** What a value becomes as metadata, after which the pickle must go on as it does. */
  const metadataOf = async (content: Buffer | string, protocol = 2) => {
    const whole = parts(
      '\x80',
      Buffer.from([protocol]),
      dict([text('x'), content], [text('w'), tensor()], [text('end'), int(7)]),
      '.',
    );
    const opened = await openCheckpoint(fileIn(folder, 'instructions.pt', checkpoint(whole)));
    await opened.close();
    expect(opened.metadata.end).toBe('7');
    expect([...opened.tensors.keys()]).toEqual(['w']);
    return opened.metadata.x;
  };
  const long = (length: number) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt(length));
    return bytes;
  };

  test.each<[string, Buffer | string, string | undefined]>([
    ['INT', 'I-12\n', '-12'],
    ['INT of a truth value', 'I01\n', 'true'],
    ['LONG', 'L123L\n', '123'],
    ['LONG beyond all numbers', `L${'9'.repeat(40)}L\n`, undefined],
    ['LONG1', parts('\x8a\x02', Buffer.from([0, 0xff])), '-256'],
    ['LONG1 of nothing', '\x8a\x00', '0'],
    ['LONG4', parts('\x8b\x01\0\0\0\x05'), '5'],
    ['FLOAT', 'F1.5e-3\n', '0.0015'],
    ['FLOAT that is none', 'F-inf\n', '-Infinity'],
    ['BINFLOAT', parts('G', Buffer.from('3ff8000000000000', 'hex')), '1.5'],
    ['STRING', "S'it\\'s \\x41\\101\\n'\n", "it's AA\n"],
    ['STRING in other quotes', 'S"\\t\\\\"\n', '\t\\'],
    ['UNICODE', 'Vcaf\\u00e9 \\U0001f600 \xe9\n', 'café 😀 é'],
    ['BINSTRING', parts('T\x02\0\0\0ab'), 'ab'],
    ['SHORT_BINSTRING', parts('U\x02ab'), 'ab'],
    ['SHORT_BINUNICODE', parts('\x8c\x02ab'), 'ab'],
    ['BINUNICODE8', parts('\x8d', long(2), 'ab'), 'ab'],
    ['BINBYTES', parts('B\x02\0\0\0ab'), undefined],
    ['SHORT_BINBYTES', parts('C\x02ab'), undefined],
    ['BINBYTES8', parts('\x8e', long(2), 'ab'), undefined],
    ['BYTEARRAY8', parts('\x96', long(2), 'ab'), undefined],
    ['NEXT_BUFFER, READONLY_BUFFER', '\x97\x98', undefined],
    ['LIST', '(I1\nI2\nl', undefined],
    ['DICT', parts('(', text('a'), 'I1\nd'), undefined],
    ['INST', '(I1\nimodule\nName\n', undefined],
    ['OBJ', '(cmodule\nName\nI1\no', undefined],
    ['DUP and POP', 'I1\n20', '1'],
    ['POP_MARK', 'I1\n(I2\n1', '1'],
    ['PUT and GET', 'I9\np0\n0g0\n', '9'],
    ['LONG_BINPUT and LONG_BINGET', 'I9\nr\0\0\0\x000j\0\0\0\0', '9'],
    ['MEMOIZE', 'I9\n\x940h\0', '9'],
    ['EMPTY_SET, ADDITEMS, FROZENSET', '\x8f(I1\n\x900(I1\n\x91', undefined],
    ['EXT1', '\x82\x05', undefined],
    ['EXT2', '\x83\x05\x01', undefined],
    ['EXT4', '\x84\x05\0\x01\0', undefined],
    ['PERSID', 'Psomething\n', undefined],
    ['FRAME', parts('\x95', long(5), 'I3\n'), '3'],
    ['NEWOBJ_EX', parts('cmodule\nName\n)', dict([text('a'), 'N']), '\x92'), undefined],
    ['STACK_GLOBAL', parts(text('module'), text('Name'), '\x93'), undefined],
  ])('%s', async (_, content, value) => {
    expect(await metadataOf(content, 5)).toBe(value);
  });

  test.each([
    ['a number of letters', 'Iabc\n'],
    ['a float of letters', 'F1.x\n'],
    ['a text without quotes', 'Sabc\n'],
    ['a text of half a quote', "S'abc\n"],
    ['a line without end', 'I12'],
    ['a text that is longer than the file', parts('\x8d', long(2 ** 60), 'ab')],
    ['a value that was never remembered', 'g5\n'],
    ['an instance of nothing', '(o'],
  ])('%s is refused', async (_, content) => {
    const whole = pickle(dict([text('x'), content], [text('w'), tensor()]));
    const error = await rejection(openCheckpoint(fileIn(folder, 'wrong.pt', checkpoint(whole))));
    expect(error).toMatchObject({ code: 'INVALID_FILE' });
  });

  test('tensors as versions before 0.4 and devices without storages write them', async () => {
    const old = parts(
      global('torch._utils', '_rebuild_tensor'),
      tuple(
        parts(tuple(text('storage'), global('torch', 'FloatStorage'), text('0'), text('cpu'), int(6)), 'Q'),
        int(0),
        tuple(int(6)),
        tuple(int(1)),
      ),
      'R',
    );
    const opened = await openCheckpoint(fileIn(folder, 'old.pt', checkpoint(pickle(dict([text('w'), old])))));
    expect([...(await opened.read('w')).data]).toEqual([1, 2, 3, 4, 5, 6]);
    await opened.close();
  });
});
