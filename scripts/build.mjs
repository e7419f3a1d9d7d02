// Builds dist/ from lib/:
//
//   index.js, cli.js, chunks   ESM; code that is imported dynamically stays in files of its own
//   index.cjs                  CommonJS
//   types, types-cjs           the same declarations for either kind of importer
//
// Packages stay imports: the bundles hold tensim's own code only.

import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';
import { forNode } from './bundle.mjs';
import { root } from './toolchain.mjs';

const dist = join(root, 'dist');
rmSync(dist, { recursive: true, force: true });

await build({
  ...forNode,
  entryPoints: { index: 'lib/index.ts', cli: 'lib/cli/bin.ts' },
  outdir: 'dist',
  format: 'esm',
  splitting: true,
});

await build({
  ...forNode,
  entryPoints: { index: 'lib/index.ts' },
  outdir: 'dist',
  outExtension: { '.js': '.cjs' },
  format: 'cjs',
  define: { 'import.meta.url': 'importMetaUrl' },
  banner: { js: "const importMetaUrl = require('node:url').pathToFileURL(__filename).href;" },
});

chmodSync(join(dist, 'cli.js'), 0o755);

const require = createRequire(import.meta.url);
const tsc = join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc');
const types = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' });
if (types.status !== 0) process.exit(types.status ?? 1);

// Under "type": "module" a .d.ts describes ESM. A copy under "commonjs" describes what `require` gets.
cpSync(join(dist, 'types'), join(dist, 'types-cjs'), { recursive: true });
writeFileSync(join(dist, 'types-cjs', 'package.json'), '{ "type": "commonjs" }\n');
