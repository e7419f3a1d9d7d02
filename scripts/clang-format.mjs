// Checks (--check) or rewrites (--write) the format of the native code. Without clang-format the check says so and passes.

import { spawnSync } from 'node:child_process';
import { globSync } from 'tinyglobby';
import { onPath, root } from './toolchain.mjs';

const program = onPath('clang-format');
const write = process.argv.includes('--write');
if (program === undefined) {
  console.warn('clang-format was not found: the native code is left as it is');
  process.exit(write ? 1 : 0);
}
const files = globSync(['native/**/*.{h,cc,cu}', 'test/native/**/*.{h,cc}'], { cwd: root }).sort();
const mode = write ? ['-i'] : ['--dry-run', '-Werror'];
const { status } = spawnSync(program, [...mode, ...files], { cwd: root, stdio: 'inherit' });
if (status === 0) console.log(`${write ? 'Formatted' : 'Checked the format of'} ${files.length} native files`);
process.exit(status ?? 1);
