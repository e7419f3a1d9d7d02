import { describe, expect, it } from 'vitest';
import { bytesIn, parseBytes } from '../../lib/words/bytes.js';
import { byteCount, count, plural } from '../../lib/words/counts.js';
import { listed, quoted } from '../../lib/words/names.js';
import { errorText, percent, signedText } from '../../lib/words/numbers.js';
import { oneLine, quote } from '../../lib/words/quoting.js';
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
  });
});
