// Does what a newcomer without a compiler does: copies the tree as a clone would have it, hides every compiler, and
// runs the commands of the README. Needs the npm registry.

import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { COMPILERS, check, conclude, environmentWithout, run, temporaryFolder } from './checks.mjs';
import { root } from './toolchain.mjs';

const clone = temporaryFolder('clone');
const { stdout: listing } = run('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root });
for (const file of listing.split('\0').filter((name) => name !== '' && existsSync(join(root, name)))) {
  mkdirSync(dirname(join(clone, file)), { recursive: true });
  copyFileSync(join(root, file), join(clone, file));
}

const env = environmentWithout(COMPILERS);
const install = run('npm', ['ci', '--prefer-offline'], { cwd: clone, env });
check('npm ci succeeds without a compiler', install.status === 0, install.output);
check('npm ci says that the fallback will be used', /no C\+\+ compiler.*fallback/.test(install.output), install.output);

const demo = run('npm', ['run', 'demo'], { cwd: clone, env });
const named = /step_06000 → step_06200.*onset/.test(demo.output) && /output 9/i.test(demo.output);
check('npm run demo names the onset and the output', demo.status === 0 && named, demo.output);
const report = join(clone, 'report', 'backdoor.html');
check('npm run demo writes the report', existsSync(report) && readFileSync(report, 'utf8').includes('</html>'));

for (const [example, words] of [
  ['grokking', '5 phases account for'],
  ['digits-forgetting', 'digit 9 is taken out'],
]) {
  const { status, output } = run('node', [`examples/${example}.mjs`], { cwd: clone, env });
  check(`the example ${example} tells its story`, status === 0 && output.includes(words), output);
}

// Not the whole of `npm test`: suites that name their backends have just run on the fallback, beside the addon. What
// may differ here is who is asked and what is told when there is no addon, so the suites of that choice run, with one
// of every room that computes or reads. Those that take the default backend run here on the fallback only with `--all`.
const SUITES = [
  'test/backend/select',
  'test/backend/eigen',
  'test/addon',
  'test/package',
  'test/cli/commands',
  'test/cli/errors',
  'test/cli/bin',
  'test/contraction/contract',
  'test/fallback/gemm',
  'test/formats/safetensors/read',
  'test/gaussian/golden',
  'test/model/load',
  'test/model/evaluate',
  'test/report/write',
  'test/similarity/similarity',
  'test/similarity/planner',
  'test/similarity/sampled/jackknife',
];
const suites = process.argv.includes('--all') ? [] : SUITES;
const test = run('npm', ['test', '--', '--project', 'all*', ...suites], { cwd: clone, env });
check(`npm test passes without a compiler, ${suites.length || 'all'} suites`, test.status === 0, test.output);
conclude();
