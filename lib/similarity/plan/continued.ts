import type { GramRoute } from '../../backend/grams.js';
import { TensimError } from '../../errors.js';
import { dependsOnWork } from '../../machines/select.js';
import type { Member } from '../members/members.js';
import { recordedRoute } from '../state/ledger.js';
import { withBackend } from '../state/setting.js';
import type { Settings } from '../terms/options.js';
import { type Comparison, planComparison } from './comparison.js';

interface ContinuedSettings extends Settings {
  /** Bytes that models may take at a time. */
  readonly memoryLimit: number;
  readonly freeMemory: number | undefined;
  /** Path of a state file. */
  readonly state: string | undefined;
}

/** Decides how to compute: where the choice of a backend or a route is left open, by that of the state file. */
export async function planMatrix(
  members: readonly Member[],
  pairs: number,
  settings: ContinuedSettings,
): Promise<{ comparison: Comparison; discarded: number }> {
  const { memoryLimit, freeMemory, state, route } = settings;
  const extent = {
    pairs,
    freeMemory,
    keeps: state !== undefined,
    ...(Number.isFinite(memoryLimit) && { memoryLimit }),
  };
  const comparison = await planComparison(members, settings, extent);
  const setting = keptSetting(comparison);
  const isOpen = dependsOnWork(settings.backend);
  if (state === undefined || setting === undefined || (route !== 'auto' && !isOpen))
    return { comparison, discarded: 0 };
  const { recorded, elsewhere, discarded } = await recordedRoute(state, setting);
  if (isOpen && elsewhere !== null) {
    const continued = await planAsBegun(members, pairs, settings, elsewhere);
    if (continued !== null) return { ...continued, discarded: discarded + continued.discarded };
  }
  const own = comparison.info.route;
  const isRoute = (name: string | null): name is GramRoute =>
    name !== null && comparison.settings.backend.grams.routes.has(name as GramRoute);
  if (route !== 'auto' || own === null || recorded === own || !isRoute(recorded)) return { comparison, discarded };
  const again = await planComparison(members, { ...settings, route: recorded }, extent);
  return { comparison: again, discarded };
}

/** By the backend that a setting of a state file names, if it comes to that setting again; null else. */
async function planAsBegun(members: readonly Member[], pairs: number, settings: ContinuedSettings, begun: string) {
  const { backend } = withBackend(begun);
  if (backend !== 'native' && backend !== 'cuda') return null;
  try {
    const { comparison, discarded } = await planMatrix(members, pairs, { ...settings, backend });
    if (keptSetting(comparison) !== begun) return null;
    const other = backend === 'native' ? 'cuda' : 'native';
    const passedOver = [{ name: other, reason: `the state file was begun by ${backend}` }] as const;
    return { comparison: { ...comparison, info: { ...comparison.info, passedOver } }, discarded };
  } catch (error) {
    if (error instanceof TensimError && error.code === 'BACKEND_UNAVAILABLE') return null;
    throw error;
  }
}

/** What a state file keeps inner products under; undefined where it keeps none. */
export function keptSetting(comparison: Comparison): string | undefined {
  return 'setting' in comparison ? comparison.setting : undefined;
}
