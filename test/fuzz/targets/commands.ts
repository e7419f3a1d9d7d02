import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../../lib/cli/main.js';
import { expandPaths } from '../../../lib/model/reading/paths.js';
import { Sink } from '../../cli/run.js';
import { attentionShapes, bilinearShapes } from '../../model/helpers.js';
import { type Reader, type Target, Wrong } from '../engine/target.js';
import { chance, mutateBytes, pick } from '../mutation/bytes.js';
import { type Json, jsonMutation, parsed, smallerJson, textOf } from '../mutation/json.js';
import { accepted, checkpointOf, leftOut } from './files.js';

const FILES = ['step_1.safetensors', 'step_2.safetensors', 'step_10.safetensors', 'other.safetensors'];

/** A folder with a few checkpoints, and the work directory of what is asked in it. */
function enter(folder: string): void {
  FILES.forEach((name, i) => {
    writeFileSync(join(folder, name), checkpointOf(bilinearShapes(2, 2, 2), { step: String(i) }));
  });
  writeFileSync(
    join(folder, 'attention.safetensors'),
    checkpointOf(attentionShapes(1), { n_head: '2', n_ctx: '2', attn_scale: '1' }),
  );
  writeFileSync(join(folder, 'notes.txt'), 'nothing');
}

const WORDS = [
  ...['compare', 'matrix', 'explain', 'gate', 'inspect', 'contract', 'convert', 'help', '--help', '--version', '--'],
  ...['--per-output', '--json', '--verbose', '--measure', 'gaussian', 'tensor', 'weights', 'behavioural', '--method'],
  ...['exact', 'closure', 'sampled', 'auto', '--route', 'factor', 'unfolded', 'dense', '--input', 'standard', 'onehot'],
  ...['sigma=2', '--dtype', 'float32', '--seed', '--tolerance', '--max-samples', '1024', '--backend', 'fallback'],
  ...['--threads', '1', '--model', '--config', '{"n_head":2}', '--against', '--rows', '--reference', '--window'],
  ...['--consecutive', '--every', '2', '--steps', '0-4', '--memory-limit', '64MiB', '--block-at', '--format', 'csv'],
  ...[
    'markdown',
    'json',
    'text',
    '--min',
    '0.5',
    '--min-output',
    '--max-drop',
    '--image',
    '1x2',
    '--explain',
    '--time',
  ],
  ...['ij,jk->ik', '2x3', '3x4', '--memory', '--optimize', 'greedy', '*.safetensors', '*', '-1', '1e9', '∞', ''],
  ...FILES,
];

/** What is asked every day. */
const EXAMPLES: readonly (readonly string[])[] = [
  ['compare', FILES[0], FILES[1], '--per-output', '--json'],
  ['compare', FILES[0], FILES[3], '--measure', 'weights,tensor'],
  ['matrix', '*.safetensors', '--consecutive', '--measure', 'gaussian'],
  ['matrix', FILES[0], FILES[1], FILES[2], '--every', '2', '--format', 'csv'],
  ['explain', FILES[0], FILES[1], '--image', '1x2'],
  ['gate', FILES[0], '--against', FILES[1], '--min', '0.5', '--format', 'markdown'],
  ['inspect', FILES[0], '--json'],
  ['contract', 'ij,jk->ik', '2x3', '3x4', '--explain'],
  ['contract', 'ij,jk->ik', '2x3', '3x4', '--time', '--json'],
  ['inspect', 'attention.safetensors', '--config', '{"n_head":2}'],
];

/** Of a shape on the command line: products of several must stay small. */
const MOST_ELEMENTS = 2 ** 12;

