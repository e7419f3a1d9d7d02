// `npm run campaign -- leak`: does all that is done every day some thousand times, on the native backend and on the
// fallback, and looks at what the process holds in between (test/leak).
//
//     node scripts/campaigns/leak.mjs --rounds 4000 --filter loads

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { forNode } from '../bundle.mjs';
import { root } from '../toolchain.mjs';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '4000' },
    seed: { type: 'string' },
    filter: { type: 'string', default: '' },
  },
});

const outdir = join(root, 'build', 'leak');
await build({
  ...forNode,
  entryPoints: ['measure', 'scenarios', 'verdict'].map((name) => `test/leak/${name}.ts`),
  outdir,
  outExtension: { '.js': '.mjs' },
  format: 'esm',
});
const built = (name) => import(pathToFileURL(join(outdir, `${name}.mjs`)));
const [{ SCENARIOS }, { leaks }] = await Promise.all([built('scenarios'), built('verdict')]);

let failed = 0;
for (const scenario of Object.keys(SCENARIOS).filter((name) => name.includes(values.filter)))
  for (const backend of ['native', 'fallback']) {
    const found = measure({ scenario, backend, rounds: Number(values.rounds) });
    console.log(`${scenario} on ${backend}: ${found.length === 0 ? 'nothing grows' : found.join('; ')}`);
    if (found.length > 0) failed++;
  }
process.exit(failed > 0 ? 1 : 0);

function measure(task) {
  const folder = mkdtempSync(join(tmpdir(), 'tensim-leak-'));
  try {
    const args = ['--expose-gc', join(outdir, 'measure.mjs'), JSON.stringify({ ...task, folder })];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    if (status !== 0) return [`ended with ${status}: ${stderr}`];
    return leaks(
      stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
