import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../../lib/formats/checkpoint.js';
import { HEADER_LIMITS } from '../../../lib/formats/safetensors/header.js';
import { fileIn, rawFile, rejection, temporaryFolder } from './helpers.js';

const folder = temporaryFolder();

async function refusal(bytes: Uint8Array) {
  const path = fileIn(folder, 'refused.safetensors', bytes);
  const error = await rejection(openCheckpoint(path));
  expect(error.code).toBe('INVALID_FILE');
  expect(error.file).toBe(path);
  expect(error.message).toContain(path);
  expect(error.hint).toBeTruthy();
  return error;
}

const entry = (dtype: string, shape: string, offsets: string) =>
  `{"dtype":"${dtype}","shape":${shape},"data_offsets":${offsets}}`;
const good = entry('F32', '[2]', '[0,8]');

describe('a file is refused before its header is parsed if', () => {
  it.each([
    ['it is empty', Buffer.alloc(0), 'has only 0 bytes'],
    ['it is too short for a length', Buffer.from('abc'), 'has only 3 bytes'],
    [
      'its header is longer than the file',
      rawFile('{}').subarray(0, 9),
      'claims 2 bytes, but the file ends after 9 bytes',
    ],
    [
      'its header is longer than the format allows',
      Buffer.from([0x01, 0xe1, 0xf5, 0x05, 0, 0, 0, 0, 0x7b]),
      'claims 100,000,001 bytes, at most 100,000,000 bytes are allowed',
    ],
    ['its header length is absurd', Buffer.alloc(64, 255), 'claims 18,446,744,073,709,551,615 bytes'],
  ])('%s', async (_, bytes, message) => {
    expect((await refusal(bytes)).message).toContain(message);
  });

  it.each([
    ['a Git LFS pointer', 'version https://git-lfs.github.com/spec/v1\n', 'git lfs pull'],
    ['a PyTorch archive', 'PK\x03\x04\x00\x00\x08\x08\x00', 'PyTorch'],
    ['a pickle', '\x80\x02\x8a\x0al\xfc\x9cF\xf9', 'pickled'],
    ['a NumPy array', '\x93NUMPY\x01\x00v\x00', 'NumPy'],
    ['a GGUF file', 'GGUF\x03\x00\x00\x00\x00', 'GGUF'],
    ['JSON', '{"weight_map":{}}', 'ends in .json'],
    ['a web page', '<!DOCTYPE html><html>', 'web page'],
  ])('it is %s, and the hint says so', async (_, text, hint) => {
    expect((await refusal(Buffer.from(text, 'latin1'))).hint).toContain(hint);
  });
});

