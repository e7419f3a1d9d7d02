// Holds .github/workflows to what GitHub takes: its own parser, with the schema of workflows in it. Nothing here can run
// them. That parser imports JSON as no version of Node does, so it is bundled first. And what of this repository workflows name is there.

import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { build } from 'esbuild';
import { root } from './toolchain.mjs';

const bundle = join(root, 'build', 'check', 'workflow-parser.cjs');
mkdirSync(join(root, 'build', 'check'), { recursive: true });
await build({
  stdin: { contents: "export * from '@actions/workflow-parser';", resolveDir: root },
  outfile: bundle,
  bundle: true,
  format: 'cjs',
  platform: 'node',
  logLevel: 'error',
});
const { convertWorkflowTemplate, NoOperationTraceWriter, parseWorkflow } = createRequire(bundle)(bundle);

const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const folder = process.argv[2] ?? join(root, '.github', 'workflows');
const faults = [];
const names = readdirSync(folder).filter((name) => /\.ya?ml$/.test(name));
for (const name of names) {
  const content = readFileSync(join(folder, name), 'utf8');
  const { context, value } = parseWorkflow({ name, content }, new NoOperationTraceWriter());
  const errors = context.errors.getErrors();
  if (errors.length === 0 && value !== undefined)
    errors.push(...((await convertWorkflowTemplate(context, value)).errors ?? []));
  faults.push(...errors.map(({ message, Message }) => message ?? Message));
  for (const [, script] of content.matchAll(/npm run ([\w:-]+)/g))
    if (scripts[script] === undefined) faults.push(`${name}: package.json has no script ${script}`);
  for (const [, path] of content.matchAll(/(?:bash|uses:) (?:\.\/)?(\.\S+)/g))
    if (!existsSync(join(root, path))) faults.push(`${name}: there is no ${path}`);
}
for (const fault of faults) console.error(fault);
if (faults.length > 0 || names.length === 0) process.exit(1);
console.log(`${names.length} workflows are as GitHub takes them`);
