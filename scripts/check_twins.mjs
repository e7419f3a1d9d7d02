// Holds lib/fallback and native/ to their promise: a name on both sides is the same name for the same thing. Every
// function and class that a file of the fallback exports has a twin of the same name in the header of the same folder
// and file name, or scripts/twins.json says why there is none. A name that is found in another file instead is refused,
// and so is an entry of that list that is not needed any more.
//
//   twins.json
//     files   a file of the fallback whose twins lie in other files, and in which
//     none    what has no twin, and why: by name, or by "*" for all of a file that have none

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { globSync } from 'tinyglobby';
import { root } from './toolchain.mjs';

/** Folders of native/ that the fallback mirrors. */
const MIRRORED = ['contraction', 'core', 'gaussian', 'gemm', 'layers', 'linalg', 'model', 'similarity'];

/** `packPanel` → `pack_panel`; classes keep their names. */
const nativeName = (name) =>
  /^[A-Z]/.test(name) ? name : name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** Names that a file of the fallback exports. */
function exportsOf(text) {
  return [...text.matchAll(/^export (?:async )?(?:function\*?|class) (\w+)/gm)].map(([, name]) => name);
}

/** C++ without comments, literals and preprocessor lines. */
function bare(text) {
  return text
    .replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, ' ')
    .replace(/"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)'/g, '0')
    .replace(/^[ \t]*#(?:[^\n\\]|\\[\s\S])*/gm, '');
}

const withoutTemplates = (declaration) =>
  declaration.replace(/\btemplate\s*<[^{}();]*?>\s*(?=[A-Za-z_:])/g, ' ').trim();

/** The name that a declaration at the level of a namespace or class declares with parameters, if any. */
function declaredFunction(declaration) {
  const open = declaration.indexOf('(');
  const head = declaration.slice(0, open);
  if (open < 0 || /=|\b(?:using|typedef|operator|template|friend|return)\b/.test(head)) return undefined;
  const name = /(?:^|[\s*&>])([a-z_]\w*)\s*$/.exec(head)?.[1];
  // A name alone is a call of a macro or a constructor.
  return name === undefined || head.trim() === name ? undefined : name;
}

/** What a C++ file declares at the level of namespaces, and inside of classes. */
function declarations(text) {
  const outer = new Set();
  const inner = new Set();
  const scopes = ['namespace'];
  let start = 0;
  const code = bare(text);
  const note = (end) => {
    const scope = scopes.at(-1);
    const declaration = withoutTemplates(code.slice(start, end));
    const type = /\b(?:class|struct)\s+([A-Z]\w*)[^()]*$/.exec(declaration)?.[1];
    if (scope === 'namespace' && type !== undefined) outer.add(type);
    const name = scope === 'body' ? undefined : declaredFunction(declaration);
    if (name !== undefined) (scope === 'namespace' ? outer : inner).add(name);
    return declaration;
  };
  for (const { 0: mark, index } of code.matchAll(/[{};]/g)) {
    if (mark === '}') scopes.pop();
    else {
      const declaration = note(index);
      if (mark === '{') {
        const type = /\b(?:class|struct)\b[^()]*$/.test(declaration) && !/\benum\b/.test(declaration);
        const inside = scopes.at(-1) === 'body' ? 'body' : type ? 'class' : 'body';
        scopes.push(/\bnamespace\b|\bextern\s+0/.test(declaration) ? 'namespace' : inside);
      }
    }
    start = index + 1;
  }
  return { outer, inner };
}

const read = (file) => readFileSync(join(root, file), 'utf8');

/** Native declarations by folder and file name; those of headers can be twins. */
const headers = new Map();
const everywhere = new Map();
for (const file of globSync(
  MIRRORED.map((folder) => `native/${folder}/**/*.{h,cc}`),
  { cwd: root },
).sort()) {
  const stem = file.slice('native/'.length).replace(/\.\w+$/, '');
  const found = declarations(read(file));
  for (const name of found.outer) everywhere.set(name, [...(everywhere.get(name) ?? []), file]);
  if (file.endsWith('.h')) headers.set(stem, new Set([...found.outer, ...found.inner]));
}

const { files: elsewhere, none } = JSON.parse(read('scripts/twins.json'));
const wrong = [];
const used = new Set();
let twins = 0;
let alone = 0;
for (const file of globSync('lib/fallback/**/*.ts', { cwd: root }).sort()) {
  const stem = file.slice('lib/fallback/'.length).replace(/\.ts$/, '');
  for (const name of exportsOf(read(file))) {
    const native = nativeName(name);
    const place = [stem, ...(elsewhere[stem] ?? [])].find((candidate) => headers.get(candidate)?.has(native));
    if (place !== undefined) {
      twins++;
      if (place !== stem) used.add(`files ${stem} ${place}`);
      if (none[stem]?.[name] !== undefined)
        wrong.push(`${file}: ${name} has a twin in native/${place}.h, but twins.json says that it has none`);
      continue;
    }
    const other = everywhere.get(native);
    if (other !== undefined) {
      wrong.push(`${file}: ${name} is also a name in ${other.join(', ')}, which is no twin of this file`);
      continue;
    }
    const entry = none[stem]?.[name] !== undefined ? name : '*';
    if (none[stem]?.[entry] === undefined) {
      wrong.push(`${file}: ${name} has no twin ${native} in native/${stem}.h, and twins.json does not say why`);
    } else {
      used.add(`none ${stem} ${entry}`);
      alone++;
    }
  }
}
for (const [stem, places] of Object.entries(elsewhere)) {
  for (const place of places) {
    if (!used.has(`files ${stem} ${place}`))
      wrong.push(`twins.json: no twin of lib/fallback/${stem}.ts lies in native/${place}.h`);
  }
}
for (const [stem, names] of Object.entries(none)) {
  for (const name of Object.keys(names)) {
    if (!used.has(`none ${stem} ${name}`))
      wrong.push(`twins.json: the entry ${name} of lib/fallback/${stem}.ts is not needed`);
  }
}
if (wrong.length > 0) {
  console.error(wrong.join('\n'));
  process.exit(1);
}
console.log(`${twins} names of lib/fallback have a twin in native/, ${alone} have none for a reason that is told`);
