// `npm run docs`: checks the links between the Markdown files, anchors included, and builds docs/site: the guide, and
// the API reference that TypeDoc makes of the doc comments. A broken link, an example that does not run, a public
// symbol without a summary and a type that is used but not exported are errors. Needs dist/.
//
// The tools lie in docs/tooling, with a lockfile of their own, and are installed at the first use: TypeDoc needs the
// compiler API of TypeScript 6 as a peer, which beside the TypeScript 7 of the package would be a conflict, and who
// only builds and tests need not download them.

import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './checks.mjs';
import { root } from './toolchain.mjs';

const tooling = join(root, 'docs', 'tooling');

/** Runs a command and ends with its output where it fails. */
function must(command, args, cwd) {
  const { status, output } = run(command, args, { cwd });
  if (output.trim() !== '') console.log(output.trim());
  if (status !== 0) process.exit(status ?? 1);
}

/** npm writes down what it has installed; a lockfile that is newer says something else. */
function isInstalled() {
  const written = (file) => statSync(join(tooling, file), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  return written('node_modules/.package-lock.json') >= written('package-lock.json');
}

if (!isInstalled()) must('npm', ['ci', '--prefer-offline', '--no-audit', '--no-fund'], tooling);

const { stdout } = run('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.md'], { cwd: root });
const pages = stdout.split('\n').filter((file) => file !== '');
const remark = join(tooling, 'node_modules', 'remark-cli', 'cli.js');
must(
  process.execPath,
  [remark, '--rc-path', 'docs/tooling/remarkrc.json', '--frail', '--quiet', '--no-stdout', ...pages],
  root,
);

must(process.execPath, [join(root, 'scripts', 'check-guide.mjs')], root);

rmSync(join(root, 'docs', 'site'), { recursive: true, force: true });
const typedoc = join(tooling, 'node_modules', 'typedoc', 'bin', 'typedoc');
must(process.execPath, [typedoc, '--options', 'docs/tooling/typedoc.config.js'], root);
