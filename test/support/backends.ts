import type { AbilityName, BackendName, BackendWith } from '../../lib/backend/backend.js';
import type { ChainMethod } from '../../lib/backend/grams.js';
import { chooseBackend } from '../../lib/machines/at_once.js';
import { backends } from '../../lib/machines/select.js';

/**
 * The backends that a suite runs on: the one TENSIM_BACKEND names, else every one that is here but the CUDA backend,
 * which knows too little for most suites.
 *
 *     describe.each(availableBackends)('on %s', (backend) => …)
 */
export const availableBackends: readonly BackendName[] = (await backends())
  .filter(
    ({ name, available, selected }) => available && (selected || (!process.env.TENSIM_BACKEND && name !== 'cuda')),
  )
  .map(({ name }) => name);

/** Those of `availableBackends` that know all of these methods. */
export function backendsWith(...methods: readonly ChainMethod[]): BackendName[] {
  const knows = (name: BackendName, method: ChainMethod) =>
    chooseBackend(name, { grams: {} }).grams.methods.has(method);
  return availableBackends.filter((name) => methods.every((method) => knows(name, method)));
}

/** A backend by its name, with all abilities. */
export function fullBackend(name: BackendName): BackendWith<AbilityName> {
  const all = {
    grams: {},
    forward: {},
    normals: {},
    forms: {},
    contractions: {},
    hafnians: {},
    lowRank: {},
    eigen: {},
  };
  return chooseBackend(name, all);
}
