// Runs the JavaScript of the README and of every page of docs/guide as a reader would: the blocks of a page one after
// the other, in the root of a clone, with the package as it is built. What they print is not compared. Of pages that show
// what the command line prints, in blocks of text below the commands, the commands are run too, and print just that.
//
//   node scripts/check-guide.mjs [PAGE...]

import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { check, conclude, run, temporaryFolder } from './checks.mjs';
import { root } from './toolchain.mjs';

const guide = readdirSync(join(root, 'docs', 'guide')).map((name) => `docs/guide/${name}`);
const given = process.argv.slice(2);
// What the examples write is removed with the folder.
const folder = temporaryFolder('guide');
symlinkSync(join(root, 'examples'), join(folder, 'examples'), 'junction');
mkdirSync(join(folder, 'node_modules'));
symlinkSync(root, join(folder, 'node_modules', 'tensim'), 'junction');

for (const page of given.length > 0 ? given : ['README.md', ...guide.filter((file) => file.endsWith('.md'))]) {
  const text = readFileSync(join(root, page), 'utf8');
  checkCommands(page, text);
  const code = [...text.matchAll(/^```js\n(.*?)^```$/gms)].map(([, block]) => block).join('\n');
  if (code === '') continue;
  const script = join(folder, `${basename(page, '.md')}.mjs`);
  writeFileSync(script, importedOnce(code));
  const { status, output } = run(process.execPath, [script], { cwd: folder });
  check(`the examples of ${page} run`, status === 0, output);
}
conclude();

/** Blocks that stand by themselves for a reader may import one name twice. */
function importedOnce(code) {
  const imports = /^import \{ (.+) \} from 'tensim';$/gm;
  const names = new Set([...code.matchAll(imports)].flatMap(([, list]) => list.split(', ')));
  return `import { ${[...names].join(', ')} } from 'tensim';\n${code.replaceAll(imports, '')}`;
}

/** Runs the commands of a page that shows what they print: `node`, `cd` and `npx tensim`, each on a line of its own. */
function checkCommands(page, text) {
  if (!text.includes('\n```text\n')) return;
  let cwd = folder;
  const command =
    /^ {4}(?:node (?<script>examples\/\S+)|cd (?<into>\S+)|npx tensim (?<args>[^\n]*)\n\n```text\n(?<told>.*?)^```)$/gms;
  for (const { groups } of text.matchAll(command)) {
    const { script, into, args, told } = groups;
    if (into !== undefined) cwd = join(cwd, into);
    else if (script !== undefined) {
      const { status, output } = run(process.execPath, [script], { cwd });
      check(`${script} of ${page} runs`, status === 0, output);
    } else {
      const { output } = run(process.execPath, [join(root, 'dist', 'cli.js'), ...args.split(' ')], { cwd });
      check(`tensim ${args} prints what ${page} shows`, output === told, output);
    }
  }
}
