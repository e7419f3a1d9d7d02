// What everything that bundles lib/ shares: the options for esbuild, and the modules that are imported as the text of a
// bundle for browsers. `import text from './client/main.js?bundled'` gives the script of a page, and
// `import base64 from './products.wat'` a module of WebAssembly; nothing generated lies in the tree.

import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { build } from 'esbuild';
import openWabt from 'wabt';
import { root } from './toolchain.mjs';

const SUFFIX = '?bundled';
/** Browsers of the last years: a page is opened by whoever it was sent to. */
const BROWSERS = ['chrome100', 'firefox100', 'safari15'];

/** The file that an import with the suffix means: sources are imported by the names they get when compiled. */
function sourceOf(specifier, folder) {
  return resolve(folder, specifier.slice(0, -SUFFIX.length)).replace(/\.js$/, '.ts');
}

/** One script for a page, and the files it was made of. */
async function bundleForPage(entry) {
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    bundle: true,
    write: false,
    metafile: true,
    minify: true,
    format: 'iife',
    platform: 'browser',
    target: BROWSERS,
    logLevel: 'warning',
  });
  return { text: outputFiles[0].text, files: Object.keys(metafile.inputs).map((file) => resolve(root, file)) };
}

/** A module of WebAssembly, in base64. */
async function assemble(path) {
  const { parseWat } = await openWabt();
  const module = parseWat(path, await readFile(path, 'utf8'), { simd: true });
  module.validate();
  const { buffer } = module.toBinary({});
  module.destroy();
  return Buffer.from(buffer).toString('base64');
}

const forEsbuild = {
  name: 'bundled text',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /\?bundled$/ }, ({ path, resolveDir }) => ({
      path: sourceOf(path, resolveDir),
      namespace: 'bundled',
    }));
    onLoad({ filter: /.*/, namespace: 'bundled' }, async ({ path }) => {
      const { text, files } = await bundleForPage(path);
      return { contents: text, loader: 'text', watchFiles: files };
    });
    onLoad({ filter: /\.wat$/ }, async ({ path }) => ({
      contents: await assemble(path),
      loader: 'text',
      watchFiles: [path],
    }));
  },
};

/** The same imports for Vite, which runs the tests. */
export const bundledText = {
  name: 'tensim:bundled-text',
  enforce: 'pre',
  resolveId(specifier, importer) {
    if (specifier.endsWith(SUFFIX) && importer !== undefined) return sourceOf(specifier, dirname(importer)) + SUFFIX;
  },
  async load(id) {
    if (id.endsWith('.wat')) return `export default ${JSON.stringify(await assemble(id))};`;
    if (!id.endsWith(SUFFIX)) return;
    const { text, files } = await bundleForPage(id.slice(0, -SUFFIX.length));
    for (const file of files) this.addWatchFile(file);
    return `export default ${JSON.stringify(text)};`;
  },
};

/** Options for esbuild to bundle from lib/ for Node. Packages stay imports. */
export const forNode = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node20.17',
  packages: 'external',
  logLevel: 'warning',
  plugins: [forEsbuild],
};
