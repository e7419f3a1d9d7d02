import { describe, expect, test } from 'vitest';
import { displayWidth, wrapped } from '../../lib/words/wrap.js';

describe('wrapped', () => {
  test('breaks prose at spaces, and indents what follows', () => {
    expect(wrapped('note: a long way to go', 20)).toBe('note: a long way to\n  go');
    expect(wrapped('  why: one two three four', 20)).toBe('  why: one two three\n    four');
  });

  test.each([20, 33, 40, 80, 119])('no line of prose is wider than %i columns, and no word is lost', (width) => {
    const words = Array.from({ length: 200 }, (_, i) => 'x'.repeat(1 + ((i * 7) % 11)));
    const text = words.join(' ');
    const lines = wrapped(text, width).split('\n');
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(width);
    expect(lines.map((line) => line.trim()).join(' ')).toBe(text);
    // A line has no room left for the first word of the next.
    for (const [i, line] of lines.slice(0, -1).entries())
      expect(line.length + 1 + lines[i + 1].trim().split(' ')[0].length).toBeGreaterThan(width);
  });

  test('breaks the last column of a table, and stays below where it begins', () => {
    expect(wrapped('  problem   is of no known family at all', 32)).toBe(
      '  problem   is of no known\n            family at all',
    );
    // There is no room for prose.
    const narrow = 'a first column and a second  one two three four';
    expect(wrapped(narrow, 40)).toBe(narrow);
  });

  test('leaves numbers, commands, words that are too long and what is narrow enough as they are', () => {
    for (const text of [
      'step_06000  1.0000  0.9596  0.8604',
      '  $ tensim matrix checkpoints/ --per-output --out report.html',
      `/a/very/${'long/'.repeat(10)}path`,
      'short enough',
      '',
    ])
      expect(wrapped(text, 24)).toBe(text);
  });

  test('leaves everything without a width, or with one that is none', () => {
    const text = 'word '.repeat(50);
    expect(wrapped(text, undefined)).toBe(text);
    expect(wrapped(text, 0)).toBe(text);
  });

  test('emphasis takes no columns', () => {
    expect(displayWidth('\u001b[1mbold\u001b[22m → x')).toBe(8);
    expect(wrapped('\u001b[1mexactly ten and ten\u001b[22m', 20)).not.toContain('\n');
  });
});
