import type { BackendName } from '../backend/backend.js';
import type { BackendFor, Task } from '../backend/task.js';
import { asWanted } from '../backend/tf32.js';
import { loadCuda } from './cuda/backend.js';
import { loadFallback } from './fallback.js';
import type { Loaded } from './loaded.js';
import { loadNative } from './native.js';
import { askedBy, lackOf, type PassedOver, requestOf, unavailable } from './select.js';

const LOAD: Readonly<Record<BackendName, () => Loaded>> = {
  native: loadNative,
  cuda: loadCuda,
  fallback: loadFallback,
};

/**
 * As `selectBackend`, but at once, for what is only planned: nothing is tried out.
 * @throws TensimError as `selectBackend` rejects.
 */
export function chooseBackend<const Wanted extends Task>(
  requested: 'auto' | BackendName | undefined,
  task: Wanted,
): BackendFor<Wanted> {
  const request = requestOf(requested);
  const refused: PassedOver[] = [];
  for (const { name } of askedBy(request)) {
    const found = LOAD[name]();
    const reason = lackOf(found, task);
    if (reason === null && 'backend' in found) return asWanted(found.backend, task) as BackendFor<Wanted>;
    refused.push({ name, reason: reason! });
  }
  throw unavailable(request, refused);
}
