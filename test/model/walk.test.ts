import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Pacer } from '../../lib/cooperate.js';
import { compareNaturally, sorted } from '../../lib/model/reading/natural.js';
import { expandPaths } from '../../lib/model/reading/paths.js';
import { walk } from '../../lib/model/reading/walk.js';
import { PathPattern } from '../../lib/words/path_pattern.js';
import { rejection, temporaryFolder } from '../formats/safetensors/helpers.js';
import { random } from '../support/random.js';

const root = temporaryFolder();
let folders = 0;

/** A new folder with empty files of these names. */
function tree(...files: readonly string[]): string {
  const folder = join(root, `tree-${folders++}`);
  mkdirSync(folder);
  for (const file of files) {
    mkdirSync(join(folder, file, '..'), { recursive: true });
    writeFileSync(join(folder, file), '');
  }
  return folder;
}

async function walked(folder: string, pattern: string, signal?: AbortSignal): Promise<string[]> {
  const found = await walk(folder, new PathPattern(pattern), new Pacer(signal));
  const prefix = `${folder.replaceAll('\\', '/')}/`;
  expect(found.every((path) => path.startsWith(prefix))).toBe(true);
  return found.map((path) => path.slice(prefix.length)).sort();
}

describe('a walk', () => {
  const folder = tree('a/x.pt', 'a/b/y.pt', 'a/b/.z.pt', '.hidden/x.pt', '.a.pt', 'c/x.txt', 'd[1]/x.pt', 'e*/x.pt');

  test.each([
    ['*', 'a/ c/ d[1]/ e*/'],
    ['*/*.pt', 'a/x.pt d[1]/x.pt e*/x.pt'],
    ['**/*.pt', 'a/b/y.pt a/x.pt d[1]/x.pt e*/x.pt'],
    ['a/**', 'a/b/ a/b/y.pt a/x.pt'],
    ['{a,c}/x*', 'a/x.pt c/x.txt'],
    ['{a/b,c}/*', 'a/b/y.pt c/x.txt'],
    ['.*', '.a.pt .hidden/'],
    ['.*/*.pt', '.hidden/x.pt'],
    ['**/.z.*', 'a/b/.z.pt'],
    ['d\\[1\\]/*', 'd[1]/x.pt'],
    ['e\\*/?.pt', 'e*/x.pt'],
    ['!(a|c)/*', 'd[1]/x.pt e*/x.pt'],
    ['@(a|c)/+(x|y).*', 'a/x.pt c/x.txt'],
    ['x.pt/*', ''],
    ['*/x.pt/*', ''],
  ])('of %j finds %j', async (pattern, expected) => {
    expect((await walked(folder, pattern)).join(' ')).toBe(expected);
  });

  test('of a folder that is not there finds nothing', async () => {
    expect(await walk(join(folder, 'gone'), new PathPattern('*'), new Pacer())).toEqual([]);
    expect(await walk(join(folder, 'a', 'x.pt'), new PathPattern('*'), new Pacer())).toEqual([]);
  });
});

describe.skipIf(process.platform === 'win32')('links to folders', () => {
  test('are followed, and those that lead nowhere are names', async () => {
    const folder = tree('runs/1/a.pt', 'other/b.pt');
    symlinkSync(join(folder, 'other'), join(folder, 'runs', 'latest'));
    symlinkSync('gone', join(folder, 'runs', 'nowhere'));
    expect(await walked(folder, 'runs/*')).toEqual(['runs/1/', 'runs/latest/', 'runs/nowhere']);
    expect(await walked(folder, 'runs/*/*.pt')).toEqual(['runs/1/a.pt', 'runs/latest/b.pt']);
    expect(await walked(folder, '**/*.pt')).toEqual(['other/b.pt', 'runs/1/a.pt', 'runs/latest/b.pt']);
  });

  test('that lead back are not', async () => {
    const folder = tree('a/b/x.pt');
    symlinkSync('..', join(folder, 'a', 'up'));
    symlinkSync('.', join(folder, 'a', 'b', 'here'));
    symlinkSync('loop', join(folder, 'loop'));
    expect(await walked(folder, '**/*.pt')).toEqual(['a/b/x.pt']);
  });

  test('that lead to each other on more ways than can be walked are told of', async () => {
    const names = Array.from({ length: 7 }, (_, i) => `n${i}`);
    const folder = tree(...names.map((name) => `${name}/x.pt`));
    for (const from of names) for (const to of names) symlinkSync(join(folder, to), join(folder, from, `to-${to}`));
    expect(await walked(folder, 'n0/to-n1/to-n2/*.pt')).toEqual(['n0/to-n1/to-n2/x.pt']);
    const error = await rejection(walked(folder, '**/*.pt'));
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', hint: expect.stringContaining('without "**"') });
    expect(error.message).toContain('on more than 1,000 ways');
  });
});

describe('a folder of twenty thousand files', () => {
  const folder = tree();
  for (let i = 0; i < 20_000; i++) writeFileSync(join(folder, `step_${(i * 7919) % 20_011}.log`), '');

  test.each(['*.log', '(*)*(*).', `${'*(*(*_)'.repeat(20)}x${')'.repeat(20)}y`, `${'{s,*t,}'.repeat(20)}*.pt`])(
    'is looked through for %.20s while others go on',
    async (pattern) => {
      const controller = new AbortController();
      let turns = 0;
      const counting = setInterval(() => turns++, 1);
      const found = await walk(folder, new PathPattern(pattern), new Pacer()).finally(() => clearInterval(counting));
      expect(found).toHaveLength(pattern === '*.log' ? 20_000 : 0);
      expect(turns).toBeGreaterThan(3);
      const reason = new Error('enough');
      const stopped = walk(folder, new PathPattern(pattern), new Pacer(controller.signal));
      setTimeout(() => controller.abort(reason), 2);
      await expect(stopped).rejects.toBe(reason);
    },
    30_000,
  );

  test('of which none is a checkpoint is one without a match', async () => {
    const error = await rejection(expandPaths([join(folder, '(*)*(*).')]));
    expect(error).toMatchObject({ code: 'FILE_NOT_FOUND', hint: 'Nothing matches it' });
  });
});

describe('a null character', () => {
  test.each(['a\0.pt', '*\0', 'a\0/*', '{a,\0}/*', '[\0]*'])('in %j is in no name', async (pattern) => {
    const error = await rejection(expandPaths([join(root, pattern)]));
    expect(error).toMatchObject({ code: 'FILE_NOT_FOUND', file: join(root, pattern) });
  });
});

describe('sorting without haste', () => {
  test.each([0, 1, 64, 65, 1000, 5003])(
    'orders %d names as sorting does, and keeps the order of equal ones',
    async (n) => {
      const draw = random(n);
      const values = Array.from({ length: n }, (_, i) => ({ name: `step_${draw.integer(0, 500)}`, i }));
      const compare = (a: { name: string }, b: { name: string }) => compareNaturally(a.name, b.name);
      expect(await sorted(values, compare, new Pacer())).toEqual([...values].sort(compare));
    },
  );
});
