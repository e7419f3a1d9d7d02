import type { MergeOptions } from '../../shards/terms.js';
import type { End, FoundBlocks } from '../comparison.js';
import { matrixResult } from '../matrix.js';
import type { BlocksMatrix, LayerMatrices } from '../matrix_terms.js';
import { pairResult } from '../pair.js';
import type { BlocksResult, LayerComparison, NormComparison, WeightComparison } from '../terms.js';
import type { BlockOutline } from '../walk.js';
import { identified } from '../walk.js';
import type { BlocksHeader } from './header.js';
import { incomplete, notThere } from './missing.js';
import { type BlocksPart, digestIn, readBlocksParts, requireHeld, unitIn } from './parts.js';
import type { MergedBlocks, MissingBlocks } from './terms.js';
import { isEnd, shareOf, type Unit } from './units.js';

type Layer = LayerComparison & LayerMatrices;

/**
 * Puts the parts of a comparison of blocks together, which `blocksShard` has computed: the result is that of one run of
 * `similarityOfBlocks`, or of `blockMatrix`, to the bit. The networks themselves are not read. Parts may still grow: what
 * they have by now is taken, up to the last whole record.
 *
 *     const { result } = await mergeBlocksShards(['part-1.state', 'part-2.state']);
 *
 * @param paths of the state files, in any order; several may be of one shard
 * @throws TensimError (rejects) `FILE_NOT_FOUND`, `INVALID_FILE` for what is no part; `INVALID_ARGUMENT` for parts that do
 * not belong together, or where some are missing and `allowMissing` does not say that they may; `FILE_CHANGED` where a
 * part has read other weights than the network holds; the signal's reason
 */
export async function mergeBlocksShards(
  paths: readonly string[],
  { allowMissing = false, mixed = false, signal }: MergeOptions = {},
): Promise<MergedBlocks<BlocksResult | BlocksMatrix>> {
  signal?.throwIfAborted();
  const parts = await readBlocksParts(paths, mixed);
  signal?.throwIfAborted();
  const { header } = parts[0];
  const { common, count, places } = header;
  const digests = places.map((_, network) => digestIn(parts, network));
  const layers: Layer[] = [];
  const ends: Partial<Record<End, WeightComparison>> = {};
  let norms: readonly NormComparison[] = [];
  const owed: (readonly [Unit, number])[] = [];
  for (const [unit, shard] of common.units) {
    if (typeof unit === 'object') {
      if (digests[unit.digest] === undefined) owed.push([unit, shard]);
      continue;
    }
    const own = unitIn(parts, unit);
    if (own === undefined) {
      owed.push([unit, shard]);
      continue;
    }
    requireHeld(unit, own, digests);
    if (typeof unit === 'number') layers.push({ ...(own.found as Layer), layer: common.numbers[unit] });
    else if (isEnd(unit)) Object.assign(ends, endOf(unit, own.found));
    else norms = (own.found as { readonly norms: readonly NormComparison[] }).norms;
  }
  const missing = missingOf(owed, header);
  if (missing.length > 0 && !allowMissing) throw incomplete(missing, parts, header);
  const networks = common.networks.map((network, i) =>
    identified({ ...places[i], ...network } as BlockOutline, digests[i]?.digest.sha256 ?? ''),
  );
  layers.sort((a, b) => a.layer - b.layer);
  const { width, input, window, alignment, backend, rotation } = common;
  const found: FoundBlocks<Layer> = {
    ...{ networks, width, input, window, alignment, rotation: rotation?.about, layers, ends, norms, backend },
  };
  const result = common.what === 'pair' ? pairOf(found, missing) : matrixResult(found);
  return { result, count, missing, mixed: arithmeticsOf(parts) };
}

const endOf = (end: End, found: object): Partial<Record<End, WeightComparison>> =>
  'compared' in found ? { [end]: found.compared as WeightComparison } : {};

/** Of what is not whole there is no impression. */
function pairOf(found: FoundBlocks<LayerComparison>, missing: readonly MissingBlocks[]): BlocksResult {
  const result = pairResult(found);
  if (missing.length === 0) return result;
  const impression = { kind: 'unclear', words: `Not all is there yet: ${notThere(missing)}.`, layers: [] } as const;
  return Object.assign(result, { impression });
}

function missingOf(owed: readonly (readonly [Unit, number])[], { count, common }: BlocksHeader): MissingBlocks[] {
  const missing: MissingBlocks[] = [];
  for (let shard = 1; shard <= count; shard++) {
    const units = owed.flatMap(([unit, owner]) => (owner === shard ? [unit] : []));
    if (units.length > 0) missing.push({ shard, ...shareOf(units, common.numbers) });
  }
  return missing;
}

/** The backends and their instructions, in words; none where all are alike. */
function arithmeticsOf(parts: readonly BlocksPart[]): string[] {
  const all = new Set(
    parts.map(({ header: { common } }) => {
      const { arithmetic } = common.setting;
      return typeof arithmetic === 'string' ? `${common.backend} (${arithmetic})` : common.backend;
    }),
  );
  return all.size > 1 ? [...all] : [];
}
