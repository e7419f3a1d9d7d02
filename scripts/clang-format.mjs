// Checks (--check) or rewrites (--write) the format of the native code. Without clang-format the check says so and passes.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { globSync } from 'tinyglobby';
import { onPath, root } from './toolchain.mjs';

/**
 * Comments are broken by hand, so that the formatter does not flatten tables and figures: only their width is checked.
 */
const WIDTH = 120;

const program = onPath('clang-format');
const write = process.argv.includes('--write');
if (program === undefined) {
  console.warn('clang-format was not found: the native code is left as it is');
  process.exit(write ? 1 : 0);
}
const files = globSync(['native/**/*.{h,cc,cu}', 'test/native/**/*.{h,cc}', 'bench/native/**/*.cc'], {
  cwd: root,
}).sort();
const mode = write ? ['-i'] : ['--dry-run', '-Werror'];
const { status } = spawnSync(program, [...mode, ...files], { cwd: root, stdio: 'inherit' });
const wide = files.flatMap((file) =>
  readFileSync(join(root, file), 'utf8')
    .split('\n')
    .flatMap((line, i) => ([...line].length > WIDTH ? [`${file}:${i + 1}`] : [])),
);
if (wide.length > 0) {
  console.error(`Lines wider than ${WIDTH} columns:\n${wide.join('\n')}`);
  process.exit(1);
}
if (status === 0) console.log(`${write ? 'Formatted' : 'Checked the format of'} ${files.length} native files`);
process.exit(status ?? 1);
