// `npm run campaign -- kill --runs N`: matrices with a state file are killed at random moments, taken up again under
// other limits and with other threads, killed again, and at last finished. The result must have every bit of that of a
// run that nothing has interrupted. What differs is kept, with the state file, and told with all that has led to it.

import { spawn, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { between, blockFile, oneOf, random } from './models.mjs';

/** Kinds of models, and how many of them on each backend take some tenths of a second. */
const FIELDS = [
  { inputs: 512, hidden: 128, outputs: 10, count: { native: 24, fallback: 5 } },
  { inputs: 96, hidden: 96, outputs: 6, count: { native: 40, fallback: 10 } },
  { inputs: 256, embedding: 64, outputs: 10, count: { native: 40, fallback: 8 } },
  { inputs: 48, hidden: 24, outputs: 4, count: { native: 70, fallback: 24 } },
];
/** Kills of one state file before it is finished, and state files about the same. */
const KILLS = { least: 4, most: 20 };
const STATES = 4;

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    filter: { type: 'string', default: '' },
    program: { type: 'string', default: 'dist/cli.js' },
  },
});
const [runs, seed] = [Number(values.runs), Number(values.seed)];
const backends = ['native', 'fallback'].filter((name) => name.includes(values.filter));
const draw = random(seed);
const folder = mkdtempSync(join(tmpdir(), 'tensim-kill-'));
const sizeOf = (path) => (existsSync(path) ? statSync(path).size : 0);

/** Every field as a list of files, made when it is first used. */
const made = new Map();
function filesOf(field, count) {
  const files = made.get(field) ?? [];
  made.set(field, files);
  while (files.length < count) {
    const path = join(folder, `${FIELDS.indexOf(field)}_step_${files.length}.safetensors`);
    writeFileSync(
      path,
      blockFile(field, () => draw() - 0.5),
    );
    files.push(path);
  }
  return files.slice(0, count);
}

/** What one state file is about: nothing of this may change between its runs. */
function drawn() {
  const backend = oneOf(draw, backends);
  const field = oneOf(draw, FIELDS);
  const files = filesOf(field, field.count[backend]);
  const some = (chance, ...flags) => (draw() < chance ? flags : []);
  const fixed = [
    ...['matrix', ...files, '--json', '--backend', backend],
    ...some(0.3, '--dtype', 'float32'),
    ...some(0.3, '--per-output'),
    ...some(0.15, '--measure', oneOf(draw, ['tensor', 'weights'])),
    ...some(0.15, '--window', '9'),
  ];
  const bytes = files.reduce((sum, file) => sum + sizeOf(file), 0);
  return { backend, fixed, bytes };
}

/** What may change: how much memory there is, and how many threads. */
function steered(bytes) {
  const limit = draw() < 0.6 ? ['--memory-limit', String(Math.ceil(bytes * (0.5 + 6 * draw())))] : [];
  return [...limit, ...(draw() < 0.5 ? ['--threads', String(between(draw, 1, 3))] : [])];
}

/** The result without what tells how long it was expected to take. */
function resultIn(stdout) {
  const result = JSON.parse(stdout);
  for (const estimate of result.estimates ?? []) {
    delete estimate.seconds;
    for (const name of ['flops', 'bytes']) delete estimate[name]; // they count what is prepared again under a limit
  }
  return result;
}

/** Runs to the end; undefined where the memory allowed does not do for two models by the route. */
function finish(args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [values.program, ...args], {
    encoding: 'utf8',
    maxBuffer: 2 ** 30,
  });
  if (status === 0) return { result: resultIn(stdout), stderr };
  if (stderr.includes('Raise') && args.includes('--memory-limit')) return undefined;
  throw new Error(`exit status ${status}: ${stderr}`);
}

