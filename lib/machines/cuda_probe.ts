import { execFile } from 'node:child_process';

import type { CudaDevice } from './addon.js';

/** What became of trying the library out: its devices, or in one line why it cannot be used. */
export type CudaProbe = { readonly devices: readonly CudaDevice[] } | { readonly reason: string };

/** A driver may take some seconds to wake up its devices; one that is broken may never answer. */
const TIMEOUT_MS = 30_000;

/**
 * Run by a Node of its own with the paths of the addon and of the library: asks for the devices and has the first of
 * them multiply a vector with itself, so that a kernel has run. Prints a CudaProbe as JSON.
 */
const PROGRAM = `
const [, addonPath, library] = process.argv;
async function probe() {
  const { Control, cudaDevices, cudaPrepare, cudaGramTile } = require(addonPath);
  const devices = cudaDevices(library);
  if (devices.length === 0) return { reason: 'there is no CUDA device' };
  const source = { kind: 'features', segments: [Float64Array.of(3, 4)] };
  const { model } = await cudaPrepare(library, 0, source, 'float64', 1, new Control());
  const job = { measure: 'gaussian', symmetric: true, perOutput: false };
  const { total } = await cudaGramTile(library, job, [model], [model], 1, new Control());
  return total[0] === 25 ? { devices } : { reason: 'the device takes 3² + 4² for ' + total[0] };
}
probe()
  .catch((error) => ({ reason: error.message }))
  .then((result) => process.stdout.write(JSON.stringify(result)));
`;

/**
 * Tries a library of the CUDA backend out in a child process, so that a driver or a library that crashes, or never
 * answers, does it there. Never rejects.
 */
export function probeCuda(addonPath: string, library: string, timeout = TIMEOUT_MS): Promise<CudaProbe> {
  // Node's own options (loaders, inspectors) are not for the child; in Electron it must be told that it is to be a
  // Node.
  const env = { ...process.env, NODE_OPTIONS: '', ELECTRON_RUN_AS_NODE: '1' };
  return new Promise((resolve) => {
    const options = { env, timeout, killSignal: 'SIGKILL', windowsHide: true } as const;
    execFile(process.execPath, ['-e', PROGRAM, addonPath, library], options, (error, output) => {
      if (error?.killed) return resolve({ reason: `trying it out took more than ${timeout / 1000} s` });
      if (error) return resolve({ reason: `trying it out ended with ${error.signal ?? error.code ?? error.message}` });
      try {
        resolve(JSON.parse(output));
      } catch {
        resolve({ reason: `trying it out gave no answer but ${JSON.stringify(output.slice(0, 80))}` });
      }
    });
  });
}
