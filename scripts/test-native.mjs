// Builds and runs the native tests (test/native/*.cc).
//
//   test-native.mjs                        as released, from the objects of the addon
//   test-native.mjs --sanitize=address,undefined
//   test-native.mjs --sanitize=thread
//   test-native.mjs --sanitize=... --long  everything, and all shapes of the slow tests: many minutes
//   test-native.mjs [...] [--filter=NAME] [--seed=N]      tests with NAME in their names; other random numbers
//   test-native.mjs --cuda-library=FILE [...]             the tests of the CUDA backend on a GPU, by this library
//
// Each kind has its own folder under build/, so that repeated runs are incremental.

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { onPath, packageFolder, root } from './toolchain.mjs';

const optionOf = (option) =>
  process.argv.find((word) => word.startsWith(`--${option}=`))?.slice(option.length + 3) ?? '';
const sanitize = optionOf('sanitize');
const long = process.argv.includes('--long');
const folder = join(root, 'build', sanitize === '' ? '' : `native-tests-${sanitize.replace(',', '-')}`);

function run(program, args, env = process.env) {
  const { status, error } = spawnSync(program, args, { cwd: root, stdio: 'inherit', env });
  if (error) console.error(error.message);
  if (status !== 0) process.exit(status ?? 1);
}

/**
 * An inline function of the standard library compiled in an instruction-set file may be the copy the linker keeps for
 * everybody, and then crashes on processors without those instructions. So these files must export nothing weak.
 */
function checkInstructionSetObjects() {
  const nm = onPath('nm');
  if (nm === undefined || process.platform !== 'linux' || sanitize !== '') return;
  const { isa } = JSON.parse(readFileSync(join(root, 'native', 'sources.json'), 'utf8'));
  const objects = Object.keys(isa)
    .map((name) => join(folder, 'CMakeFiles', `tensim_${name}.dir`))
    .filter((library) => existsSync(library))
    .flatMap((library) => readdirSync(library, { recursive: true }).map((file) => join(library, file)))
    .filter((file) => file.endsWith('.o'));
  for (const object of objects) {
    const { stdout } = spawnSync(nm, ['--defined-only', '--demangle', object], { encoding: 'utf8' });
    const weak = stdout.split('\n').filter((line) => / [VWu] /.test(line));
    if (weak.length > 0) {
      console.error(`${object} defines functions that other files may end up calling:\n${weak.join('\n')}`);
      process.exit(1);
    }
  }
  console.log(`${objects.length} instruction-set objects define nothing that could leak`);
}

const jobs = String(availableParallelism());
if (sanitize === '') {
  const cmakeJs = join(packageFolder('cmake-js'), 'bin', 'cmake-js');
  run(process.execPath, [cmakeJs, 'build', '--target', 'tensim_native_tests', '-p', jobs]);
} else {
  const generator = onPath('ninja') ? ['-G', 'Ninja'] : [];
  // The emulated kernels of the CUDA backend take half of the time under sanitizers: `npm run campaign -- cuda-emulated`.
  // Debug: assertions are checked.
  const options = [
    '-DCMAKE_BUILD_TYPE=Debug',
    `-DTENSIM_SANITIZE=${sanitize}`,
    `-DTENSIM_EMULATED_CUDA=${long ? 'ON' : 'OFF'}`,
  ];
  run('cmake', ['-S', root, '-B', folder, ...generator, '-DTENSIM_ADDON=OFF', ...options]);
  run('cmake', ['--build', folder, '--target', 'tensim_native_tests', '--parallel', jobs]);
}
checkInstructionSetObjects();
await runTests();

/** Every core takes its share of the tests in a process of its own. */
async function runTests() {
  const shards = availableParallelism();
  const library = optionOf('cuda-library');
  const filter = optionOf('filter') || (library === '' ? '' : 'cuda');
  const endings = Array.from({ length: shards }, (_, shard) => {
    const env = {
      ...process.env,
      TENSIM_TESTS_SHARD: `${shard}/${shards}`,
      ...(long && { TENSIM_TESTS_LONG: '1' }),
      ...(optionOf('seed') && { TENSIM_TESTS_SEED: optionOf('seed') }),
      ...(library !== '' && { TENSIM_TESTS_CUDA_LIBRARY: resolve(library) }),
    };
    const args = filter === '' ? [] : [filter];
    const child = spawn(join(folder, 'tensim_native_tests'), args, { cwd: root, stdio: 'inherit', env });
    return new Promise((resolve) => {
      child.on('error', (error) => {
        console.error(error.message);
        resolve(1);
      });
      child.on('close', (code) => resolve(code ?? 1));
    });
  });
  const failed = (await Promise.all(endings)).find((code) => code !== 0);
  process.exit(failed ?? 0);
}
