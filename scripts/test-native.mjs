// Builds and runs the native tests (test/native/*.cc).
//
//   test-native.mjs                        as released
//   test-native.mjs --sanitize=address,undefined
//   test-native.mjs --sanitize=thread
//   test-native.mjs --sanitize=thread --long      all shapes of the slow tests, many minutes
//
// Each kind has its own folder under build/, so that repeated runs are incremental.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { onPath, root } from './toolchain.mjs';

const sanitize = process.argv.find((word) => word.startsWith('--sanitize='))?.slice('--sanitize='.length) ?? '';
const folder = join(root, 'build', `native-tests${sanitize && `-${sanitize.replace(',', '-')}`}`);

const long = process.argv.includes('--long');

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

const generator = onPath('ninja') ? ['-G', 'Ninja'] : [];
const type = sanitize === '' ? 'Release' : 'Debug'; // whose assertions are checked
const options = ['-DTENSIM_ADDON=OFF', '-DTENSIM_NATIVE_TESTS=ON', `-DTENSIM_SANITIZE=${sanitize}`];
options.push(`-DCMAKE_BUILD_TYPE=${type}`);
run('cmake', ['-S', root, '-B', folder, ...generator, ...options]);
run('cmake', ['--build', folder, '--parallel', String(availableParallelism())]);
checkInstructionSetObjects();
run(join(folder, 'tensim_native_tests'), [], { ...process.env, ...(long && { TENSIM_TESTS_LONG: '1' }) });
