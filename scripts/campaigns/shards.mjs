// `npm run campaign -- shards --runs N`: matrices in shards against one run. First: eight shards, one after the other, take
// little more processor time than one run, none much more than the mean, and are put together to its bytes. Then N
// times: shards, of pairs and of samples, are killed with SIGKILL at random moments and started again, and what comes of
// them has every bit.

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { between, blockFiles, oneOf, random } from './models.mjs';

const OPTIONS = ['--route', 'factor'];
/** Processor time of all shards in parts of one run's, and of the largest in parts of the mean. */
const LIMITS = { all: 1.05, largest: 1.15 };
const SHARDS = 8;
/** What is killed: small enough that a run takes tenths of a second. */
const FIELDS = [
  { inputs: 512, hidden: 128, outputs: 10, count: 24 },
  { inputs: 96, hidden: 96, outputs: 6, count: 40 },
  { inputs: 48, hidden: 24, outputs: 4, count: 70 },
];

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '50' },
    seed: { type: 'string', default: '1' },
    models: { type: 'string', default: '0' },
    sizes: { type: 'string', default: '256,512,10' },
    times: { type: 'string', default: '1' },
    filter: { type: 'string', default: '' },
    program: { type: 'string', default: 'dist/cli.js' },
  },
});
const [runs, seed, models, times] = [values.runs, values.seed, values.models, values.times].map(Number);
const draw = random(seed);
const folder = mkdtempSync(join(tmpdir(), 'tensim-shards-'));
const sizeOf = (path) => (existsSync(path) ? statSync(path).size : 0);

/** Runs to the end: what it printed, and the seconds of processor time that it took. */
function finish(args, env = {}) {
  const script = 'TIMEFORMAT="%U %S"; time "$0" "$@"';
  const { status, stdout, stderr } = spawnSync('bash', ['-c', script, process.execPath, values.program, ...args], {
    encoding: 'utf8',
    maxBuffer: 2 ** 30,
    env: { ...process.env, ...env },
  });
  if (status !== 0) throw new Error(`exit status ${status}: ${stderr}`);
  const [user, system] = stderr.trim().split('\n').at(-1).split(' ').map(Number);
  return { stdout, seconds: user + system };
}

/** The bytes of a result without the seconds that it was expected to take, which every run measures anew. */
const resultIn = (stdout) => stdout.replace(/("seconds": ?)[-+.\de]+/g, '$1null');

/** What a virtual machine gave back to its host is taken again here, and not by what is measured. */
const takeMemory = () => spawnSync(process.execPath, ['-e', 'Buffer.alloc(2 ** 30, 1)']);

const mean = (numbers) => numbers.reduce((sum, one) => sum + one, 0) / numbers.length;

/** One run and all shards, in turn, as often as `--times` says. */
function accounting() {
  const [inputs, hidden, outputs] = values.sizes.split(',').map(Number);
  const files = blockFiles(folder, models, { inputs, hidden, outputs }, draw, 'large');
  const states = Array.from({ length: SHARDS }, (_, i) => join(folder, `large_${i}.state`));
  const measured = (...args) => {
    takeMemory();
    return finish(args);
  };
  const taken = { whole: [], merge: [], shards: states.map(() => []) };
  let isSame = true;
  for (let turn = 0; turn < times; turn++) {
    const whole = measured('matrix', ...files, ...OPTIONS, '--json');
    for (const [i, state] of states.entries()) {
      rmSync(state, { force: true });
      const shard = ['--alike', '--shard', `${i + 1}/${SHARDS}`, '--state', state];
      taken.shards[i].push(measured('matrix', ...files, ...OPTIONS, ...shard).seconds);
    }
    const merged = measured('merge', ...states, '--json');
    taken.whole.push(whole.seconds);
    taken.merge.push(merged.seconds);
    isSame &&= resultIn(merged.stdout) === resultIn(whole.stdout);
  }
  const [whole, merge, shards] = [mean(taken.whole), mean(taken.merge), taken.shards.map(mean)];
  const ratio = (SHARDS * mean(shards)) / whole;
  const largest = Math.max(...shards) / mean(shards);
  const told = (seconds) => seconds.toFixed(2);
  console.log(
    `${models} models of (${inputs}, ${hidden}, ${outputs}), ${times} times: one run ${told(whole)} s of processor time, ` +
      `${SHARDS} shards ${told(SHARDS * mean(shards))} s (${ratio.toFixed(3)}), the largest ${largest.toFixed(3)} of the mean, merge ${told(merge)} s, ` +
      `${isSame ? 'the same bytes' : 'OTHER BYTES'}; shards ${shards.map(told).join(' ')}`,
  );
  for (const file of [...files, ...states]) rmSync(file, { force: true });
  if (!isSame || ratio > LIMITS.all || largest > LIMITS.largest) process.exitCode = 1;
}

