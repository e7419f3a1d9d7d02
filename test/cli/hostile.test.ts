import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import { csvFields } from '../report/helpers.js';
import { type Outcome, step, tensim } from './run.js';

const root = temporaryFolder();
/** Names that set the title, clear the screen, turn the direction of reading and forge a verdict. */
const NAMES = ['a\u001b]0;PWNED\u0007\u001b[2J\u009b8m', 'b against c\nPASS: candidate', 'c\u202e\u200b\r\u2028d'];
const FORMULAS = ['=HYPERLINK("http:∕∕127.0.0.1"&A1)', "=cmd|'-C calc'!A0", '@SUM(1+1)', '-2+3'];
const write = (names: readonly string[], folder = root): string[] =>
  names.map((name, i) => {
    const file = join(folder, `${name}.safetensors`);
    copyFileSync(step(2000 * i), file);
    return file;
  });

/** Everything invisible but the ends of lines; escape codes of ours are only the two of emphasis. */
const RAW = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;
// biome-ignore lint/suspicious/noControlCharactersInRegex: the codes of emphasis and of the progress line
const CODES = /\u001b(?:[78]|\[(?:1m|22m|\?7[hl]|[01]?G|[02]?K))/g;
const visible = ({ stdout, stderr }: Outcome) => {
  const stripped = `${stdout}${stderr}`.replace(CODES, '');
  expect(RAW.exec(stripped)).toBeNull();
  expect(stripped).not.toMatch(/^PASS: candidate/m);
  expect(stripped).toMatch(/\\u\{|\\u[0-9a-f]{4}|\\n/);
};

describe.skipIf(process.platform === 'win32')('names that mean harm', () => {
  const [a, b, c] = process.platform === 'win32' ? [] : write(NAMES);
  const missing = join(root, NAMES[0], 'gone');

  test.each([
    ['compare', [a, b]],
    ['compare', [a, b, '--per-output', '--json']],
    ['compare', [a, b, '--method', 'sampled', '--max-samples', '1024', '--verbose']],
    ['compare', [a, b, '--measure', 'weights', '--per-output']],
    ['explain', [b, a]],
    ['explain', [b, a, '--json']],
    ['gate', [b, '--against', a, '--min', '0.99']],
    ['gate', [b, '--against', a, '--format', 'json']],
    ['gate', [b, '--against', a, '--format', 'junit']],
    ['gate', [b, '--against', a, '--format', 'markdown']],
    ['gate', [b, '--against', missing, '--format', 'markdown']],
    ['verify', [a, b]],
    ['verify', [a, b, '--format', 'json']],
    ['verify', [a, b, '--format', 'junit']],
    ['verify', [a, missing, '--format', 'markdown']],
    ['verify', ['--base', a, '--adapter', missing, '--merged', b]],
    ['matrix', [a, b, c]],
    ['matrix', [a, b, c, '--per-output', '--verbose']],
    ['matrix', [a, b, c, '--json']],
    ['matrix', [a, b, '--against', c]],
    ['matrix', [a, b, c, '--measure', 'gaussian,weights']],
    ['matrix', [a, b, '--state', join(root, `${NAMES[1]}.state`), '--out', join(root, `${NAMES[1]}.json`)]],
    ['inspect', [a]],
    ['inspect', [b, '--json']],
    ['convert', [a, join(root, `${NAMES[1]}.npz`)]],
    ['contract', ['ij,jk->ik', `${a}:left.weight`, '3x4']],
    ['contract', ['ij\u2028,jk\ufeff->ik', '2x3', '3x4', '--explain']],
    ['contract', ['i\u009bj,jk->ik', '2x3', '3x4']],
  ])('%s %j', async (command, args) => {
    for (const terminal of [false, true]) visible(await tensim([command, ...args], { terminal }));
  });

  test('in what commander says of wrong usage, with its proposals', async () => {
    const forged = "x'\n(Did you mean PASS?)\nPASS: candidate\u001b[2J";
    for (const args of [[forged], ['compare', a, b, `--${forged}`], ['compare', a, b, '--dtype', forged]]) {
      const outcome = await tensim(args);
      visible(outcome);
      expect(outcome.code).toBe(2);
    }
    const { stderr } = await tensim(['comparee']);
    expect(stderr).toContain("unknown command 'comparee'\n(Did you mean compare?)\n");
    visible(await tensim(['gate', a, '--against', b, '--min', forged]));
    visible(await tensim(['matrix', a, '--every', forged]));
  });

  test('in errors, hints and stacks', async () => {
    const env = { TENSIM_DEBUG: '1' };
    const forged = '\n    ij\n    ^ here\nPASS: candidate';
    const { stderr } = await tensim(['inspect', missing], { env });
    expect(stderr).toMatch(/\n {4}at .*\n/);
    for (const args of [
      ['inspect', missing],
      ['compare', a, join(root, `${NAMES[1]}*`, 'x')],
      ['matrix', a, b, c, '--block-at', forged],
      ['matrix', a, b, c, '--reference', forged],
      ['compare', a, b, '--input', forged],
      ['compare', a, b, '--out', `${forged}.txt`],
      ['contract', 'i->i', forged],
    ]) {
      visible(await tensim(args, { env }));
      visible(await tensim(args));
    }
  });

  test('JSON parses to the names as they are', async () => {
    const { stdout } = await tensim(['matrix', a, b, c, '--json']);
    expect(JSON.parse(stdout).labels).toEqual(NAMES);
  });

  test('no cell of a CSV file is a formula', async () => {
    const file = join(root, 'o.csv');
    await tensim(['matrix', ...write(FORMULAS), '--out', file]);
    const [head, ...rows] = csvFields(readFileSync(file, 'utf8'));
    expect(head.slice(1).sort()).toEqual(FORMULAS.map((name) => `'${name}`).sort());
    for (const [label, ...values] of rows) {
      expect(label).toMatch(/^'/);
      for (const value of values) expect(Number(value)).not.toBeNaN();
    }
  });

  test('a description and its metadata', async () => {
    const model = join(root, 'model.json');
    writeFileSync(model, JSON.stringify({ schema: NAMES[1], layers: [{ type: NAMES[0] }] }));
    visible(await tensim(['inspect', a, '--model', model]));
    writeFileSync(model, JSON.stringify({ schema: 'tensim.model/1', [NAMES[1]]: 1, layers: [{ type: NAMES[0] }] }));
    visible(await tensim(['inspect', a, '--model', model]));
  });
});

test('commands write by print and say alone', () => {
  const cli = join(import.meta.dirname, '../../lib/cli');
  for (const name of ['compare', 'matrix', 'explain', 'gate', 'inspect', 'contract', 'convert', 'doctor', 'exit'])
    expect(readFileSync(join(cli, `${name}.ts`), 'utf8')).not.toMatch(/std(out|err)\b.*\.write|console\./);
});
