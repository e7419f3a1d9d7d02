// `npm run campaign -- setups`: packs the package as it is built, installs it into an empty project, and tries it in a fresh
// project of every kind. Needs dist/, an addon (that of build/ is packed as a prebuilt one) and the npm registry.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { check, conclude, plainEnvironment, run, temporaryFolder } from '../checks.mjs';
import { release, tarballsHere } from '../release.mjs';
import { provideTooling, trySetups } from '../setups.mjs';
import { root } from '../toolchain.mjs';

const { filter = '' } = parseArgs({ options: { filter: { type: 'string' }, seed: { type: 'string' } } }).values;

const env = { ...plainEnvironment(), TENSIM_PREBUILD_REUSE: '1' };
const project = temporaryFolder('consumer');
writeFileSync(join(project, 'package.json'), '{ "name": "consumer", "private": true }\n');

/** Runs a step that everything after it needs. */
function must(program, args, cwd) {
  const { status, output } = run(program, args, { cwd, env });
  if (!check([program, ...args].join(' ').replace(process.execPath, 'node'), status === 0, output)) conclude();
}

provideTooling();
must(process.execPath, ['scripts/prebuild.mjs'], root);
const packs = release(project);
must('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', ...tarballsHere(packs)], project);
trySetups(join(project, 'node_modules'), (name) => name.includes(filter));
conclude();
