import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import { writeCheckpoint } from '../model/helpers.js';
import { step, tensim } from './run.js';

const root = temporaryFolder();
const COMMANDS = [
  ...['compare', 'matrix', 'blocks', 'adapters', 'moments', 'explain', 'gate', 'verify'],
  ...['inspect', 'contract', 'convert', 'doctor'],
];

/** Lines that are wider, tables, commands and single words apart. */
function wide(text: string, columns: number): string[] {
  return text.split('\n').filter((line) => line.length > columns && !/\S {2,}\S|^ *\$ |^ *\S+$/.test(line));
}

/** What is left when the bar of progress is taken away. */
const withoutBar = (stderr: string) => stderr.slice(stderr.lastIndexOf('\u001b[2K') + '\u001b[2K'.length);

describe('on a terminal', () => {
  test.each(COMMANDS)('the help of %s is wrapped at its width', async (command) => {
    for (const columns of [60, 100, 160]) {
      const { stdout } = await tensim([command, '--help'], { terminal: true, columns });
      expect(wide(stdout, columns)).toEqual([]);
    }
    const piped = await tensim([command, '--help']);
    expect((await tensim([command, '--help'], { columns: 60 })).stdout).toBe(piped.stdout);
  });

  test('errors are wrapped, with what helps on a line of its own', async () => {
    const file = await writeCheckpoint(root, 'conv.safetensors', { 'conv1.weight': [8, 1, 3, 3] });
    const { code, stderr } = await tensim(['compare', file, file], { terminal: true, columns: 60 });
    expect(code).toBe(3);
    const told = withoutBar(stderr);
    expect(wide(told, 60)).toEqual([]);
    expect(told).toMatch(/^tensim: .*\n(?: {2}.*\n)* {2}why: its names.*\n(?: {4}.*\n)* {2}next: Describe/);
    const gone = await tensim(['compare', GONE, step(0)], { terminal: true, columns: 60 });
    expect(gone.code).toBe(2);
    expect(wide(withoutBar(gone.stderr), 60)).toEqual([]);
  });

  test('what matrices say in sentences is wrapped, their tables are not', async () => {
    const files = [0, 6000, 6200, 8000].map(step);
    const { code, stdout } = await tensim(['matrix', ...files], { terminal: true, columns: 50 });
    expect(code).toBe(0);
    expect(wide(stdout, 60)).toEqual([]);
    expect(stdout).toMatch(/^step_06200.*\d\.\d{4}$/m);
  });

  test('JSON stays as it is', async () => {
    const args = ['compare', step(0), step(6000), '--json'];
    const piped = await tensim(args);
    expect((await tensim(args, { terminal: true, columns: 40 })).stdout).toBe(piped.stdout);
  });
});

const GONE = join('nowhere', 'of', 'all', 'the', 'places', 'there', 'are', 'gone.safetensors');

describe('the help of commands with many options', () => {
  test('has them in groups', async () => {
    const { stdout } = await tensim(['matrix', '--help']);
    const headings = [...stdout.matchAll(/^(\S[^\n]*):$/gm)].map(([, heading]) => heading);
    expect(headings).toEqual([
      'Arguments',
      'What is compared',
      'Which models, and which pairs',
      'How it is computed',
      'On many machines',
      'How models are read',
      'What is told',
      'Options',
      'Examples',
    ]);
    const [, pairs] = /Which models, and which pairs:\n(.*?)\n\n/s.exec(stdout)!;
    expect(pairs).toContain('--window <count>');
    const [, others] = /\nOptions:\n(.*?)\n\n/s.exec(stdout)!;
    expect(others.trim()).toMatch(/^-h, --help/);
  });

  test('and names no option twice', async () => {
    for (const command of COMMANDS) {
      const { stdout } = await tensim([command, '--help']);
      const options = [...stdout.matchAll(/^ {2}(?:-\w, )?(--[\w-]+)/gm)].map(([, name]) => name);
      expect(new Set(options).size).toBe(options.length);
    }
  });
});

describe('a folder with a file that is no model', () => {
  test('is compared without it, and it is named', async () => {
    const folder = join(root, 'run');
    mkdirSync(folder);
    for (const number of [0, 6000]) copyFileSync(step(number), join(folder, `step_${number}.safetensors`));
    await writeCheckpoint(folder, 'embeddings.safetensors', { 'some.table': [3, 4] });
    const { code, stdout, stderr } = await tensim(['matrix', folder]);
    expect(code).toBe(0);
    expect(stderr).toBe(`passed over, no model: ${join(folder, 'embeddings.safetensors')} (of no known family)\n`);
    expect(stdout).toContain('step_6000');
    expect(stdout).not.toContain('embeddings');
    // Where one model is wanted, it is the one that is there.
    const single = join(root, 'single');
    mkdirSync(single);
    copyFileSync(step(6000), join(single, 'model.safetensors'));
    await writeCheckpoint(single, 'embeddings.safetensors', { 'some.table': [3, 4] });
    const pair = await tensim(['compare', single, step(6200)]);
    expect(pair.code).toBe(0);
    expect(pair.stdout).toMatch(/^single\nstep_06200\n\nsimilarity +0\.9596/);
    expect(pair.stderr).toBe(
      `note: ${join(single, 'embeddings.safetensors')} is passed over as no model: of no known family\n`,
    );
    const both = await tensim(['compare', folder, step(6200)]);
    expect(both.code).toBe(2);
    expect(both.stderr).toContain('this folder holds 3 checkpoints, not one');
    // By weights it is a model like any other.
    const byWeights = await tensim(['matrix', folder, '--measure', 'weights']);
    expect(byWeights.stderr).not.toContain('passed over');
  });
});
