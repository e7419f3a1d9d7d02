// What `npm run campaign -- win32` runs in Windows' own Node: the built package (dist/) with the addon, on every set of
// kernels that the processor has, against golden values and the fallback; files by Windows' paths; and the command line.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const kernels = process.env.TENSIM_CPU;
let [passed, failed] = [0, 0];

const { backends, convert, loadModel, similarity, similarityMatrix } = await import('../../dist/index.js');
const native = (await backends()).find(({ name }) => name === 'native');
check(`the addon loads on ${process.platform} ${process.arch}`, native.available, native.reason);
if (kernels === undefined) {
  for (const set of native.details['instruction sets available'].split(', ')) inProcess(set);
  await files();
  commands();
} else {
  check(`the kernels are those of ${kernels}`, native.details['instruction set'] === kernels);
  await numbers();
}
console.log(`${kernels ?? process.platform}: ${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

function check(what, holds, evidence = '') {
  if (holds) passed++;
  else failed++;
  if (!holds) console.log(`FAILED ${what} ${evidence}`);
}

function inProcess(set) {
  const env = { ...process.env, TENSIM_CPU: set };
  const { status } = spawnSync(process.execPath, [fileURLToPath(import.meta.url)], { env, stdio: 'inherit' });
  check(`everything on the kernels of ${set}`, status === 0);
}

/** Every folder of checkpoints among the examples: what both backends say of the first pairs of it, in all measures. */
async function numbers() {
  const examples = join(root, 'examples');
  const folders = readdirSync(examples, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  for (const { name } of folders) {
    const paths = readdirSync(join(examples, name))
      .filter((file) => file.endsWith('.safetensors'))
      .slice(0, 3)
      .map((file) => join(examples, name, file));
    if (paths.length < 2) continue;
    for (const [measure, dtype, tolerance] of [
      ['gaussian', 'float64', 1e-10],
      ['gaussian', 'float32', 1e-4],
      ['weights', 'float64', 1e-12],
    ]) {
      const what = `${name}, ${measure} in ${dtype}`;
      const [a, b] = await Promise.allSettled(
        ['native', 'fallback'].map((backend) => similarityMatrix(paths, { measure, dtype, maxSamples: 4000, backend })),
      );
      if (a.status === 'rejected' || b.status === 'rejected') {
        check(what, a.reason?.code !== undefined && a.reason.code === b.reason?.code, a.reason?.message);
        continue;
      }
      const apart = a.value.cosine.flatMap((row, i) => Array.from(row, (x, j) => Math.abs(x - b.value.cosine[i][j])));
      check(what, Math.max(...apart) <= tolerance, `is ${Math.max(...apart)} apart`);
    }
  }
  const digits = ['step_06000', 'step_06200'].map((step) => join(examples, 'digits-backdoor', `${step}.safetensors`));
  const { similarity: value } = await similarity(...(await Promise.all(digits.map((path) => loadModel(path)))));
  check('the pair of the README', Math.abs(value - 0.959635) < 1e-6, value);
}

async function files() {
  const folder = mkdtempSync(join(tmpdir(), 'tensim über '));
  const from = join(root, 'examples', 'digits-backdoor', 'step_06000.safetensors');
  for (const to of ['a.safetensors', 'ä b.npz']) {
    await convert(from, join(folder, to));
    const { similarity: value } = await similarity(await loadModel(from), await loadModel(join(folder, to)));
    check(`written and read as ${to}`, Math.abs(value - 1) < 1e-12, value);
  }
  rmSync(folder, { recursive: true });
}

function commands() {
  const cli = (...args) =>
    spawnSync(process.execPath, [join(root, 'dist', 'cli.js'), ...args], { encoding: 'utf8', cwd: root });
  const folder = mkdtempSync(join(tmpdir(), 'tensim-'));
  const steps = ['6000', '6200'].map((step) => join('examples', 'digits-backdoor', `step_0${step}.safetensors`));
  const compared = cli('compare', ...steps, '--json');
  check('compare', compared.status === 0 && JSON.parse(compared.stdout).similarity > 0.95, compared.stderr);
  const page = join(folder, 'report.html');
  const matrix = cli(
    'matrix',
    join('examples', 'digits-backdoor'),
    '--out',
    page,
    '--state',
    join(folder, 'run.state'),
  );
  check('matrix', matrix.status === 0 && readFileSync(page, 'utf8').includes('</html>'), matrix.stderr);
  const again = cli('matrix', join('examples', 'digits-backdoor'), '--state', join(folder, 'run.state'));
  check('matrix, continued', again.status === 0 && again.stdout === matrix.stdout.replaceAll(page, page), again.stderr);
  check('doctor', cli('doctor').stdout.includes('native: available, selected'));
  check('a file that is not there', cli('inspect', join(folder, 'nothing.pt')).status === 2);
  rmSync(folder, { recursive: true });
}
