// Builds dist/ from lib/:
//
//   index.js, cli.js, chunks     ESM; code that is imported dynamically stays in files of its own
//   index.cjs                    CommonJS
//   packages                     what is taken of other packages (packages.mjs)
//   index.d.ts, index.d.cts      the same declarations for either kind of importer (declarations.mjs)

import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { forNode } from './bundle.mjs';
import { writeDeclarations } from './declarations.mjs';
import { gathered } from './gather.mjs';
import { bundlePackages, fromPackages } from './packages.mjs';
import { root } from './toolchain.mjs';

const dist = join(root, 'dist');
rmSync(dist, { recursive: true, force: true });

const intoDist = { ...forNode, plugins: [...forNode.plugins, fromPackages], outdir: 'dist' };

const chunks = await build({
  ...intoDist,
  entryPoints: { index: 'lib/index.ts', cli: 'lib/cli/bin.ts' },
  format: 'esm',
  splitting: true,
  write: false,
  metafile: true,
});
mkdirSync(dist);
// In the order in which they are asked for most.
const together = ['lib/cli/main.ts', 'lib/cli/compare.ts', 'lib/cli/commands_on_models.ts'];
for (const [file, text] of await gathered(chunks, together, 'lib/index.ts')) writeFileSync(join(dist, file), text);

await build({
  ...intoDist,
  entryPoints: { index: 'lib/index.ts' },
  outExtension: { '.js': '.cjs' },
  format: 'cjs',
  define: { 'import.meta.url': 'importMetaUrl' },
  banner: { js: "const importMetaUrl = require('node:url').pathToFileURL(__filename).href;" },
});

chmodSync(join(dist, 'cli.js'), 0o755);

await bundlePackages(dist);
writeDeclarations(dist);
