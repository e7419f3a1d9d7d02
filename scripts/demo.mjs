// `npm run demo`: when did the backdoor enter? Compares the shipped checkpoints of one training run and writes the
// report.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './toolchain.mjs';

const cli = join(root, 'dist', 'cli.js');
if (!existsSync(cli)) {
  console.error('dist/ is not built. Run: npm ci');
  process.exit(1);
}

const report = join(root, 'report', 'backdoor.html');
mkdirSync(join(root, 'report'), { recursive: true });
const options = ['--measure', 'gaussian', '--per-output', '--out', relative(process.cwd(), report)];
const checkpoints = relative(process.cwd(), join(root, 'examples', 'digits-backdoor'));
const { status } = spawnSync(process.execPath, [cli, 'matrix', checkpoints, ...options], { stdio: 'inherit' });
if (status === 0) console.log(`\nOpen the report in a browser: ${pathToFileURL(report).href}`);
process.exit(status ?? 1);