let [kills, cut, trials, ofSamples, failed] = [0, 0, 0, 0, 0];

/** Starts a shard, kills it after a random time, and starts it again until it has ended by itself. */
async function stubborn(args, state, expected) {
  for (let hits = 0, wanted = between(draw, 1, 2); ; ) {
    const before = sizeOf(state);
    const child = spawn(process.execPath, [values.program, ...args], { stdio: 'ignore' });
    const ended = new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal })));
    if (hits < wanted) {
      // Half of them while the file grows, where there is something to be cut off.
      if (draw() < 0.5) while (sizeOf(state) === before && child.exitCode === null) await wait(1);
      await wait(draw() < 0.5 ? 5 * draw() : expected * draw());
      child.kill('SIGKILL');
    }
    const { code, signal } = await ended;
    if (signal === 'SIGKILL') [hits, kills] = [hits + 1, kills + 1];
    else if (code === 0) return;
    else throw new Error(`exit status ${code}: ${args.join(' ')}`);
    if (sizeOf(state) > before) cut++;
  }
}

/** Trials about the same matrix, cut in the same way. */
const TRIALS = 5;

/** Samples, of which so many are taken whatever they tell: shards are then groups of them. */
const sampledKind = () => {
  const samples = oneOf(draw, [2048, 8192, 16384]);
  return [
    '--method',
    'sampled',
    '--tolerance',
    '1e-4',
    '--max-samples',
    String(samples),
    '--seed',
    String(between(draw, 0, 9)),
  ];
};

/** A matrix by one run, and all its shards. */
function drawn(name) {
  const field = oneOf(draw, FIELDS);
  const files = blockFiles(folder, field.count, field, draw, name);
  const some = (chance, ...flags) => (draw() < chance ? flags : []);
  const pairs = oneOf(draw, [[], [], ['--window', '9'], ['--reference', files[between(draw, 0, field.count - 1)]]]);
  const kind = draw() < 0.4 ? sampledKind() : some(0.15, '--measure', oneOf(draw, ['tensor', 'weights']));
  const args = ['matrix', ...files, ...pairs, ...some(0.3, '--per-output'), ...kind];
  const started = performance.now();
  const whole = resultIn(finish([...args, '--json', '--state', join(folder, `${name}.state`)]).stdout);
  const expected = performance.now() - started;
  const count = between(draw, 2, 5);
  const states = Array.from({ length: count }, (_, i) => join(folder, `${name}_${i}.state`));
  for (const [i, state] of states.entries()) finish([...args, '--shard', `${i + 1}/${count}`, '--state', state]);
  return { files, args, whole, expected, states };
}

/** One of the shards anew, killed and started again, in the place of that which was left alone. */
async function trial({ args, whole, expected, states }) {
  const victim = between(draw, 0, states.length - 1);
  // By itself: a shard of samples would take over what another has decided, whose file lies beside its own.
  const alone = join(folder, `trial_${trials}`);
  mkdirSync(alone);
  const state = join(alone, 'part.state');
  const threads = draw() < 0.5 ? ['--threads', String(between(draw, 1, 2))] : [];
  await stubborn([...args, '--shard', `${victim + 1}/${states.length}`, '--state', state, ...threads], state, expected);
  const parts = states.map((other, i) => (i === victim ? state : other));
  if (resultIn(finish(['merge', ...parts, '--json']).stdout) !== whole) {
    failed++;
    const words = args.filter((word) => !word.startsWith(folder)).join(' ');
    console.error(`DIFFERS: seed ${seed}, trial ${trials}, shard ${victim + 1}, the states are in ${folder}: ${words}`);
  }
  trials++;
  if (args.includes('sampled')) ofSamples++;
}

try {
  if (models > 0) accounting();
  for (let begun = 0; trials < runs; begun++) {
    const matrix = drawn(`matrix_${begun}`);
    for (let i = 0; i < TRIALS && trials < runs; i++) await trial(matrix);
    if (failed === 0) for (const file of [...matrix.files, ...matrix.states]) rmSync(file, { force: true });
    console.log(`${trials} trials, ${kills} kills, ${failed} differ`);
  }
} finally {
  if (failed === 0) rmSync(folder, { recursive: true, force: true });
}
console.log(
  `${trials} trials, ${ofSamples} of samples, with ${kills} kills, of which ${cut} had written something: ${failed} results differ`,
);
if (failed > 0) process.exitCode = 1;
