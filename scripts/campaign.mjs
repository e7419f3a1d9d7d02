// `npm run campaign -- KIND [FOLDER] [--minutes N] [--seed N] [--rounds N] [--runs N]`: what takes longer than an
// ordinary run has time for. Rounds are begun until the time is over. Each prints the command that repeats it; the first
// that fails ends the campaign with exit status 1.

import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from './toolchain.mjs';

/** How many times as many cases as ordinarily a round of `random` draws in every suite. */
const TIMES = 5;

const KINDS = {
  fuzz: {
    about: 'coverage-guided fuzzing of all readers and parsers; what it finds becomes a fixture of the tests',
    round: (seed, filter, seconds) => [script('fuzz', seed, filter, `--seconds=${Math.ceil(seconds)}`)],
  },
  'fuzz-native': {
    about:
      'libFuzzer on the plans that the addon is given, under AddressSanitizer and UndefinedBehaviorSanitizer; needs clang',
    round: (seed, _, seconds) => [script('fuzz_native', seed, undefined, `--seconds=${Math.ceil(seconds)}`)],
  },
  leak: {
    about:
      'heaps, handles and files that are open after thousands of loads, matrices, contractions, failures and aborts',
    round: (seed, filter) => [script('leak', seed, filter)],
  },
  random: {
    about: `random cases of the test suites, ${TIMES} times as many in a round, a suite after the other`,
    round: (seed, filter) =>
      fuzzedSuites(filter).map((suite) => ({
        command: ['npx', 'vitest', 'run', suite, '--project', 'all*'],
        env: { TENSIM_CAMPAIGN_RUNS: String(TIMES), TENSIM_CAMPAIGN_SEED: String(seed) },
      })),
  },
  sanitize: {
    about:
      'all native tests with all their shapes, under AddressSanitizer with UndefinedBehaviorSanitizer, and under ThreadSanitizer',
    round: (seed, filter) =>
      ['address,undefined', 'thread'].map((kind) => native(seed, filter, `--sanitize=${kind}`, '--long')),
  },
  'cuda-emulated': {
    about:
      'the kernels of the CUDA backend, emulated on the host, as released and under sanitizers, and everything above them',
    round: (seed, filter = 'cuda') => [
      native(seed, filter),
      { command: ['npx', 'vitest', 'run', 'test/backend/cuda.test.ts', '--project', 'all*'] },
      native(seed, filter, '--sanitize=address,undefined', '--long'),
    ],
  },
  arm64: {
    about: 'the addon for arm64 under qemu: native tests, and the suites about numbers; needs the cross compiler',
    once: true,
    round: (seed, filter) => [script('emulated', seed, filter, '--target=linux-arm64')],
  },
  win32: {
    about: 'the addon for Windows under wine: native tests, and what the package does there; needs MinGW-w64',
    once: true,
    round: (seed, filter) => [script('emulated', seed, filter, '--target=win32-x64')],
  },
  kill: {
    about: 'matrices with a state file, killed at random moments and finished: every bit is that of a run left alone',
    round: (seed, filter, _, runs = 200) => [script('kill', seed, filter, `--runs=${runs}`)],
  },
  shards: {
    about:
      'matrices in shards: their processor time against one run, and shards killed at random, to the bytes of one run',
    round: (seed, filter, _, runs = 50) => [script('shards', seed, filter, `--runs=${runs}`, '--models=300')],
  },
  slurm: {
    about:
      'a Slurm cluster on this machine, GNU parallel, and the variables of Kubernetes; needs slurm-wlm, munge, parallel and root',
    once: true,
    round: (seed, filter) => [script('slurm', seed, filter)],
  },
  workers: {
    about: 'matrices of workers that are killed, over a Redis that is restarted: every bit is that of a run left alone',
    round: (seed, _, __, runs = 20) => [script('workers', seed, undefined, `--runs=${runs}`)],
  },
  churn: {
    about: 'files changed while they are read: every result is of one version whole, or an error that says so',
    round: (seed, filter, _, runs = 2000) => [script('churn', seed, filter, `--runs=${runs}`)],
  },
  peers: {
    about: 'checkpoints of other people, in FOLDER: pairs of them are as similar as was measured independently',
    once: true,
    round: (seed, filter, _, __, [folder]) => [
      script('peers', seed, filter, ...(folder === undefined ? [] : [resolve(folder)])),
    ],
  },
  setups: {
    about:
      'the package in fresh projects: imported, required, typed by old and new compilers, bundled, on other runtimes',
    once: true,
    round: (seed, filter) => [script('setups', seed, filter)],
  },
  coverage: {
    about: 'whether sampled intervals cover the truth, of random networks of all kinds',
    round: (seed, filter) => [
      {
        command: ['node', 'scripts/bench.mjs', 'coverage', '--count', '4', '--seed', String(seed), '--check'].concat(
          filter === undefined ? [] : ['--filter', filter],
        ),
      },
    ],
  },
};

