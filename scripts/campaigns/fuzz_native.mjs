// `npm run campaign -- fuzz-native`: libFuzzer, under AddressSanitizer and UndefinedBehaviorSanitizer, on what the addon
// checks before it runs (test/native/fuzz). Needs clang. The corpus and what was found lie in the tree as lines of
// hexadecimal digits, an input in each, and the native tests read them all again.
//
//     node scripts/campaigns/fuzz_native.mjs --seconds 60
//     node scripts/campaigns/fuzz_native.mjs --executions 20000 --frozen      the same inputs every time, for CI
//     node scripts/campaigns/fuzz_native.mjs --seconds 600 --keep             the corpus is made anew

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { onPath, root } from '../toolchain.mjs';

/** Of a corpus in the tree, in bytes. */
const MOST_IN_TREE = 12_000;
/** The longest input that is made: plans use no more bytes. */
const LONGEST = 192;

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    executions: { type: 'string' },
    seed: { type: 'string', default: '1' },
    frozen: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
  },
});
const clang = onPath('clang++');
if (clang === undefined) {
  console.error('clang++ is not installed: libFuzzer is a part of it');
  process.exit(2);
}

const target = 'plan';
const corpusFile = join(root, 'test', 'fuzz', 'corpus', `${target}.hex`);
const fixtureFile = join(root, 'test', 'fuzz', 'fixtures', `${target}.hex`);
const learned = join(root, 'build', 'fuzz', target);
const folder = mkdtempSync(join(tmpdir(), 'tensim-fuzz-native-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const program = built();
const known = filled(join(folder, 'known'), [...linesOf(corpusFile), ...linesOf(fixtureFile)]);
mkdirSync(learned, { recursive: true });
const found = join(folder, 'found-');
const begun = performance.now();
const { status, stderr } = run([
  ...(values.frozen ? [known] : [learned, known]),
  `-max_total_time=${Math.ceil(Number(values.seconds))}`,
  ...(values.executions === undefined ? [] : [`-runs=${values.executions}`]),
  `-seed=${values.seed}`,
  `-artifact_prefix=${found}`,
]);
report(stderr, (performance.now() - begun) / 1000);
if (status !== 0) save(stderr);
else if (values.keep) keep();
process.exit(status === 0 ? 0 : 1);

function built() {
  const own = join(root, 'build', 'fuzz-native');
  const generator = onPath('ninja') ? ['-G', 'Ninja'] : [];
  const options = ['-DTENSIM_ADDON=OFF', '-DCMAKE_BUILD_TYPE=Debug', `-DCMAKE_CXX_COMPILER=${clang}`];
  must('cmake', [
    ...['-S', root, '-B', own, ...generator, ...options],
    '-DTENSIM_SANITIZE=address,undefined,fuzzer-no-link',
  ]);
  must('cmake', ['--build', own, '--target', `tensim_fuzz_${target}`, '--parallel', String(availableParallelism())]);
  return join(own, `tensim_fuzz_${target}`);
}

function must(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  if (error) console.error(error.message);
  if (status !== 0) process.exit(status ?? 1);
}

/** Runs the fuzzer with what is common to all its runs. */
function run(args) {
  const options = [`-max_len=${LONGEST}`, '-timeout=60', '-rss_limit_mb=2048', '-verbosity=0', '-close_fd_mask=1'];
  return spawnSync(program, [...options, ...args], { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 28 });
}

/** The inputs in the lines of a file, as files in a folder. */
function filled(path, inputs) {
  mkdirSync(path, { recursive: true });
  for (const input of inputs) writeFileSync(join(path, digestOf(input)), input);
  return path;
}

function linesOf(file) {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => Buffer.from(line, 'hex'));
}

function digestOf(input) {
  return createHash('sha256').update(input).digest('hex').slice(0, 16);
}

function writeLines(file, inputs) {
  const lines = [...new Set(inputs.map((input) => input.toString('hex')))].sort();
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, lines.map((line) => `${line}\n`).join(''));
}

function report(stderr, seconds) {
  const tally = JSON.parse(/^TALLY (.*)$/m.exec(stderr)?.[1] ?? '{}');
  const perSecond = Math.round((tally.executions ?? 0) / seconds);
  console.log(JSON.stringify({ target, ...tally, perSecond, seconds: Math.round(seconds) }));
}

/** What the fuzzer ended over becomes a fixture. */
function save(stderr) {
  console.error(stderr.slice(-12_000));
  const names = readdirSync(folder).filter((name) => name.startsWith('found-'));
  const inputs = names.map((name) => readFileSync(join(folder, name)));
  if (inputs.length === 0) return;
  writeLines(fixtureFile, [...linesOf(fixtureFile), ...inputs]);
  console.error(`saved in ${fixtureFile}: ${inputs.map((input) => input.toString('hex')).join(', ')}`);
}

/** Of all that is known, inputs that the others add nothing to, small ones first. */
function keep() {
  const merged = join(folder, 'merged');
  mkdirSync(merged);
  const { status, stderr } = run(['-merge=1', merged, learned, known]);
  if (status !== 0) throw new Error(stderr.slice(-2000));
  const inputs = readdirSync(merged).map((name) => readFileSync(join(merged, name)));
  let left = MOST_IN_TREE;
  const kept = inputs
    .sort((a, b) => a.length - b.length)
    .filter((input) => {
      left -= input.length;
      return left >= 0;
    });
  writeLines(corpusFile, kept);
}