describe('a header is refused if', () => {
  it.each([
    ['it is empty', '', 'must begin with "{"'],
    ['it begins with a space', ` {"a":${good}}`, 'must begin with "{" (byte 0 of the header)'],
    ['it is a list', '[]', 'must begin with "{"'],
    ['it never ends', `{"a":${good}`, 'expected a comma or "}" in the header, found the end of the header'],
    ['more follows it', `{"a":${good}} {}`, 'nothing after the closing "}", found an object'],
    ['it is padded with anything but spaces', `{"a":${good}}\n`, 'nothing after the closing "}", found the byte 0xa'],
    ['it has a trailing comma', `{"a":${good},}`, 'a key of the header must be a string, found "}"'],
    ['it has many blanks inside', `{${' '.repeat(65_537)}"a":${good}}`, 'more than 65,536 blanks in a row'],
    ['it has a comment', `{/**/"a":${good}}`, 'found "/"'],
    ['a colon is missing', `{"a" ${good}}`, 'expected ":" after the key "a", found an object'],
    ['a name is not quoted', `{a:${good}}`, 'must be a string, found "a"'],
    ['a name is __proto__', `{"__proto__":${good}}`, 'forbidden key "__proto__"'],
    ['a name is __proto__ in disguise', `{"\\u005f_proto__":${good}}`, 'forbidden key "__proto__"'],
    ['a name has a terminal escape', `{"\\u001b[2J":${good}}`, 'contains control characters'],
    ['a name is written backwards by a mark', `{"\u202ea":${good}}`, 'contains control characters'],
    ['a name is very long', `{"${'n'.repeat(1025)}":${good}}`, 'is longer than 1,024 bytes'],
    ['a string has a raw control character', `{"a\nb":${good}}`, 'unescaped control character'],
    ['a string has an unknown escape', `{"\\x41":${good}}`, 'invalid escape'],
    ['a string has a short escape', `{"\\u41":${good}}`, 'invalid escape'],
    ['a string has half a surrogate pair', `{"\\ud83d":${good}}`, 'half a surrogate pair'],
    ['a string has its surrogates swapped', `{"\\ude00\\ud83d":${good}}`, 'half a surrogate pair'],
    ['a string never ends', `{"a:{}}`, 'a string that never ends'],
    [
      'metadata is not an object',
      `{"__metadata__":"pt","a":${good}}`,
      '"__metadata__" must be an object, found a string',
    ],
    ['metadata appears twice', `{"__metadata__":{},"a":${good},"__metadata__":{}}`, '"__metadata__" appears twice'],
    ['a metadata key appears twice', `{"__metadata__":{"k":"1","\\u006b":"2"},"a":${good}}`, 'has the key "k" twice'],
    ['a metadata key is __proto__', `{"__metadata__":{"__proto__":"1"},"a":${good}}`, 'forbidden key "__proto__"'],
    [
      'a metadata value is a number',
      `{"__metadata__":{"k":1},"a":${good}}`,
      'every value of "__metadata__" must be a string, found the number "1"',
    ],
    ['a metadata value is null', `{"__metadata__":{"k":null},"a":${good}}`, 'must be a string, found null'],
    ['a metadata value is an object', `{"__metadata__":{"k":{}},"a":${good}}`, 'must be a string, found an object'],
  ])('%s', async (_, header, message) => {
    const error = await refusal(rawFile(header, 8));
    expect(error.message).toContain(message);
    expect(error.tensor).toBeUndefined();
  });

  it.each([
    ['a truncated character', [0x22, 0xe2, 0x82, 0x22]],
    ['an overlong encoding', [0x22, 0xc0, 0xaf, 0x22]],
    ['an encoded surrogate', [0x22, 0xed, 0xa0, 0x80, 0x22]],
    ['a byte that is never used', [0x22, 0xff, 0x22]],
  ])('it has %s', async (_, name) => {
    const header = Buffer.concat([Buffer.from('{'), Buffer.from(name), Buffer.from(`:${good}}`)]);
    expect((await refusal(rawFile(header, 8))).message).toContain('not valid UTF-8');
  });

  it('it lists more tensors than the limit', async () => {
    const empty = entry('U8', '[0]', '[0,0]');
    const members = Array.from({ length: HEADER_LIMITS.tensors + 1 }, (_, i) => `"${i}":${empty}`);
    const error = await refusal(rawFile(`{${members.join(',')}}`));
    expect(error.message).toContain('more than 65,536 tensors');
  });

  it('its tensors have more axes together than the limit', async () => {
    const flat = entry('U8', `[${Array(32).fill(0)}]`, '[0,0]');
    const members = Array.from({ length: HEADER_LIMITS.axes / 32 + 1 }, (_, i) => `"${i}":${flat}`);
    const error = await refusal(rawFile(`{${members.join(',')}}`));
    expect(error.message).toContain('or 262,144 axes');
  });

  it('its text is longer than the limit', async () => {
    const error = await refusal(rawFile(`{"__metadata__":{"k":"${'x'.repeat(HEADER_LIMITS.textBytes)}"}}`));
    expect(error.message).toContain('exceed 8,388,608 bytes');
  });

  it('its metadata has more entries than the limit', async () => {
    const entries = Array.from({ length: HEADER_LIMITS.metadataEntries + 1 }, (_, i) => `"${i}":""`);
    const error = await refusal(rawFile(`{"__metadata__":{${entries.join(',')}}}`));
    expect(error.message).toContain('more than 65,536 entries');
  });
});

