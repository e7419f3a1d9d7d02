import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from '../formats/safetensors/helpers.js';
import { tensim } from './run.js';

const root = temporaryFolder();
const COMMANDS = [
  ...['compare', 'matrix', 'merge', 'watch', 'blocks', 'adapters', 'moments', 'explain', 'gate', 'verify'],
  ...['worker'],
  ...['inspect', 'contract', 'convert', 'doctor', 'completion'],
];
const has = (shell: string) => spawnSync(shell, ['--version']).status === 0;

async function scriptOf(shell: string): Promise<string> {
  const { code, stdout, stderr } = await tensim(['completion', shell]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

/** The options of a command by its help. */
async function optionsOf(command: string): Promise<string[]> {
  const { stdout } = await tensim([command, '--help']);
  return [...stdout.matchAll(/^ {2}(?:-\w, )?(--[\w-]+)/gm)].map(([, name]) => name).sort();
}

describe.skipIf(!has('bash'))('in bash', () => {
  /** What is proposed for the last of the words. */
  async function proposed(...words: string[]): Promise<string[]> {
    const file = join(root, 'tensim.bash');
    writeFileSync(file, await scriptOf('bash'));
    const all = ['tensim', ...words].map((word) => `'${word}'`).join(' ');
    const code = `source '${file}'; COMP_WORDS=(${all}); COMP_CWORD=${words.length}; _tensim; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const out = execFileSync('bash', ['--norc', '--noprofile', '-u', '-c', code], { encoding: 'utf8' });
    return out.split('\n').filter((line) => line !== '');
  }

  test('commands are proposed', async () => {
    expect(await proposed('')).toEqual([...COMMANDS, 'help', '--help', '--version']);
    expect(await proposed('ma')).toEqual(['matrix']);
    expect(await proposed('help', 'ga')).toEqual(['gate']);
    expect(await proposed('completion', '')).toEqual(['bash', 'zsh', 'fish']);
  });

  test.each(COMMANDS)('all options of %s', async (command) => {
    expect((await proposed(command, '--')).sort()).toEqual(await optionsOf(command));
  });

  test('the values of options, those of the command that stands there', async () => {
    expect(await proposed('compare', 'a', 'b', '--method', '')).toEqual(['auto', 'exact', 'closure', 'sampled']);
    expect(await proposed('blocks', 'a', 'b', '--method', '')).toEqual(['auto', 'exact', 'sampled']);
    expect(await proposed('gate', '--format', 'j')).toEqual(['json', 'junit']);
    // As readline cuts --format=ju.
    expect(await proposed('gate', '--format', '=', 'ju')).toEqual(['junit']);
    expect(await proposed('gate', '--format', '=')).toContain('markdown');
  });

  test('and files are left to the shell', async () => {
    for (const words of [
      ['compare', ''],
      ['matrix', 'a', '--out', ''],
      ['gate', 'a', '--against', 're'],
    ])
      expect(await proposed(...words)).toEqual([]);
    expect(await scriptOf('bash')).toContain('complete -o default -o bashdefault -F _tensim tensim');
  });
});

describe.skipIf(!has('zsh'))('in zsh', () => {
  test('the script is read without a word', async () => {
    const file = join(root, '_tensim');
    writeFileSync(file, await scriptOf('zsh'));
    const { status, stderr } = spawnSync('zsh', ['-f', '-c', `autoload -U compinit; compinit -D; source ${file}`]);
    expect({ status, stderr: String(stderr) }).toEqual({ status: 0, stderr: '' });
  });
});

describe.skipIf(!has('fish'))('in fish', () => {
  test('commands, options and values are proposed', async () => {
    const file = join(root, 'tensim.fish');
    writeFileSync(file, await scriptOf('fish'));
    const proposed = (line: string) =>
      execFileSync('fish', ['-N', '-c', `source ${file}; complete -C '${line}'`], { encoding: 'utf8' })
        .split('\n')
        .map((one) => one.split('\t')[0]);
    expect(proposed('tensim ma')).toContain('matrix');
    expect(proposed('tensim matrix --ever')).toContain('--every');
    expect(proposed('tensim gate --format j')).toEqual(expect.arrayContaining(['json', 'junit']));
  });
});

describe('scripts', () => {
  test.each(['bash', 'zsh', 'fish'])('of %s name every command and every option', async (shell) => {
    const script = await scriptOf(shell);
    for (const command of COMMANDS) {
      expect(script).toContain(command);
      for (const option of await optionsOf(command))
        expect(script).toContain(shell === 'fish' ? `-l ${option.slice(2)} ` : option);
    }
  });

  test('are of known shells only', async () => {
    const { code, stderr } = await tensim(['completion', 'tcsh']);
    expect(code).toBe(2);
    expect(stderr).toContain('Allowed choices are bash, zsh, fish');
  });
});
