import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { fileIn } from './safetensors/helpers.js';

export const MEBI = 2 ** 20;

/** What opening a file came to: its code is undefined if it was opened, and all that it lists was read. */
export interface Opening {
  /** Highest memory of the process above that before, in bytes. */
  readonly growth: number;
  readonly code?: string;
  readonly message?: string;
}

/**
 * Opens files in processes of their own, after a good one: a process knows only its highest memory ever. The folder
 * receives two programs.
 * @param good a file of the same format that is opened and read first
 */
export function memoryProbe(folder: string, good: string): (path: string) => Opening {
  buildSync({
    entryPoints: ['lib/formats/checkpoint.ts'],
    outfile: join(folder, 'checkpoint.mjs'),
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
  });
  const probe = fileIn(
    folder,
    'probe.mjs',
    `import { readFileSync } from 'node:fs';
     import { openCheckpoint } from './checkpoint.mjs';
     // Where the system tells the peak of this program alone: the other one counts that of the process it was forked
     // from, too.
     const peak = () => {
       try {
         return 1024 * /VmHWM:\\s*(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1];
       } catch {
         return 1024 * process.resourceUsage().maxRSS;
       }
     };
     const readAll = async (path) => {
       const checkpoint = await openCheckpoint(path);
       try {
         for (const name of checkpoint.tensors.keys()) await checkpoint.read(name);
       } finally {
         await checkpoint.close();
       }
     };
     await readAll(process.argv[2]);
     const before = process.memoryUsage.rss();
     const error = await readAll(process.argv[3]).then(() => ({}), (error) => error);
     const growth = peak() - before;
     console.log(JSON.stringify({ growth, code: error.code, message: error.message }));`,
  );
  return (path) => JSON.parse(execFileSync(process.execPath, [probe, good, path], { encoding: 'utf8' }));
}
