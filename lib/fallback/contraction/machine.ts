import type { Machine } from '../../contraction/cost.js';
import { blockedWorkspace } from './blocked.js';
import { ttgtWorkspace } from './ttgt.js';

/** Measured on a 2020s server core; only the ratios matter to a path. */
export const MACHINE: Machine = {
  flopsPerSecond: 5e9,
  bytesPerSecond: 6e9,
  secondsPerStep: 4e-6,
  workspaceBytes: ({ m, n, k }, strategy, itemBytes) => {
    if (strategy === 'loops' || k === 1) return 0;
    return blockedWorkspace(m, n, k) + (strategy === 'ttgt' ? ttgtWorkspace(m, n, k, itemBytes) : 0);
  },
};
