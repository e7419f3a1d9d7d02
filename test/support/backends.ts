import type { BackendName, ChainMethod } from '../../lib/backend/backend.js';
import { backends, selectBackend } from '../../lib/machines/select.js';

/**
 * The backends that a suite runs on: the one TENSIM_BACKEND names, else every one that is here but the CUDA backend, which knows too little
 * for most suites.
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
  return availableBackends.filter((name) => methods.every((method) => selectBackend(name).methods.has(method)));
}
