import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as api from '../../lib/index.js';
import { forNode } from '../../scripts/bundle.mjs';
import {
  commandsIn,
  isAsTold,
  optionsIn,
  scriptOf,
  sessionIn,
  shownIn,
  toldIn,
  typedOf,
  watchedScript,
} from '../../scripts/guide.mjs';
import { tensim } from '../cli/run.js';
import { PRELUDES, writeGuideFiles } from './guide_files.js';

const PAGES = ['README.md', ...readdirSync('docs/guide').map((name) => `docs/guide/${name}`)].filter((name) =>
  name.endsWith('.md'),
);
const textOf = (page: string) => readFileSync(page, 'utf8');

/** Within the package, where the imports that are not bundled are found. */
const folder = resolve('node_modules', '.cache', `tensim-guide-${process.pid}`);
const own = join(folder, 'node_modules', 'tensim');
const program = join(own, 'dist', 'cli.js');

beforeAll(async () => {
  mkdirSync(own, { recursive: true });
  symlinkSync(resolve('examples'), join(folder, 'examples'), 'junction');
  writeFileSync(
    join(own, 'package.json'),
    '{ "name": "tensim", "type": "module", "exports": { ".": "./dist/index.js", "./schemas/*": "./schemas/*" } }',
  );
  // Where an installed addon would lie.
  symlinkSync(resolve('build'), join(own, 'build'), 'junction');
  symlinkSync(resolve('schemas'), join(own, 'schemas'), 'junction');
  await build({
    ...forNode,
    format: 'esm',
    entryPoints: { index: 'lib/index.ts', cli: 'lib/cli/bin.ts' },
    outdir: join(own, 'dist'),
  });
  writeGuideFiles(folder);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function node(args: readonly string[], cwd = folder) {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd, encoding: 'utf8', maxBuffer: 2 ** 28 });
  return { status, stdout, output: `${stdout}${stderr}` };
}

describe('what is shown is taken out of a page', () => {
  test.each([
    ['0.9596, the cosine', { value: 0.9596 }],
    ['28 = 1·6 + 2·5', { value: 28 }],
    ["'fail': 'pass' or", { value: 'fail' }],
    ['null: no polynomial', { value: null }],
    ['[1, 16]', { value: [1, 16] }],
    ['1/3      P(z > 0)', { value: 1 / 3 }],
    ['1.405e-5, of', { value: 1.405e-5 }],
  ])('%s', (remark, told) => {
    expect(toldIn(remark)).toMatchObject(told);
  });

  test.each([
    'the part of every output',
    'output 9, at 0.860',
    '{ data: Float32Array }',
    '(L L2ᵀ) ⊙ (R R2ᵀ)',
    'x₀² + x₁²',
  ])('%s tells no value', (remark) => {
    expect(toldIn(remark)).toBeUndefined();
  });

  test('and a value that is another is not as it is told', () => {
    const fault = (remark: string, value: unknown) => !isAsTold({ remark, value });
    expect(fault('0.9596, so', 0.95961)).toBe(false);
    expect(fault('0.9596, so', 0.95972)).toBe(true);
    expect(fault('28 = 27', 28)).toBe(false);
    expect(fault('28 = 27', 27)).toBe(true);
    expect(fault("'fail'", 'pass')).toBe(true);
    expect(fault('null', 0)).toBe(true);
    expect(fault('[1, 16]', [1, 17])).toBe(true);
  });
});

describe.each(PAGES)('%s', (page) => {
  const text = textOf(page);
  const code = scriptOf(text);

  test.skipIf(code === '')('its examples run, and their values are those told beside them', () => {
    const script = join(folder, `${basename(page, '.md')}.mjs`);
    writeFileSync(script, watchedScript(code));
    const { status, stdout, output } = node([script]);
    expect(status, output.slice(-2000)).toBe(0);
    for (const shown of shownIn(stdout)) expect(isAsTold(shown), JSON.stringify(shown)).toBe(true);
    const told = watchedScript(code).split('@shown').length - 1;
    expect(shownIn(stdout).length).toBe(told);
  });

  const typed = typedOf(text);
  test.skipIf(typed === '')('what it shows as TypeScript runs on files as it names them', () => {
    const script = join(folder, `${basename(page, '.md')}.typed.mjs`);
    writeFileSync(script, watchedScript(`${PRELUDES[page] ?? ''}\n${typed}`));
    const { status, stdout, output } = node([script]);
    expect(status, output.slice(-2000)).toBe(0);
    for (const shown of shownIn(stdout)) expect(isAsTold(shown), JSON.stringify(shown)).toBe(true);
  });

  test('its commands are there, with their options', async () => {
    for (const words of commandsIn(text)) {
      const { code: answer, stdout } = await tensim([words[0], '--help']);
      expect(answer, words.join(' ')).toBe(0);
      for (const option of optionsIn(words)) expect(stdout, words.join(' ')).toContain(option);
    }
  });

  test('what it imports is there, and its JSON is JSON', () => {
    for (const [, list] of text.matchAll(/^import (?:type )?\{ (.+) \} from 'tensim';$/gm))
      for (const name of list.split(', ')) expect(Object.keys(api), name).toContain(name);
    for (const [, block] of text.matchAll(/^```json\n(.*?)^```$/gms)) expect(() => JSON.parse(block)).not.toThrow();
  });

  test.skipIf(sessionIn(text).length === 0)('its commands print what it shows', () => {
    let cwd = folder;
    for (const { script, into, args, told } of sessionIn(text)) {
      if (into !== undefined) cwd = join(cwd, into);
      else if (script !== undefined) expect(node([script], cwd).status).toBe(0);
      else expect(node([program, ...args!.split(' ')], cwd).output, args).toBe(told);
    }
  });
});

test('there are values, commands and sessions in them at all', () => {
  const all = PAGES.map(textOf);
  expect(
    all.map((text) => watchedScript(scriptOf(text)).split('@shown').length - 1).reduce((a, b) => a + b),
  ).toBeGreaterThan(30);
  expect(all.flatMap(commandsIn).length).toBeGreaterThan(60);
  expect(all.flatMap(sessionIn).length).toBeGreaterThan(5);
});