/** Other folders, files that are written, and work that takes long. */
function isLeftOut(args: readonly string[]): boolean {
  const shapes = args.filter((arg) => /^\d+(x\d+)*$/.test(arg));
  const elements = shapes.map((shape) => shape.split('x').reduce((size, extent) => size * Number(extent), 1));
  return (
    args.some((arg) => /[/\\~$:]|\.\./.test(arg) || /^-+(?:out|state|o$|threads)/.test(arg)) ||
    args.some((arg) => /^(convert|doctor)$/.test(arg)) ||
    elements.reduce((size, extent) => size * Math.max(1, extent), 1) > MOST_ELEMENTS ||
    (args.some((arg) => /max-samples|tolerance|image/.test(arg)) && args.some((arg) => /\d{5}|e\d/i.test(arg)))
  );
}

export const readsCommands: Target = {
  name: 'arguments',
  about: 'the command line, in a folder of small checkpoints',
  synchronous: true,
  mutate: jsonMutation({
    words: WORDS,
    whole: (random): Json => {
      const args = [...pick(random, EXAMPLES)];
      for (let times = random.integer(1, 3); times > 0; times--)
        args.splice(random.integer(0, args.length), chance(random, 0.3) ? 1 : 0, pick(random, WORDS));
      return args;
    },
  }),
  simplify: smallerJson,
  async prepare(folder) {
    enter(folder);
    const seeds = EXAMPLES.map((args) => textOf([...args]));
    const read: Reader = async (bytes) => {
      const args = parsed(bytes);
      if (!Array.isArray(args) || !args.every((arg) => typeof arg === 'string') || isLeftOut(args)) throw leftOut();
      return within(folder, async () => {
        const [stdout, stderr, stopped] = [new Sink(), new Sink(), new AbortController()];
        const timer = setTimeout(() => stopped.abort(), 1500);
        const code = await run(args, { stdout, stderr, signal: stopped.signal, env: { TENSIM_DEBUG: '1' } });
        clearTimeout(timer);
        if (/unexpected error/.test(stderr.text)) throw unexpected(stderr.text);
        if (![0, 1, 2, 3, 4, 130].includes(code)) throw new Wrong(`the exit code ${code}`);
        if (code === 0 && stdout.text === '') throw new Wrong('nothing was printed, and that was right');
        const lasting = /--time|seconds|doctor|estimates/.test(args.join(' ') + stdout.text) ? '' : stdout.text;
        return accepted(`${code} ${lasting}`, code === 0);
      });
    };
    return { seeds, read };
  },
};

/** An error that the command line caught, as it was thrown. */
function unexpected(text: string): Error {
  const error = new Error(text.slice(0, 2000));
  error.stack = text;
  return error;
}

export const readsPatterns: Target = {
  name: 'pattern',
  about: 'paths and patterns of models',
  mutate: (bytes, random, other) =>
    mutateBytes(bytes, random, other, [
      ...['*', '**', '?', '{', '}', ',', '[', ']', '!', '(', ')', '|', '+(', '@(', '!(', '\\', '..', '[^a]', '{1..9}'],
      ...['step_', '.safetensors', '[[:alpha:]]', '(a|b)', '*(*)', '(*a)+', ...FILES],
    ]),
  async prepare(folder) {
    enter(folder);
    const seeds = [
      '*.safetensors',
      'step_{1,2}.*',
      '{other,step_?}*.safetensors',
      '[a-s]*.safetensors',
      '.',
      'step_1.safetensors',
    ].map((text) => Buffer.from(text));
    const read: Reader = async (bytes) => {
      const patterns = Buffer.from(bytes).toString().split('\n').slice(0, 3);
      if (patterns.some((pattern) => /^[\\/~]|\.\.|^hf:/.test(pattern) || pattern.length > 200)) throw leftOut();
      return within(folder, async () => accepted((await expandPaths(patterns)).join()));
    };
    return { seeds, read };
  },
};

async function within<Result>(folder: string, work: () => Promise<Result>): Promise<Result> {
  const before = process.cwd();
  process.chdir(folder);
  try {
    return await work();
  } finally {
    process.chdir(before);
  }
}
