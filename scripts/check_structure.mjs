// What holds the tree together, checked by `npm run lint`: no import of lib runs back up, no files import each other in
// a circle at run time, no file is longer than can be read at a sitting, and no list is spread into the arguments of a
// function that takes any number of them: beyond some hundred thousand that is a RangeError.
//
//     node scripts/check_structure.mjs [folder that holds lib/ and native/]
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * The rooms of lib, from low to high: a file may import from its own room and from those before it, types included. A
 * room is a folder with all folders inside that are no rooms of their own, or a file.
 */
const ROOMS = [
  ...['version.ts', 'errors.ts', 'cooperate.ts', 'extremes.ts', 'plain_data.ts', 'processors.ts'],
  ...['words', 'tensor', 'formats', 'hub', 'layers', 'model', 'model/transformers', 'model/families', 'model/reading'],
  ...['gaussian', 'contraction', 'contraction/path', 'backend', 'fallback', 'machines'],
  ...['contraction/running', 'identities', 'evaluation'],
  ...['similarity/terms', 'similarity/members', 'similarity/law', 'similarity/scale', 'similarity/gram'],
  ...['similarity/sampled', 'similarity/state', 'similarity/behaviour', 'similarity/plan', 'similarity/difference'],
  ...['similarity/series', 'similarity', 'similarity/gate', 'similarity/explain'],
  ...['shards', 'workers', 'blocks', 'adapters', 'verify'],
  ...['report', 'live', 'cli', 'index.ts'],
];

/** Rooms behind a seam: no other room but the one named may import from them. */
const BEHIND = { fallback: 'machines' };

/** Lines that a file may have. */
const LIMITS = [
  { folder: 'lib', endings: ['.ts'], lines: 300 },
  { folder: 'native', endings: ['.cc', '.h', '.cu', '.cuh'], lines: 400 },
];

/** Functions that take any number of arguments, to be given a list in another way: lib/extremes.ts, a loop. */
const VARIADIC = /(?:\bMath\.(?:max|min|hypot)|\.(?:push|unshift|splice|concat|of)|\bfrom(?:CharCode|CodePoint))\(/g;

const root = process.argv[2] ?? join(dirname(fileURLToPath(import.meta.url)), '..');
const lib = join(root, 'lib');
const files = filesIn(lib, ['.ts']);
const imports = new Map(files.map((file) => [file, importsOf(file)]));
const faults = [...wrongImports(), ...circles(), ...longFiles(), ...spreads()];
for (const fault of faults) console.error(fault);
if (faults.length > 0) process.exitCode = 1;

function filesIn(folder, endings) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && endings.some((ending) => entry.name.endsWith(ending)))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** The files that a file imports; `runs` is false for imports of types, which leave nothing to be run. */
function importsOf(file) {
  const text = readFileSync(file, 'utf8');
  const statement = /^(?:import|export)\s+(type\s)?(?:[^'";]*\sfrom\s+)?'(\.[^']*)'|\bimport\('(\.[^']*)'\)/gm;
  return [...text.matchAll(statement)].map(([, type, from, dynamic]) => ({
    to: join(dirname(file), (from ?? dynamic).replace(/\.js$/, '.ts')),
    runs: type === undefined,
  }));
}

/** The number of the innermost room that a file is in; -1 outside of all. */
function roomOf(file) {
  const path = `${relative(lib, file)}/`;
  return ROOMS.reduce((best, room, i) => {
    return path.startsWith(`${room}/`) && room.length > (ROOMS[best]?.length ?? 0) ? i : best;
  }, -1);
}

function* wrongImports() {
  for (const file of files) {
    const own = roomOf(file);
    if (own === -1) yield `${relative(root, file)} is in no room: scripts/check_structure.mjs lists them`;
    for (const { to } of imports.get(file)) {
      const other = ROOMS[roomOf(to)];
      const arrow = `${relative(root, file)} (${ROOMS[own]}) imports ${relative(root, to)}`;
      if (roomOf(to) > own) yield `${arrow}: ${other} is above it`;
      else if (other !== ROOMS[own] && ![undefined, ROOMS[own]].includes(BEHIND[other])) {
        yield `${arrow}: ${other} is for ${BEHIND[other]} alone`;
      }
    }
  }
}

/** Every circle of imports, told once: a walk through all files that meets one that it is still inside of. */
function* circles() {
  const done = new Set();
  function* walk(file, inside) {
    if (inside.includes(file)) {
      const circle = [...inside.slice(inside.indexOf(file)), file];
      yield `files import each other in a circle: ${circle.map((one) => relative(root, one)).join(' → ')}`;
      return;
    }
    if (done.has(file)) return;
    for (const { to, runs } of imports.get(file) ?? []) if (runs) yield* walk(to, [...inside, file]);
    done.add(file);
  }
  for (const file of files) yield* walk(file, []);
}

function* longFiles() {
  for (const { folder, endings, lines } of LIMITS) {
    for (const file of filesIn(join(root, folder), endings)) {
      const count = readFileSync(file, 'utf8').split('\n').length - 1;
      if (count > lines) yield `${relative(root, file)} has ${count} lines, and ${lines} are the most in ${folder}`;
    }
  }
}

function* spreads() {
  for (const file of files) {
    const text = readFileSync(file, 'utf8').replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ' '));
    for (const { 0: call, index } of text.matchAll(VARIADIC)) {
      if (!spreadsArguments(text, index + call.length)) continue;
      const line = text.slice(0, index).split('\n').length;
      yield `${relative(root, file)}:${line} spreads a list into the arguments of ${call.replace(/^\./, '')}…)`;
    }
  }
}

/** Whether one of the arguments that begin at a place is a list spread out; what is inside of brackets is none. */
function spreadsArguments(text, start) {
  let depth = 0;
  let begins = true;
  for (let i = start; i < text.length && depth >= 0; i++) {
    if (depth === 0 && begins && text.startsWith('...', i)) return true;
    if ('([{'.includes(text[i])) depth++;
    else if (')]}'.includes(text[i])) depth--;
    if (!/\s/.test(text[i])) begins = depth === 0 && text[i] === ',';
  }
  return false;
}
