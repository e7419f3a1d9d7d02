// Writes the declarations of the public API: dist/index.d.ts for those who import, and the same as dist/index.d.cts for those
// who require. TypeScript writes one file for every module; API Extractor, which has a compiler of its own, puts what
// lib/index.ts exports into one.

import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Extractor, ExtractorConfig } from '@microsoft/api-extractor';
import { root } from './toolchain.mjs';

/** What declarations may ask of the reader's globals beyond ECMAScript: both Node and browsers have them. */
const GLOBALS = ['AbortSignal', 'URL'];
/** `Symbol.asyncDispose`, which programs without the types of Node have to be told of. TypeScript has it since 5.2. */
const LIBRARIES = '/// <reference lib="esnext.disposable" />\n\n';

const SILENT = { default: { logLevel: 'none' } };

export function writeDeclarations(dist) {
  const staging = mkdtempSync(join(dist, 'types-'));
  try {
    emit(staging);
    rollUp(staging, join(dist, 'index.d.ts'));
  } finally {
    rmSync(staging, { recursive: true });
  }
  copyFileSync(join(dist, 'index.d.ts'), join(dist, 'index.d.cts'));
}

function emit(staging) {
  const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
  const options = ['-p', 'tsconfig.build.json', '--outDir', staging];
  const { status } = spawnSync(process.execPath, [tsc, ...options], { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

function rollUp(staging, file) {
  writeFileSync(join(staging, 'globals.d.ts'), GLOBALS.map((name) => `interface ${name} {}\n`).join(''));
  const config = ExtractorConfig.prepare({
    configObjectFullPath: undefined,
    packageJsonFullPath: join(root, 'package.json'),
    configObject: {
      projectFolder: root,
      mainEntryPointFilePath: join(staging, 'index.d.ts'),
      compiler: {
        overrideTsconfig: {
          compilerOptions: {
            module: 'nodenext',
            lib: ['es2023', 'esnext.disposable'],
            types: [],
            strict: true,
            skipLibCheck: true,
          },
          files: [join(staging, 'index.d.ts'), join(staging, 'globals.d.ts')],
        },
      },
      apiReport: { enabled: false },
      docModel: { enabled: false },
      tsdocMetadata: { enabled: false },
      dtsRollup: { enabled: true, untrimmedFilePath: file },
      // What is missing or wrong in comments is what `npm run docs` looks for.
      messages: {
        compilerMessageReporting: SILENT,
        extractorMessageReporting: SILENT,
        tsdocMessageReporting: SILENT,
      },
    },
  });
  const { succeeded } = Extractor.invoke(config, { localBuild: true, messageCallback: quieten });
  if (!succeeded) throw new Error('API Extractor has not put the declarations together');
  const text = readFileSync(file, 'utf8');
  writeFileSync(file, LIBRARIES + text);
}

function quieten(message) {
  if (message.logLevel !== 'error') message.handled = true;
}
