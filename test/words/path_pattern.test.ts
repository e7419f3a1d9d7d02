import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PathPattern } from '../../lib/words/path_pattern.js';

const matches = (pattern: string, path: string) => new PathPattern(pattern).matches(path);

describe('a pattern', () => {
  test.each([
    ['*.pt', 'a.pt .a.pt a/b.pt a.ptx .pt', 'a.pt'],
    ['**', 'a a/b/c .a a/.b', 'a a/b/c'],
    ['**/a.pt', 'a.pt x/a.pt x/y/a.pt xa.pt .x/a.pt', 'a.pt x/a.pt x/y/a.pt'],
    ['x/**/a', 'x/a x/y/a x/y/z/a xa xx/a', 'x/a x/y/a x/y/z/a'],
    ['x/**', 'x/a x/a/b xa x/.a', 'x/a x/a/b'],
    ['a**b', 'ab axyb ax/yb', 'ab axyb'],
    ['?.pt', 'a.pt 😀.pt ab.pt ..pt', 'a.pt 😀.pt'],
    ['[a-c0]x', 'ax cx 0x dx', 'ax cx 0x'],
    ['[!a-c]x', 'ax dx .x /x', 'dx'],
    ['[^a]x', 'ax dx', 'dx'],
    ['[]a-]x', ']x ax -x bx', ']x ax -x'],
    ['{a,b*,}.pt', 'a.pt bcd.pt .pt c.pt', 'a.pt bcd.pt .pt'],
    ['{x/**,y}/a', 'x/a x/b/a y/a z/a', 'x/b/a y/a'],
    ['{a,{b,c}d}e', 'ae bde cde ade', 'ae bde cde'],
    ['step_{8..12}.pt', 'step_7.pt step_8.pt step_10.pt step_12.pt step_13.pt', 'step_8.pt step_10.pt step_12.pt'],
    ['{08..10}', '8 08 09 10', '08 09 10'],
    ['{3..1}{a..c}', '1a 3c 4a 1d', '1a 3c'],
    ['.*', '.a a', '.a'],
    ['{.a,b}*', '.ab ba .b', '.ab ba'],
    ['[*]a[[]b', '*a[b xa[b', '*a[b'],
    ['\\*?', '*a \\aa aa', '*a'],
    ['{a\\,b,c}\\{1\\}*', 'a,b{1} c{1}x a{1} b{1}', 'a,b{1} c{1}x'],
    ['@(a|b*).pt', 'a.pt bc.pt c.pt .pt', 'a.pt bc.pt'],
    ['(a|b)c', 'ac bc c (a|b)c', 'ac bc'],
    ['?(a|b)c', 'ac bc c abc', 'ac bc c'],
    ['*(a|b)c', 'c ac abbac xc', 'c ac abbac'],
    ['+(a|b)c', 'c ac abbac xc', 'ac abbac'],
    ['!(a|b*).pt', 'a.pt b.pt bc.pt c.pt ab.pt .x.pt x/c.pt', 'c.pt ab.pt'],
    ['!(a)/*', 'a/x b/x aa/x', 'b/x aa/x'],
    ['*!(b)', 'ab b a/b', 'ab b'],
    ['x!(!(a))', 'x xa xaa xb', 'xa'],
    ['@(a{1,2}|(b|c)d)', 'a1 a2 bd cd a b', 'a1 a2 bd cd'],
    ['{a(,b(1)}*', 'a( b(1)x a b', 'a( b(1)x'],
    ['@(a*', '@(ab a', '@(ab'],
    ['***(a)b', 'b aab xaab', 'b aab xaab'],
    ['run (1)+!@/*', 'run-(1)+!@/a', ''],
    ['(1)!+@/*', '(1)!+@/a 1!+@/a', '(1)!+@/a'],
    ['!a*', '!ab b', '!ab'],
    ['a[b*', 'a[bc abc', 'a[bc'],
    ['{a,b*', '{a,bc a', '{a,bc'],
    ['{a}*', '{a}b ab', '{a}b'],
    ['{1..}{a..3}*', '{1..}{a..3}x', '{1..}{a..3}x'],
  ])('%j', (pattern, paths, expected) => {
    const compiled = new PathPattern(pattern);
    expect(
      paths
        .split(' ')
        .filter((path) => compiled.matches(path))
        .join(' '),
    ).toBe(expected);
    expect(compiled.isLiteral).toBe(false);
  });

  test.each([
    ['runs/a/*.pt', 'runs/a'],
    ['*', ''],
    ['runs/a[1]/x.pt', 'runs'],
    ['runs/a', 'runs/a'],
    ['x(1)/{a}/*', 'x(1)'],
    ['x/@(a|b)/*', 'x'],
    ['x/a(b|c)/*', 'x'],
    ['x/\\*/?', 'x'],
  ])('%j is looked for in %j', (pattern, base) => {
    expect(new PathPattern(pattern).base).toBe(base);
  });

  test('matches what the regular expression does that says the same', () => {
    const pieces: Record<string, string> = {
      ...{ a: 'a', b: 'b', '-': '-', '*': '[^/]*', '?': '[^/]', '[ab]': '[ab]', '[!a]': '[^a/]' },
      ...{ '{a,b}': '(?:a|b)', '{a,b*b}': '(?:a|b[^/]*b)', '{1..3}': '[1-3]', '{,a/}': '(?:a/|)' },
    };
    const name = fc.array(fc.constantFrom(...Object.keys(pieces)), { minLength: 1, maxLength: 4 });
    const pattern = fc.array(fc.oneof(name, fc.constant('**')), { minLength: 1, maxLength: 3 });
    const path = fc.array(fc.stringMatching(/^[ab1-]{1,5}$/), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(pattern, path, (parts, names) => {
        const expression = parts.map((part, i) => {
          const last = i === parts.length - 1;
          if (part === '**') return last ? '.*' : '(?:[^/]+/)*';
          return `${(part as string[]).map((piece) => pieces[piece]).join('')}${last ? '' : '/'}`;
        });
        const text = parts.map((part) => (part === '**' ? part : (part as string[]).join('').replaceAll(/\*+/g, '*')));
        const expected = new RegExp(`^${expression.join('')}$`).test(names.join('/'));
        expect(matches(text.join('/'), names.join('/')), text.join('/')).toBe(expected);
      }),
      { numRuns: 3000 },
    );
  });

  test.each([
    ['*a*a*a*a*a*b', 'a'.repeat(4000)],
    [`${'*a'.repeat(500)}*b`, 'a'.repeat(4000)],
    ['*_*_*.safetensors', `${'_'.repeat(4000)}x`],
    [`${'**/'.repeat(300)}b`, 'a/'.repeat(2000)],
    [`${'{a,aa,'.repeat(100)}b${'}'.repeat(100)}*c`, 'a'.repeat(4000)],
    [`${'{'.repeat(1000)}*`, '{'.repeat(4000)],
    [`${'['.repeat(1000)}*`, '['.repeat(4000)],
    [`${'{a,aa}'.repeat(150)}c`, 'a'.repeat(4000)],
    [`${'*(a|aa)'.repeat(290)}c`, 'a'.repeat(4000)],
    [`${'+('.repeat(600)}a${')'.repeat(600)}c`, 'a'.repeat(4000)],
    [`${'('.repeat(1000)}|`, '('.repeat(4000)],
    [`${'(*)'.repeat(600)}.`, '()'.repeat(2000)],
    [`${'*!(*a)'.repeat(30)}b`, 'a'.repeat(250)],
    [`${'!('.repeat(100)}a${')'.repeat(100)}`, 'a'.repeat(250)],
  ])('takes time that grows with pattern and path alone: %.20s…', (pattern, path) => {
    const start = performance.now();
    new PathPattern(pattern).matches(path);
    expect(performance.now() - start).toBeLessThan(5000);
  });

  test.each([['*'.repeat(2049)], ['{1..2000}{1..2000}'], [`!(${'a'.repeat(600)})`]])(
    'that stands for too much is refused: %.20s…',
    (pattern) => {
      expect(() => new PathPattern(pattern)).toThrow(
        expect.objectContaining({
          code: 'INVALID_ARGUMENT',
          message: expect.stringMatching(/at most (?:[28],\d+|512) are/),
        }),
      );
    },
  );
});
