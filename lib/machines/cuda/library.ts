import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { packageRoot, requireFrom } from '../locate.js';

/** Names the library, wherever it lies. */
const VARIABLE = 'TENSIM_CUDA_LIBRARY';
const FILE = process.platform === 'win32' ? 'tensim_cuda.dll' : 'tensim_cuda.so';
/** One that may be installed beside this package, with nothing but the library in it. */
const PACKAGE = `@tensim/cuda-${process.platform}-${process.arch}`;

/** The library of the CUDA backend and who brought it, or in one line why there is none. */
export type FoundLibrary = { readonly library: string; readonly from: string } | { readonly reason: string };

const found = new Map<string, FoundLibrary>();

/**
 * Looks for the library: what TENSIM_CUDA_LIBRARY names and nothing else if it is set, beside the addon where a build
 * puts it, in the package. Each is looked for once.
 */
export function findLibrary(addonPath: string): FoundLibrary {
  const named = process.env[VARIABLE] ?? '';
  let known = found.get(named);
  if (known === undefined) {
    known = named === '' ? unnamed(addonPath) : at(named, `the environment variable ${VARIABLE}`);
    found.set(named, known);
  }
  return known;
}

function unnamed(addonPath: string): FoundLibrary {
  const beside = at(join(dirname(addonPath), FILE), 'a build, beside the addon');
  if ('library' in beside) return beside;
  try {
    const { resolve } = requireFrom(join(packageRoot(), 'package.json'));
    return { library: resolve(`${PACKAGE}/${FILE}`), from: `the package ${PACKAGE}` };
  } catch {
    return { reason: `${beside.reason}, and no package ${PACKAGE}` };
  }
}

function at(library: string, from: string): FoundLibrary {
  return existsSync(library) ? { library, from } : { reason: `there is no library ${library}` };
}
