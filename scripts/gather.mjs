// Chunks that are loaded together become one file. esbuild makes a chunk of every set of entries that share code, and each
// file that Node loads costs it as much as compiling some tens of kilobytes.

import { basename } from 'node:path';
import { build } from 'esbuild';

/**
 * The outputs of a build with splitting, as texts by their names, with all that a source needs gathered into the file of
 * that source: first for the first of `together`, then, of what is left, for the next. What is imported dynamically
 * stays apart, and so does what `library` uses of it: that becomes a file of its own, for who imports the library must
 * not load what is around it.
 * @param outputs of esbuild with `write: false` and `metafile: true`
 * @param together sources that are imported dynamically, by their paths
 * @param library the entry, by its path, that uses none of these sources
 */
export async function gathered({ outputFiles, metafile }, together, library) {
  const texts = new Map(outputFiles.map(({ path, text }) => [basename(path), text]));
  const outputs = new Map(Object.entries(metafile.outputs).map(([path, output]) => [basename(path), output]));
  const importsOf = (file, isMeant) =>
    outputs
      .get(file)
      .imports.flatMap(({ path, kind, external }) => (!external && isMeant(kind) ? [basename(path)] : []));
  const imports = (file) => importsOf(file, (kind) => kind === 'import-statement');
  const entryOf = (source) => {
    const entry = [...outputs].find(([, { entryPoint }]) => entryPoint === source)?.[0];
    if (entry === undefined) throw new Error(`${source} is no entry, nor imported dynamically`);
    return entry;
  };
  /** All that the library ever loads. */
  const ofLibrary = new Set([entryOf(library)]);
  for (const file of ofLibrary) for (const other of importsOf(file, () => true)) ofLibrary.add(other);
  /** By chunk: the file that it is put into. */
  const home = new Map();
  const groups = new Map();
  for (const source of together) {
    const entry = entryOf(source);
    const group = new Set([entry]);
    for (const file of group) for (const other of imports(file)) if (!home.has(other)) group.add(other);
    if (ofLibrary.has(entry)) throw new Error(`${source} is a part of the library`);
    for (const isShared of [false, true]) {
      const part = [...group].filter((file) => ofLibrary.has(file) === isShared);
      if (part.length > 0) groups.set(part[0], new Set(part));
      for (const file of part) home.set(file, part[0]);
    }
  }
  const chunks = { texts, outputs, home, numbers: new Map([...texts.keys()].map((file, i) => [file, i])) };
  const rest = [...texts.keys()].filter((file) => !home.has(file)).map((file) => [file, new Set([file])]);
  const files = [...groups, ...rest].map(async ([file, group]) => [file, await fileOf(file, group, chunks)]);
  return new Map(await Promise.all(files));
}

/** A file with a group of chunks: exports of the first have their names, those of others the number of their chunk too. */
async function fileOf(file, group, { texts, outputs, home, numbers }) {
  const nameOf = (chunk, name) => ((home.get(chunk) ?? chunk) === chunk ? name : `${name}_${numbers.get(chunk)}`);
  const others = [...group].slice(1).map((chunk) => `export ${namesOf(chunk)} from './${chunk}';`);
  function namesOf(chunk) {
    return `{ ${outputs
      .get(chunk)
      .exports.map((name) => `${name} as ${nameOf(chunk, name)}`)
      .join(', ')} }`;
  }
  const chunksHere = {
    name: 'chunks',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^\.\/[^/]+\.js$/ }, ({ path, kind, pluginData }) => {
        const chunk = basename(path);
        if (kind === 'dynamic-import' || pluginData === 'elsewhere' || !texts.has(chunk))
          return { path, external: true };
        if (group.has(chunk)) return { path: chunk, namespace: 'here' };
        return home.has(chunk) ? { path: chunk, namespace: 'gathered' } : { path, external: true };
      });
      onLoad({ filter: /.*/, namespace: 'here' }, ({ path }) => ({ contents: texts.get(path) }));
      // What it exports is found under other names in the file that it was put into.
      onLoad({ filter: /.*/, namespace: 'gathered' }, ({ path }) => ({
        contents: `export { ${outputs
          .get(path)
          .exports.map((name) => `${nameOf(path, name)} as ${name}`)
          .join(', ')} } from './${home.get(path)}';`,
        pluginData: 'elsewhere',
      }));
      onResolve({ filter: /^[^.]|^\.\/packages\// }, ({ path, kind }) =>
        kind === 'entry-point' ? undefined : { path, external: true },
      );
    },
  };
  const [shebang = ''] = /^#!.*\n/.exec(texts.get(file)) ?? [];
  const { outputFiles } = await build({
    stdin: { contents: [`export * from './${file}';`, ...others].join('\n'), resolveDir: '.' },
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    target: 'node20.17',
    logLevel: 'warning',
    plugins: [chunksHere],
  });
  return shebang + outputFiles[0].text;
}
