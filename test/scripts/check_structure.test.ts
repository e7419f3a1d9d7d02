import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';

const SCRIPT = join(dirname(fileURLToPath(import.meta.url)), '../../scripts/check_structure.mjs');
const trees: string[] = [];

afterEach(() => {
  for (const tree of trees.splice(0)) rmSync(tree, { recursive: true, force: true });
});

/** What the check says about a tree of these files, a line each. */
function faults(files: Readonly<Record<string, string>>): string[] {
  const tree = mkdtempSync(join(tmpdir(), 'tensim-structure-'));
  trees.push(tree);
  for (const [path, text] of Object.entries({ 'lib/version.ts': '', 'native/core/a.cc': '', ...files })) {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), text);
  }
  const { status, stderr } = spawnSync(process.execPath, [SCRIPT, tree], { encoding: 'utf8' });
  const lines = stderr.split('\n').filter((line) => line !== '');
  expect(status).toBe(lines.length === 0 ? 0 : 1);
  return lines;
}

describe('the check of the structure', () => {
  it('finds nothing in this tree', () => {
    const { status, stderr } = spawnSync(process.execPath, [SCRIPT], { encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(status).toBe(0);
  });

  it('allows imports of the same room and of those below', () => {
    const down = "import { a } from './a.js';\nimport { TensimError } from '../errors.js';\n";
    expect(faults({ 'lib/errors.ts': '', 'lib/words/a.ts': '', 'lib/words/b.ts': down })).toEqual([]);
  });

  it.each([
    ['an import', "import { matrix } from '../tensor/matrix.js';\n"],
    ['an import over several lines', "import {\n  matrix,\n  other,\n} from '../tensor/matrix.js';\n"],
    ['an import of types', "import type { Matrix } from '../tensor/matrix.js';\n"],
    ['an export', "export * from '../tensor/matrix.js';\n"],
    ['an import for its effects', "import '../tensor/matrix.js';\n"],
    ['an import when it is needed', "export const later = () => import('../tensor/matrix.js');\n"],
  ])('finds one that runs up: %s', (_, text) => {
    expect(faults({ 'lib/tensor/matrix.ts': '', 'lib/words/names.ts': text })).toEqual([
      'lib/words/names.ts (words) imports lib/tensor/matrix.ts: tensor is above it',
    ]);
  });

  it('knows rooms inside of rooms', () => {
    expect(
      faults({
        'lib/model/families/deep.ts': "import '../model.js';\n",
        'lib/model/model.ts': "import './families/deep.js';\n",
        'lib/backend/grams.ts': '',
        'lib/contraction/plan.ts': "import type { Grams } from '../backend/grams.js';\n",
        'lib/contraction/running/compile.ts': "import type { Grams } from '../../backend/grams.js';\n",
      }),
    ).toEqual([
      'lib/contraction/plan.ts (contraction) imports lib/backend/grams.ts: backend is above it',
      'lib/model/model.ts (model) imports lib/model/families/deep.ts: model/families is above it',
      'files import each other in a circle: lib/model/families/deep.ts → lib/model/model.ts → lib/model/families/deep.ts',
    ]);
  });

  it('keeps the fallback behind its seam', () => {
    const text = "import { gramTile } from '../fallback/gram_tile.js';\n";
    expect(
      faults({ 'lib/fallback/gram_tile.ts': '', 'lib/machines/select.ts': text, 'lib/evaluation/inputs.ts': text }),
    ).toEqual([
      'lib/evaluation/inputs.ts (evaluation) imports lib/fallback/gram_tile.ts: fallback is for machines alone',
    ]);
  });

  it('finds circles that are there at run time, and not those of types', () => {
    const files = (last: string) => ({
      'lib/words/a.ts': "import './b.js';\n",
      'lib/words/b.ts': "import './c.js';\n",
      'lib/words/c.ts': last,
    });
    expect(faults(files("import './a.js';\n"))).toEqual([
      'files import each other in a circle: lib/words/a.ts → lib/words/b.ts → lib/words/c.ts → lib/words/a.ts',
    ]);
    expect(faults(files("import type { A } from './a.js';\n"))).toEqual([]);
  });

  it('finds files that are too long, and files in no room', () => {
    expect(
      faults({
        'lib/words/long.ts': '\n'.repeat(301),
        'lib/words/full.ts': '\n'.repeat(300),
        'native/core/long.cc': '\n'.repeat(401),
        'native/core/full.h': '\n'.repeat(400),
        'lib/misc/things.ts': '',
      }),
    ).toEqual([
      'lib/misc/things.ts is in no room: scripts/check_structure.mjs lists them',
      'lib/words/long.ts has 301 lines, and 300 are the most in lib',
      'native/core/long.cc has 401 lines, and 400 are the most in native',
    ]);
  });

  it('finds lists spread into arguments, and leaves those alone that are spread into lists', () => {
    const wrong = `
const most = Math.max(...values, 1);
all.push(
  0,
  ...(more ?? []),
);
String.fromCharCode(...codes);
Float64Array.of(...[1, 2]);`;
    const right = `
/** Not Math.max(...values) but: */
const most = Math.max(first, [...values].length, f({ ...g }), (x, ...rest) => x);
all.push([...more], { ...one });
all.slice(...range);`;
    expect(faults({ 'lib/words/wrong.ts': wrong, 'lib/words/right.ts': right })).toEqual([
      'lib/words/wrong.ts:2 spreads a list into the arguments of Math.max(…)',
      'lib/words/wrong.ts:3 spreads a list into the arguments of push(…)',
      'lib/words/wrong.ts:7 spreads a list into the arguments of fromCharCode(…)',
      'lib/words/wrong.ts:8 spreads a list into the arguments of of(…)',
    ]);
  });
});