/** Begins a run and kills it: some time after its beginning, or after it has written to the state file. */
async function killed(args, state, expected) {
  const before = sizeOf(state);
  const begun = performance.now();
  const child = spawn(process.execPath, [values.program, ...args], { stdio: 'ignore' });
  const ended = new Promise((resolve) => child.on('close', (_, signal) => resolve(signal)));
  const byTime = draw() < 0.4;
  const delay = byTime ? expected * draw() : (draw() < 0.7 ? 4 : 0.3 * expected) * draw();
  if (!byTime) while (sizeOf(state) === before && child.exitCode === null) await wait(1);
  if (delay > 0.5) await wait(delay);
  child.kill('SIGKILL');
  const signal = await ended;
  return {
    after: Math.round(performance.now() - begun),
    signal,
    code: child.exitCode,
    from: before,
    to: sizeOf(state),
  };
}

/** Where two results differ, at most some places. */
function differences(one, other, place = '', found = []) {
  if (found.length >= 20 || Object.is(one, other)) return found;
  const nested = typeof one === 'object' && typeof other === 'object' && one !== null && other !== null;
  if (!nested) found.push(`${place}: ${JSON.stringify(one)} and ${JSON.stringify(other)}`);
  else
    for (const key of new Set([...Object.keys(one), ...Object.keys(other)]))
      differences(one[key], other[key], `${place}.${key}`, found);
  return found;
}

let [kills, cut, begun, failed] = [0, 0, 0, 0];
const count = { native: 0, fallback: 0 };
const routes = {};

/** Kills the runs of a state file, finishes it, and compares. */
async function campaign({ backend, fixed, bytes }, reference, expected) {
  const state = join(folder, `${begun++}.state`);
  const history = [];
  const wanted = Math.min(runs - kills, between(draw, KILLS.least, KILLS.most));
  for (let attempt = 0, hits = 0; hits < wanted && attempt < 4 * wanted; attempt++) {
    const steering = steered(bytes);
    const kill = await killed([...fixed, ...steering, '--state', state], state, expected);
    history.push({ ...kill, steering });
    if (kill.code === 0) break; // all is there: another state file has more to tell
    if (kill.signal !== 'SIGKILL') continue;
    hits++;
    kills++;
    count[backend]++;
  }
  if (existsSync(state)) copyFileSync(state, `${state}.copy`);
  const steering = steered(bytes);
  const last = [...fixed, '--state', state];
  const { result, stderr } = finish([...last, ...steering]) ?? finish(last);
  if (/damaged|cut off/.test(stderr)) cut++;
  // Under another limit another route may be the quickest: then the reference is that of the route of the file.
  const whole = result.route === reference.route ? reference : finish([...fixed, '--route', result.route]).result;
  routes[result.route] = (routes[result.route] ?? 0) + 1;
  const found = differences(whole, result);
  if (found.length === 0) {
    for (const file of [state, `${state}.copy`]) rmSync(file, { force: true });
    return;
  }
  failed++;
  const facts = { seed, state: begun - 1, fixed, steering, history, route: result.route, differences: found };
  const log = join(folder, `${begun - 1}.differs.json`);
  writeFileSync(log, JSON.stringify({ ...facts, expected: whole, result }));
  console.error(`DIFFERS (all of it in ${log}, the state before its last run in ${state}.copy):`);
  console.error(JSON.stringify({ ...facts, fixed: fixed.filter((text) => !text.startsWith(folder)) }, null, 1));
}

try {
  while (begun === 0 || kills < runs) {
    const about = drawn();
    const started = performance.now();
    const reference = finish(about.fixed).result;
    const expected = performance.now() - started;
    for (let i = 0; i < STATES && (begun === 0 || kills < runs); i++) await campaign(about, reference, expected);
    console.log(`${kills} kills, ${begun} state files, ${failed} differ`);
  }
} finally {
  if (failed === 0) rmSync(folder, { recursive: true, force: true });
}

console.log(
  `${kills} kills (${count.native} on native, ${count.fallback} on the fallback) of ${begun} state files: ` +
    `${failed} results differ; routes ${JSON.stringify(routes)}, ${cut} files were cut off at an unfinished record`,
);
process.exitCode = failed > 0 ? 1 : 0;
