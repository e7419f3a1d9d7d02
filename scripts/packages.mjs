// The packages that dist/ brings with it, so that whoever installs tensim installs nothing for them: a file each in
// dist/packages, of what lib/ takes of it and no more. Each is imported when it is first needed, and most programs never
// need one. ESM and CommonJS load the same files.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { root } from './toolchain.mjs';

/**
 * By what lib/ imports: the file, and what is taken. Those of the command line are CommonJS and call `require`, which the
 * main entry may not: bundlers stumble over it.
 */
const PACKAGES = {
  vega: { file: 'vega.js', taken: '{ parse, scheme, View }' },
  '@huggingface/hub': { file: 'hub.js', taken: '{ datasetInfo, listFiles, modelInfo }' },
  '@bufbuild/protobuf/wire': { file: 'protobuf.js', taken: '{ BinaryReader }' },
  commander: { file: 'commander.js', taken: '*', requires: true },
  'cli-progress': { file: 'cli_progress.js', taken: '{ default }', requires: true },
};
const REQUIRE = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";

/** For esbuild: bundles that lie in dist/ import those files in the place of packages. */
export const fromPackages = {
  name: 'packages of dist',
  setup({ onResolve }) {
    onResolve({ filter: /^[^.]/ }, ({ path }) =>
      Object.hasOwn(PACKAGES, path) ? { path: `./packages/${PACKAGES[path].file}`, external: true } : undefined,
    );
  },
};

/** Uploads hash what they send with tables that are made when the module is loaded; nothing here uploads. */
const withoutUploads = {
  name: 'no uploads',
  setup({ onResolve, resolve }) {
    onResolve({ filter: /^gearhash-jit/ }, async ({ path, pluginData, ...importer }) =>
      pluginData === 'asked'
        ? undefined
        : { ...(await resolve(path, { ...importer, pluginData: 'asked' })), sideEffects: false },
    );
  },
};

/** Commands that are programs of their own would be started as children; here there are none. */
const withoutChildren = {
  name: 'no children',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(node:)?child_process$/ }, ({ importer }) =>
      /[\\/]commander[\\/]/.test(importer) ? { path: 'child_process', namespace: 'none' } : undefined,
    );
    onLoad({ filter: /.*/, namespace: 'none' }, () => ({ contents: 'module.exports = {};' }));
  },
};

/** Writes dist/packages, and dist/THIRD_PARTY_LICENSES.txt with the licences of all that is in it. */
export async function bundlePackages(dist) {
  const files = await Promise.all(Object.entries(PACKAGES).map((entry) => bundlePackage(dist, ...entry)));
  const byFolder = new Map();
  for (const file of files.flat().sort()) {
    const [folder] = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file);
    byFolder.set(folder, [...(byFolder.get(folder) ?? []), file]);
  }
  const about = 'The files of dist/packages contain code of these packages, each under its licence.';
  const rule = `\n\n${'-'.repeat(80)}\n\n`;
  const texts = [...byFolder].map(([folder, inside]) => licenceOf(folder, inside));
  writeFileSync(join(dist, 'THIRD_PARTY_LICENSES.txt'), `${[about, ...texts].join(rule)}\n`);
}

/** Returns the files of packages that the bundle has something of. */
async function bundlePackage(dist, name, { file, taken, requires = false }) {
  const { metafile } = await build({
    absWorkingDir: root,
    stdin: { contents: `export ${taken} from '${name}';`, resolveDir: root },
    outfile: join(dist, 'packages', file),
    bundle: true,
    metafile: true,
    minify: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.17',
    logLevel: 'warning',
    // Vega's variant for Node awaits a canvas at the top level, which no CommonJS bundle can hold. Charts are drawn as text.
    alias: { 'vega-canvas': join(root, 'node_modules/vega-canvas/build/vega-canvas.browser.js') },
    plugins: [withoutUploads, withoutChildren],
    ...(requires && { banner: { js: REQUIRE } }),
  });
  const [{ inputs, imports }] = Object.values(metafile.outputs);
  if (!requires && imports.some(({ kind }) => kind === 'require-call')) throw new Error(`${file} calls require`);
  return Object.keys(inputs).filter((input) => input.includes('node_modules/') && inputs[input].bytesInOutput > 0);
}

function licenceOf(folder, files) {
  const inside = (path) => readFileSync(join(root, path), 'utf8');
  const { name, version, license } = JSON.parse(inside(`${folder}/package.json`));
  const own = readdirSync(join(root, folder)).find((entry) => /^licen[cs]e/i.test(entry));
  const text = own === undefined ? noticesIn(files.map(inside)) : inside(`${folder}/${own}`).trim();
  return `${name} ${version} (${license})\n\n${text}`;
}

/** What a package without a file of its licence says at the beginning of its sources, and the licence that they name. */
function noticesIn(sources) {
  const notices = new Set(sources.flatMap((source) => /^(?:\/\/.*\n)+/.exec(source)?.[0] ?? []));
  const text = [...notices]
    .join('\n')
    .replaceAll(/^\/\/ ?/gm, '')
    .trim();
  if (!/licen[cs]e/i.test(text)) throw new Error('neither a licence file nor a notice was found');
  if (!text.includes('Apache License, Version 2.0')) return text;
  return `${text}\n\n${readFileSync(join(root, 'node_modules/typescript/LICENSE'), 'utf8').trim()}`;
}
