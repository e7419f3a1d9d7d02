import type { BackendName } from '../../lib/backend/backend.js';
import { selectBackend } from '../../lib/backend/select.js';
import { TensimError } from '../../lib/errors.js';
import type { Model } from '../../lib/model/model.js';
import { similarity } from '../../lib/similarity/similarity.js';
import type { SimilarityOptions, SimilarityResult } from '../../lib/similarity/types.js';

/**
 * `similarity` on one backend; where that lacks the method it must say so, and `auto` must fall back and say so too. The result is then
 * that of the fallback.
 */
export async function run(
  backend: BackendName,
  a: Model,
  b: Model,
  options: SimilarityOptions,
): Promise<SimilarityResult> {
  try {
    return await similarity(a, b, { ...options, backend });
  } catch (error) {
    const missing = error instanceof TensimError && error.code === 'BACKEND_UNAVAILABLE';
    if (!missing || selectBackend(backend).methods.size === 4) throw error;
    return similarity(a, b, { ...options, backend: 'fallback' });
  }
}
