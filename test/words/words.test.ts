import { describe, expect, it } from 'vitest';
import { bytesIn, parseBytes } from '../../lib/words/bytes.js';
import { byteCount, count, plural } from '../../lib/words/counts.js';
import { listed, quoted } from '../../lib/words/names.js';
import { errorText, percent, signedText } from '../../lib/words/numbers.js';
import { composed, jsonText, oneLine, quote, valueText } from '../../lib/words/quoting.js';
import { timeText } from '../../lib/words/times.js';

describe('words', () => {
  it('for sizes', () => {
    expect([bytesIn('GiB', 1.5 * 2 ** 30), bytesIn('MiB', 2 ** 30), bytesIn('B', 3)]).toEqual(['1.5', '1024.0', '3.0']);
    expect(['256MiB', '1.5 GB', '10', '2k', 'x', '0', '3ib'].map(parseBytes)).toEqual([
      2 ** 28,
      1.5e9,
      10,
      undefined,
      undefined,
      undefined,
      3,
    ]);
  });

  it('for counts, in the right number', () => {
    expect([0, 1, 2].map((n) => plural(n, 'model'))).toEqual(['models', 'model', 'models']);
    expect([plural(1, 'axis', 'axes'), plural(3n, 'axis', 'axes'), plural(1n, 'axis', 'axes')]).toEqual([
      'axis',
      'axes',
      'axis',
    ]);
    expect([count(1234567), byteCount(1), byteCount(1n), byteCount(2048)]).toEqual([
      '1,234,567',
      '1 byte',
      '1 byte',
      '2,048 bytes',
    ]);
  });

  it('for times, in the largest unit that they fill', () => {
    expect([125, 1, 0.0583, 2.5e-5, 3e-8, 0].map(timeText)).toEqual([
      '125 s',
      '1.00 s',
      '58.3 ms',
      '25.0 µs',
      '30.0 ns',
      '0.00 ns',
    ]);
  });

  it('for parts, signs and errors', () => {
    expect([0, 0.0042, 0.0994, 0.0995, 0.66, 1].map(percent)).toEqual([
      '0 %',
      '0.4 %',
      '9.9 %',
      '10 %',
      '66 %',
      '100 %',
    ]);
    expect([signedText(4.8312), signedText(-0.00012)]).toEqual(['+4.83', '−0.00012']);
    expect(errorText(0.0123456)).toBe('0.012');
  });

  it('for lists', () => {
    expect([['a'], ['a', 'b'], ['a', 'b', 'c']].map((names) => listed(names, 'and'))).toEqual([
      'a',
      'a and b',
      'a, b and c',
    ]);
    expect(quoted(['a', 'b', 'c', 'd', 'e', 'f'])).toBe('"a", "b", "c", "d" and 2 more');
  });

  it('from files, with nothing invisible left in them', () => {
    expect(oneLine('a\u001b[31m\nb\u202ec\u2028')).toBe('a\\u{1b}[31m\\u{a}b\\u{202e}c\\u{2028}');
    expect(quote('a"\n\u202e')).toBe('"a\\"\\n\\u{202e}"');
    expect(quote('x'.repeat(100))).toBe(`"${'x'.repeat(80)}…"`);
    // C0, DEL, C1, marks of direction, zero widths, separators, halves of surrogate pairs, letters without a shape,
    // tags
    const codes = [0, 9, 0xd, 0x1b, 0x7f, 0x80, 0x85, 0x9b, 0x9f, 0xad, 0x61c, 0x200b, 0x200d, 0x200e, 0x200f, 0x2028];
    codes.push(0x2029, 0x202a, 0x202e, 0x2060, 0x2066, 0x2069, 0xfeff, 0xd83d, 0xde00, 0x3164, 0x34f, 0xffff, 0xe0041);
    for (const code of codes) {
      const text = oneLine(`a${String.fromCodePoint(code)}b`);
      expect(text).toBe(`a\\u{${code.toString(16)}}b`);
      expect(oneLine(text)).toBe(text);
    }
    for (const text of ['日本語 🙂', '⚠️ ❤️', 'é ñ e\u0301', 'שלום', 'a\\b "c"']) expect(oneLine(text)).toBe(text);
  });

  it('composed here keep their lines and their emphasis, and nothing else', () => {
    const bold = '\u001b[1mPASS\u001b[22m\n';
    expect(composed(bold)).toBe(bold);
    expect(composed('a\u001b[31m\u001b[8m\u001b]0;t\u0007\r\n')).toBe(
      'a\\u{1b}[31m\\u{1b}[8m\\u{1b}]0;t\\u{7}\\u{d}\n',
    );
  });

  it('as JSON parse to the same, and show what is invisible', () => {
    const value = { 'a\u009b': ['\u202e\u2028\u007f\u{e0041}🙂\u001b\n"', 1, null, { b: undefined }] };
    const text = jsonText(value);
    expect(JSON.parse(text)).toEqual({ 'a\u009b': ['\u202e\u2028\u007f\u{e0041}🙂\u001b\n"', 1, null, {}] });
    expect(text).toBe('{"a\\u009b":["\\u202e\\u2028\\u007f\\udb40\\udc41🙂\\u001b\\n\\"",1,null,{}]}');
    expect(jsonText(undefined)).toBeUndefined();
  });

  it('for values of any shape, however deep and wide', () => {
    let deep: unknown = 1;
    for (let i = 0; i < 200_000; i++) deep = [deep];
    const wide = Array.from({ length: 1_000_000 }, (_, i) => i);
    expect([deep, wide, { a: 'b\n', c: deep }, 'x', null, undefined, 1n, () => 1].map(valueText)).toEqual([
      '[[[[…]]]]',
      '[0,1,2,3,…]',
      '{"a":"b\\n","c":[[[…]]]}',
      '"x"',
      'null',
      'undefined',
      '1',
      'a function',
    ]);
  });
});