describe('a tensor is refused by name if', () => {
  it.each([
    ['its entry is no object', '[]', 'its entry must be an object, found a list'],
    ['its entry is empty', '{}', 'has no "dtype"'],
    ['it has no shape', '{"dtype":"F32","data_offsets":[0,8]}', 'has no "shape"'],
    ['it has no offsets', '{"dtype":"F32","shape":[2]}', 'has no "data_offsets"'],
    ['a field appears twice', '{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}', 'has "dtype" twice'],
    ['a field is unknown', '{"dtype":"F32","shape":[2],"data_offsets":[0,8],"strides":[1]}', 'unknown field "strides"'],
    ['a field is __proto__', '{"dtype":"F32","shape":[2],"data_offsets":[0,8],"__proto__":{}}', 'forbidden key'],
    [
      'its dtype is no string',
      '{"dtype":1,"shape":[2],"data_offsets":[0,8]}',
      '"dtype" must be a string, found the number "1"',
    ],
    ['its dtype is unknown', entry('F33', '[2]', '[0,8]'), 'unknown dtype "F33"; the format has BOOL, F4'],
    ['its dtype is in lower case', entry('f32', '[2]', '[0,8]'), 'unknown dtype "f32"'],
    ['its dtype is a property of objects', entry('constructor', '[2]', '[0,8]'), 'unknown dtype "constructor"'],
    ['its shape is a number', entry('F32', '2', '[0,8]'), '"shape" must be a list, found the number "2"'],
    [
      'an extent is negative',
      entry('F32', '[-2]', '[0,8]'),
      '"shape" must consist of non-negative integers, found "-2"',
    ],
    ['an extent is a fraction', entry('F32', '[2.0]', '[0,8]'), 'non-negative integers, found "2.0"'],
    ['an extent has an exponent', entry('F32', '[2e0]', '[0,8]'), 'non-negative integers, found "2e0"'],
    ['an extent has a leading zero', entry('F32', '[02]', '[0,8]'), 'non-negative integers, found "02"'],
    ['an extent is a string', entry('F32', '["2"]', '[0,8]'), 'non-negative integers, found a string'],
    ['an extent is true', entry('F32', '[true]', '[0,8]'), 'non-negative integers, found true'],
    ['an extent is a list', entry('F32', '[[2]]', '[0,8]'), 'non-negative integers, found a list'],
    ['an extent is unsafe', entry('F32', '[9007199254740992]', '[0,8]'), 'holds "9007199254740992", beyond'],
    ['an extent is gigantic', entry('F32', `[${'9'.repeat(400)}]`, '[0,8]'), 'beyond the largest possible 2^53'],
    ['its size overflows', entry('F32', '[4294967296,4294967296]', '[0,8]'), 'larger than any file can be'],
    ['its size overflows before a zero', entry('F32', '[4294967296,4294967296,0]', '[0,0]'), 'larger than any file'],
    ['its size in bits wraps around', entry('F64', '[2305843009213693952,1]', '[0,8]'), 'beyond the largest possible'],
    ['it has too many axes', entry('F32', `[${Array(33).fill(1)}]`, '[0,4]'), '"shape" has more than 32 numbers'],
    ['it has a part of a byte', entry('F4', '[3]', '[0,2]'), 'has 12 bits, not a whole number of bytes'],
    ['it has one offset', entry('F32', '[2]', '[0]'), '"data_offsets" must be two integers, found 1'],
    ['it has three offsets', entry('F32', '[2]', '[0,8,8]'), '"data_offsets" has more than 2 numbers'],
    ['an offset is negative', entry('F32', '[2]', '[-8,0]'), '"data_offsets" must consist of non-negative integers'],
    ['its offsets run backwards', entry('F32', '[2]', '[8,0]'), 'its data_offsets [8, 0] run backwards'],
    [
      'its shape lies',
      entry('F32', '[3]', '[0,8]'),
      'shape [3] of F32 needs 12 bytes, its data_offsets [0, 8] give it 8',
    ],
    ['its data begins late', entry('F32', '[1]', '[4,8]'), '[4, 8] leave a hole: the data before ends at 0'],
  ])('%s', async (_, value, message) => {
    const error = await refusal(rawFile(`{"some.weight":${value}}`, 8));
    expect(error.tensor).toBe('some.weight');
    expect(error.message).toContain('tensor "some.weight": ');
    expect(error.message).toContain(message);
  });

  it('it appears twice, also if written differently', async () => {
    const again = entry('F32', '[2]', '[8,16]');
    const error = await refusal(rawFile(`{"w":${good},"\\u0077":${again}}`, 16));
    expect(error.tensor).toBe('w');
    expect(error.message).toContain('appears twice');
  });

  it('it overlaps another', async () => {
    const error = await refusal(rawFile(`{"b":${entry('F32', '[2]', '[4,12]')},"a":${good}}`, 12));
    expect(error.tensor).toBe('b');
    expect(error.message).toContain('its data_offsets [4, 12] overlap those of tensor "a", which end at 8');
  });

  it('there is a hole before it', async () => {
    const error = await refusal(rawFile(`{"a":${good},"b":${entry('U8', '[2]', '[9,11]')}}`, 11));
    expect(error.tensor).toBe('b');
    expect(error.message).toContain('[9, 11] leave a hole: the data before ends at 8');
  });

  it('it is nested deeply, at once and without overflowing the stack', async () => {
    for (const open of ['[', '{"a":']) {
      const error = await refusal(rawFile(`{"w":{"dtype":"F32","shape":${open.repeat(1_000_000)}`));
      expect(error.tensor).toBe('w');
    }
  });
});

describe('data is refused if', () => {
  it('it is shorter than the header says', async () => {
    const whole = rawFile(`{"w":${good}}`, 8);
    const error = await refusal(whole.subarray(0, whole.length - 1));
    expect(error.message).toContain(
      `the file ends after ${whole.length - 1} bytes but its header describes ${whole.length}: the download`,
    );
  });

  it('it is longer than the header says', async () => {
    const error = await refusal(rawFile(`{"w":${good}}`, 11));
    expect(error.message).toContain('3 bytes follow the last tensor');
  });

  it('there is some without any tensor', async () => {
    expect((await refusal(rawFile('{}', 1))).message).toContain('1 byte follow');
  });
});
