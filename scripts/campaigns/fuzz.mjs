// `npm run campaign -- fuzz`: coverage-guided fuzzing of all that reads what comes from outside (test/fuzz). This
// process builds the worker that reads, with counters in the branches of lib, and watches over it: an input over which
// the worker ends or falls silent is a finding like any other. Findings are saved as test/fuzz/fixtures/TARGET/DIGEST,
// which `npm test` replays from then on.
//
//     node scripts/campaigns/fuzz.mjs --seconds 60 --filter pt
//     node scripts/campaigns/fuzz.mjs --executions 3000 --frozen      the same inputs every time, for CI
//     node scripts/campaigns/fuzz.mjs --seconds 600 --keep            the corpora in test/fuzz/corpus are made anew
//     node scripts/campaigns/fuzz.mjs --repeat test/fuzz/fixtures/pt/0123456789abcdef

import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { forNode } from '../bundle.mjs';
import { root } from '../toolchain.mjs';
import { COUNTERS_BANNER, instrumented } from './instrument.mjs';

/** After which silence of the worker its input counts as one that never ends. */
const SILENCE = 60_000;
/** What the worker answers if the fault is its own. */
const EXIT_FAULT = 70;
/** How often the worker is started again. */
const MOST_STARTS = 8;

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    executions: { type: 'string' },
    seed: { type: 'string', default: '1' },
    filter: { type: 'string', default: '' },
    frozen: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    repeat: { type: 'string' },
    save: { type: 'string', default: join(root, 'test', 'fuzz', 'fixtures') },
  },
});

const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'tensim-fuzz-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));
const worker = await bundledWorker();

const until = performance.now() + 1000 * Number(values.seconds);
const executions = values.executions === undefined ? Number.MAX_SAFE_INTEGER : Number(values.executions);
const found = new Map();
const done = new Map();
let branches = 0;
let failed = false;
for (let start = 0; start < MOST_STARTS; start++) {
  const tallies = await run(start);
  if (tallies === undefined || performance.now() >= until) break;
}
if (values.repeat === undefined) report();
process.exit(failed || found.size > 0 ? 1 : 0);

async function bundledWorker() {
  const outfile = join(root, 'build', 'fuzz', 'worker.mjs');
  await build({
    ...forNode,
    entryPoints: ['test/fuzz/worker.ts'],
    outfile,
    format: 'esm',
    sourcemap: 'inline',
    banner: { js: COUNTERS_BANNER },
    plugins: [instrumented(), ...forNode.plugins],
  });
  return outfile;
}

/** Runs the worker to its end; resolves to undefined if nothing ended it before. */
function run(start) {
  const journal = join(folder, 'journal');
  const own = join(folder, `run-${start}`);
  mkdirSync(own);
  const orders = {
    seed: Number(values.seed) + 1000 * start,
    ...{
      milliseconds: until - performance.now(),
      executions,
      guided: !values.frozen,
      keep: values.keep,
      filter: values.filter,
      folder: own,
      journal,
    },
    ...(values.repeat !== undefined && { repeat: values.repeat }),
  };
  const child = fork(worker, [JSON.stringify(orders)], { execArgv: ['--enable-source-maps'], env: environment() });
  let tallies = [];
  let silent = setTimeout(() => child.kill('SIGKILL'), SILENCE);
  child.on('message', (message) => {
    clearTimeout(silent);
    silent = setTimeout(() => child.kill('SIGKILL'), SILENCE);
    tallies = message.tallies;
    branches = Math.max(branches, message.branches);
    for (const { target, finding, input } of message.found) save(target, finding, Buffer.from(input, 'base64'));
  });
  return new Promise((resolve) => {
    child.on('exit', (code, signal) => {
      clearTimeout(silent);
      for (const tally of tallies) add(tally);
      if (code === 0) return resolve(undefined);
      failed = true;
      if (values.repeat !== undefined || code === EXIT_FAULT) return resolve(undefined);
      const text = readFileSync(journal);
      const end = text.indexOf(0x0a);
      const what = signal === 'SIGKILL' ? `was silent for ${SILENCE / 1000} s` : `ended with ${signal ?? code}`;
      const finding = { kind: 'crash', key: `crash ${start}`, message: `the worker ${what}` };
      const [target, length] = text.toString('utf8', 0, end).split(' ');
      save(target, finding, text.subarray(end + 1, end + 1 + Number(length)));
      resolve(tallies);
    });
  });
}

/** Nothing of the surroundings that changes what commands do. */
function environment() {
  const kept = Object.entries(process.env).filter(([name]) => !/^(?:HF_|TENSIM_|NODE_OPTIONS)/.test(name));
  return { ...Object.fromEntries(kept), UV_THREADPOOL_SIZE: '2' };
}

function save(target, finding, input) {
  const key = `${target} ${finding.key}`;
  const known = found.get(key);
  if (known !== undefined && known.length <= input.length) return;
  const own = join(values.save, target);
  mkdirSync(own, { recursive: true });
  if (known !== undefined) rmSync(join(own, nameOf(known)), { force: true });
  found.set(key, input);
  const file = join(own, nameOf(input));
  writeFileSync(file, input);
  const command = `node scripts/campaigns/fuzz.mjs --repeat ${relative(root, file)}`;
  console.error(`\n=== ${target}: ${finding.kind}\n${finding.message}\n${command}`);
}

function nameOf(input) {
  return createHash('sha256').update(input).digest('hex').slice(0, 16);
}

function add(tally) {
  const sum = done.get(tally.target) ?? { executions: 0, accepted: 0, deep: 0, refused: 0, seconds: 0, corpus: 0 };
  for (const name of ['executions', 'accepted', 'deep', 'refused', 'seconds']) sum[name] += tally[name];
  sum.corpus = Math.max(sum.corpus, tally.corpus);
  done.set(tally.target, sum);
}

function report() {
  const columns = ['target', 'executions', 'per second', 'accepted', 'deep', 'refused', 'corpus'];
  const total = { executions: 0, accepted: 0, deep: 0, refused: 0, seconds: 0, corpus: 0 };
  for (const tally of done.values()) for (const name of Object.keys(total)) total[name] += tally[name];
  const rows = [...done, ['all', total]].map(([target, { executions, accepted, deep, refused, seconds, corpus }]) => [
    target,
    executions,
    Math.round(executions / Math.max(seconds, 1e-3)),
    accepted,
    deep,
    refused,
    corpus,
  ]);
  for (const row of [columns, ...rows])
    console.log(row.map((cell, i) => (i === 0 ? cell.padEnd(14) : cell.toLocaleString('en').padStart(12))).join(''));
  console.log(`${branches.toLocaleString('en')} branches were taken; ${found.size} findings`);
}
