import type { Backend, BackendName, ChainMethod } from '../backend/backend.js';
import { TensimError } from '../errors.js';
import { createFallback } from '../fallback/backend.js';
import { cudaDetails, loadCuda } from './cuda.js';
import { loadNative } from './native.js';

/** One line of `tensim doctor`. */
export interface BackendReport {
  /** Which backend. */
  readonly name: BackendName;
  /** Whether it can compute here. */
  readonly available: boolean;
  /** Why it is not available; null if it is. */
  readonly reason: string | null;
  /** Whether `'auto'` means this one, the environment variable TENSIM_BACKEND considered. */
  readonly selected: boolean;
  /** What is known about it: instruction set, threads, versions. */
  readonly details: Readonly<Record<string, string | number>>;
}

type Candidate =
  | { readonly backend: Backend; readonly details: Readonly<Record<string, string | number>> }
  | { readonly reason: string };

const NAMES: readonly BackendName[] = ['native', 'cuda', 'fallback'];
const VARIABLE = 'TENSIM_BACKEND';
/** Stateless, so one serves all. */
const fallback = createFallback();

/**
 * The backend to compute with. `'auto'` follows the environment variable TENSIM_BACKEND if it is set to a name, else takes
 * native if it loads, else the fallback; a name given here goes before the variable. The CUDA backend must be named: it is tried out at its
 * first use, and refuses then with the reason if that fails.
 * @param method what it must be able to prepare chains for: `'auto'` passes over a backend that lacks it.
 * @throws TensimError `BACKEND_UNAVAILABLE` with the reason for a backend asked for by name that is not there or lacks the method;
 * `INVALID_ARGUMENT` for what names no backend.
 */
export function selectBackend(requested: 'auto' | BackendName = 'auto', method?: ChainMethod): Backend {
  const byOption = checkName(requested, 'the option "backend"');
  const wanted = byOption === 'auto' ? fromEnvironment() : byOption;
  if (wanted === 'auto') {
    const native = candidate('native', method);
    return 'backend' in native ? native.backend : fallback;
  }
  const found = candidate(wanted, method);
  if ('backend' in found) return found.backend;
  throw new TensimError('BACKEND_UNAVAILABLE', `the backend "${wanted}" is not available: ${found.reason}`, {
    hint:
      byOption === 'auto'
        ? `It is asked for by the environment variable ${VARIABLE}; unset it to take the best there is`
        : 'The backend "auto" takes the best there is',
  });
}

/**
 * Every backend there could be: available, or the reason why not.
 *
 *     const { name } = (await backends()).find(({ selected }) => selected);
 *
 * @throws TensimError (rejects) `INVALID_ARGUMENT` if TENSIM_BACKEND names no backend.
 */
export async function backends(): Promise<readonly BackendReport[]> {
  const wanted = fromEnvironment();
  const automatic = 'backend' in candidate('native') ? 'native' : 'fallback';
  const chosen = wanted === 'auto' ? automatic : wanted;
  return Promise.all(
    NAMES.map(async (name) => {
      const found = name === 'cuda' ? await triedCuda() : candidate(name);
      if ('reason' in found) return { name, available: false, reason: found.reason, selected: false, details: {} };
      return { name, available: true, reason: null, selected: name === chosen, details: found.details };
    }),
  );
}

async function triedCuda(): Promise<Candidate> {
  const found = loadCuda();
  if ('reason' in found) return found;
  const result = await found.probe();
  return 'reason' in result ? result : { backend: found.backend, details: cudaDetails(result.devices) };
}

function candidate(name: BackendName, method?: ChainMethod): Candidate {
  const found = load(name);
  if (method === undefined || 'reason' in found || found.backend.methods.has(method)) return found;
  return { reason: `it does not know the method "${method}"` };
}

function load(name: BackendName): Candidate {
  if (name === 'native') return loadNative();
  if (name === 'cuda') {
    const found = loadCuda();
    return 'reason' in found ? found : { backend: found.backend, details: {} };
  }
  return { backend: fallback, details: { engine: `V8 ${process.versions.v8}`, threads: 1 } };
}

function fromEnvironment(): 'auto' | BackendName {
  return checkName(process.env[VARIABLE] || 'auto', `the environment variable ${VARIABLE}`);
}

function checkName(name: string, source: string): 'auto' | BackendName {
  if (name === 'auto' || (NAMES as readonly string[]).includes(name)) return name as 'auto' | BackendName;
  throw new TensimError('INVALID_ARGUMENT', `${source} is ${JSON.stringify(name)}`, {
    hint: `It may be one of auto, ${NAMES.join(', ')}`,
  });
}
