// Runs what the README and every page of docs/guide show as a reader would, in the root of a clone, with the package as it
// is built: the blocks of JavaScript one after the other, whose values must be those that are told beside them, and the
// commands that are shown with what they print. Every command that is shown must be one that there is, with its options.
// test/scripts/guide.test.ts does the same with the sources.
//
//   node scripts/check-guide.mjs [PAGE...]

import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { check, conclude, run, temporaryFolder } from './checks.mjs';
import { commandsIn, isAsTold, optionsIn, scriptOf, sessionIn, shownIn, watchedScript } from './guide.mjs';
import { root } from './toolchain.mjs';

const guide = readdirSync(join(root, 'docs', 'guide')).map((name) => `docs/guide/${name}`);
const given = process.argv.slice(2);
// What the examples write is removed with the folder.
const folder = temporaryFolder('guide');
symlinkSync(join(root, 'examples'), join(folder, 'examples'), 'junction');
mkdirSync(join(folder, 'node_modules'));
symlinkSync(root, join(folder, 'node_modules', 'tensim'), 'junction');
const tensim = (args, cwd = folder) => run(process.execPath, [join(root, 'dist', 'cli.js'), ...args], { cwd });
const helps = new Map();

for (const page of given.length > 0 ? given : ['README.md', ...guide.filter((file) => file.endsWith('.md'))]) {
  const text = readFileSync(join(root, page), 'utf8');
  checkNames(page, text);
  checkSession(page, text);
  const code = scriptOf(text);
  if (code === '') continue;
  const script = join(folder, `${basename(page, '.md')}.mjs`);
  writeFileSync(script, watchedScript(code));
  const { status, stdout, output } = run(process.execPath, [script], { cwd: folder });
  check(`the examples of ${page} run`, status === 0, output);
  for (const shown of shownIn(stdout))
    check(`${shown.expression} of ${page} is ${shown.remark}`, isAsTold(shown), `It is ${JSON.stringify(shown.value)}`);
}
conclude();

function checkNames(page, text) {
  for (const words of commandsIn(text)) {
    const [command] = words;
    if (!helps.has(command)) helps.set(command, tensim([command, '--help']));
    const { status, stdout } = helps.get(command);
    const unknown = optionsIn(words).filter((option) => !stdout.includes(option));
    if (status !== 0 || unknown.length > 0)
      check(`tensim ${words.join(' ')} of ${page} is a command`, false, unknown.join(', '));
  }
}

function checkSession(page, text) {
  let cwd = folder;
  for (const { script, into, args, told } of sessionIn(text)) {
    if (into !== undefined) cwd = join(cwd, into);
    else if (script !== undefined) {
      const { status, output } = run(process.execPath, [script], { cwd });
      check(`${script} of ${page} runs`, status === 0, output);
    } else {
      const { output } = tensim(args.split(' '), cwd);
      check(`tensim ${args} prints what ${page} shows`, output === told, output);
    }
  }
}
