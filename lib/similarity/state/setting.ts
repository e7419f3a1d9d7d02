import { createHash } from 'node:crypto';
import type { ChainMethod, Grams } from '../../backend/grams.js';
import { version } from '../../version.js';
import { isOnehot, type LawOfInputs } from '../law/onehot.js';
import { DEGREE_NAMES } from '../terms/degrees.js';
import type { ResultInfo } from '../terms/types.js';

/**
 * What inner products depend on beside the two models and the route, as JSON: two runs of the same text give the same
 * bits. So the instructions of the processor are in it, which decide how products are rounded: a file may go from one
 * machine to another, and there it is begun anew rather than mixed. The law goes in by its numbers, whatever its name;
 * the slices by their names, which tell their order.
 */
export function settingOf(
  { measure, method, dtype, tf32, backend }: ResultInfo,
  { perOutput, degrees }: { readonly perOutput: boolean; readonly degrees?: boolean | undefined },
  names: readonly string[],
  { arithmetic }: Pick<Grams, 'arithmetic'>,
  chain?: ChainMethod,
  law?: LawOfInputs,
): string {
  const by = { dtype, tf32, backend, arithmetic };
  const slices = { perOutput, names, ...(degrees === true && { degrees }) };
  return JSON.stringify({ version, measure, method, chain, law: law && lawDigest(law), ...by, ...slices });
}

/** How many slices the products of a setting have; undefined for a text that says nothing of it. */
export function slicesOf(setting: string): number | undefined {
  try {
    const { perOutput, names, degrees } = JSON.parse(setting);
    if (perOutput !== false && !(perOutput === true && Array.isArray(names))) return undefined;
    return (perOutput ? names.length : 0) + (degrees === true ? DEGREE_NAMES.length : 0);
  } catch {
    return undefined;
  }
}

/** The name of the backend in a setting, and what else it says. */
export function withBackend(setting: string): { readonly backend: unknown; readonly rest: string } {
  try {
    const { backend, arithmetic, ...rest } = JSON.parse(setting);
    return { backend, rest: JSON.stringify(rest) };
  } catch {
    return { backend: undefined, rest: setting };
  }
}

/** A setting without who computes, and by which instructions. */
export function withoutArithmetic(setting: string): string {
  return withBackend(setting).rest;
}

function lawDigest(law: LawOfInputs): string {
  if (isOnehot(law)) return createHash('sha256').update(JSON.stringify(law)).digest('hex');
  const { mean, factor, sigma } = law;
  const hash = createHash('sha256').update(
    JSON.stringify({ sigma, mean: mean?.length ?? null, columns: factor?.columns ?? null }),
  );
  for (const numbers of [mean, factor?.data]) {
    if (numbers !== undefined) hash.update(new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength));
  }
  return hash.digest('hex');
}