const HELP = `npm run campaign -- KIND [FOLDER] [--minutes N] [--seed N] [--rounds N] [--runs N] [--filter NAME]

${Object.entries(KINDS)
  .map(([name, { about }]) => `  ${name.padEnd(14)} ${about}`)
  .join('\n')}

  --minutes N    begins nothing more after this time; what is running ends first (60)
  --seed N       of the first round, the next ones count on from it (1)
  --rounds N     at most so many rounds
  --runs N       of one round of kill and shards, kills, of churn, reads, and of workers, matrices
  --filter NAME  only suites, readers, native tests, set-ups or networks with NAME in their names; of kill, backends, and of churn, readers

Every command is printed with its seed, so that what fails can be repeated. The exit status is 1 if anything failed, 2 for bad usage.`;

/** A campaign with a body of its own. */
function script(name, seed, filter, ...options) {
  const filtered = filter === undefined ? [] : [`--filter=${filter}`];
  return { command: ['node', `scripts/campaigns/${name}.mjs`, `--seed=${seed}`, ...options, ...filtered] };
}

function native(seed, filter, ...options) {
  const filtered = filter === undefined ? [] : [`--filter=${filter}`];
  return { command: ['node', 'scripts/test-native.mjs', ...options, `--seed=${seed}`, ...filtered] };
}

/** The suites that ask test/support/campaign.ts how much to draw, or leave it to fast-check. */
function fuzzedSuites(filter = '') {
  const suites = readdirSync(join(root, 'test'), { recursive: true })
    .map((name) => `test/${name.replaceAll('\\', '/')}`)
    .filter((name) => name.endsWith('.test.ts') && name.includes(filter))
    .filter((name) => /fast-check|support\/campaign\.js/.test(readFileSync(join(root, name), 'utf8')));
  if (suites.length === 0) fail(`No suite that draws random cases is called ${filter}.`);
  return suites.sort();
}

function fail(message) {
  console.error(message);
  process.exit(2);
}

function whole(name, text) {
  const value = Number(text);
  if (text === undefined || text.trim() === '' || !(value >= 0)) fail(`--${name} takes a number, not "${text}".`);
  return value;
}

function read() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        minutes: { type: 'string', default: '60' },
        seed: { type: 'string', default: '1' },
        rounds: { type: 'string' },
        runs: { type: 'string' },
        filter: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
  } catch (error) {
    return fail(`${error.message}\n\n${HELP}`);
  }
}

const { values, positionals } = read();
if (values.help) {
  console.log(HELP);
  process.exit(0);
}
const kind = Object.hasOwn(KINDS, positionals[0] ?? '') ? KINDS[positionals[0]] : fail(HELP);
const end = performance.now() + 60_000 * whole('minutes', values.minutes);
const first = whole('seed', values.seed);
// Who says how many runs wants so many, and no further round.
const runs = values.runs && whole('runs', values.runs);
const rounds = whole(
  'rounds',
  values.rounds ?? (runs === undefined && !kind.once ? String(Number.MAX_SAFE_INTEGER) : '1'),
);

let done = 0;
for (let round = 0; round < rounds && performance.now() < end; round++) {
  const left = (end - performance.now()) / 1000;
  for (const { command, env } of kind.round(first + round, values.filter, left, runs, positionals.slice(1))) {
    if (performance.now() >= end) break;
    const set = Object.entries(env ?? {}).map(([name, value]) => `${name}=${value}`);
    console.log(`\n=== ${[...set, ...command].join(' ')}`);
    const options = { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } };
    const { status, error } = spawnSync(command[0], command.slice(1), options);
    if (status !== 0) {
      console.error(
        `\n=== FAILED with ${error?.message ?? `exit status ${status}`}: ${[...set, ...command].join(' ')}`,
      );
      process.exit(1);
    }
    done++;
  }
}
console.log(`\n${done} runs passed`);
