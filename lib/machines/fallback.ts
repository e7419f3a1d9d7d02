import { FALLBACK } from '../fallback/backend.js';
import { hasAssembledKernels } from '../fallback/gemm/workspace.js';
import type { Loaded } from './loaded.js';

/** The backend that is there wherever Node is. */
export function loadFallback(): Loaded<typeof FALLBACK> & { readonly backend: typeof FALLBACK } {
  return {
    backend: FALLBACK,
    details: {
      engine: `V8 ${process.versions.v8}`,
      kernels: hasAssembledKernels() ? 'WebAssembly' : 'TypeScript',
      threads: 1,
    },
  };
}
