// Runs a benchmark of bench/ from source: npm run bench [-- NAME] [OPTIONS]. Without a name: pair.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { forNode } from './bundle.mjs';
import { root } from './toolchain.mjs';

const [first, ...rest] = process.argv.slice(2);
const [name, options] = first === undefined || first.startsWith('-') ? ['pair', process.argv.slice(2)] : [first, rest];
if (!existsSync(join(root, 'bench', `${name}.ts`))) {
  console.error(`There is no benchmark called ${name}.`);
  process.exit(2);
}
const outfile = join(root, 'build', 'bench', `${name}.mjs`);
await build({
  ...forNode,
  entryPoints: [`bench/${name}.ts`],
  outfile,
  format: 'esm',
});
process.exit(spawnSync(process.execPath, [outfile, ...options], { stdio: 'inherit' }).status ?? 1);
