import { TensimError } from '../../errors.js';
import { kindOfParts } from '../../shards/kinds.js';
import { oneLine } from '../../words/quoting.js';
import { LayerLog } from '../layer_log.js';
import { contentIn, isNetworkDigest, type NetworkDigest } from './digest.js';
import { isFound } from './found.js';
import { type BlocksHeader, type CommonHeader, digestOfCommon, headersIn, unitKey } from './header.js';
import type { FinishedUnit } from './shard.js';
import type { Unit } from './units.js';

/** A part of a comparison of blocks in a file. */
export interface BlocksPart {
  readonly path: string;
  readonly header: BlocksHeader;
  /** Of what all parts have in common, as units are kept under it. */
  readonly digest: string;
  /** What the file keeps, by its keys. */
  readonly records: ReadonlyMap<string, unknown>;
}

/** What a unit came to, and the part that has it. */
export interface FoundUnit {
  readonly part: BlocksPart;
  readonly found: object;
  readonly finished: FinishedUnit;
}

/**
 * Reads what every file says of itself, and makes sure that they are parts of one comparison.
 * @returns by shard, and then in the order of the files
 * @throws TensimError `FILE_NOT_FOUND`, `INVALID_FILE` for what is no part; `INVALID_ARGUMENT` for parts of different
 * comparisons, or under different settings
 */
export async function readBlocksParts(paths: readonly string[], mixed: boolean): Promise<BlocksPart[]> {
  if (paths.length === 0) throw new TensimError('INVALID_ARGUMENT', 'no parts are given to be put together');
  if ((await kindOfParts(paths)) === 'matrix')
    throw new TensimError('INVALID_ARGUMENT', 'these are parts of a matrix, and not of blocks', {
      hint: 'Put them together with mergeShards, or tensim merge',
    });
  const parts: BlocksPart[] = [];
  for (const path of paths) {
    const records = await LayerLog.read(path);
    const headers = headersIn(records);
    if (headers.length === 0)
      throw new TensimError('INVALID_FILE', 'no shard of blocks is in this file', {
        file: path,
        reason: 'it is a state file of one run, or of a shard that has not begun yet',
        hint: 'Give the files that tensim blocks --shard … --state has written',
      });
    for (const header of headers) parts.push({ path, header, digest: digestOfCommon(header), records });
  }
  parts.sort((a, b) => a.header.index - b.header.index);
  const [first, ...others] = parts;
  for (const other of others) requireSame(first, other, mixed);
  return parts;
}

/**
 * What parts have of a unit, and all of them that have it.
 * @throws TensimError `FILE_CHANGED` where two parts have found different weights in it
 */
export function unitIn(parts: readonly BlocksPart[], unit: Unit): FoundUnit | undefined {
  let first: FoundUnit | undefined;
  for (const part of parts) {
    const finished = part.records.get(unitKey(part.digest, unit));
    const own = isFinished(finished) ? part.records.get(finished.key) : undefined;
    if (!isFinished(finished) || !isFound(part.header.common.what, unit, own)) continue;
    first ??= { part, found: own, finished };
    requireAlike(first.part, first.finished, part, finished);
  }
  return first;
}

/** The digest of a network that a part has read as a whole. */
export interface FoundDigest {
  readonly part: BlocksPart;
  readonly digest: NetworkDigest;
}

/** @throws TensimError as `unitIn` */
export function digestIn(parts: readonly BlocksPart[], network: number): FoundDigest | undefined {
  let first: FoundDigest | undefined;
  for (const part of parts) {
    const digest = part.records.get(unitKey(part.digest, { digest: network }));
    if (!isNetworkDigest(digest)) continue;
    first ??= { part, digest };
    if (first.digest.sha256 !== digest.sha256) throw changed(first.part, part, part.header.places[network].path);
  }
  return first;
}

/**
 * Makes sure that what a unit was made of is what its networks hold.
 * @throws TensimError `FILE_CHANGED`
 */
export function requireHeld(
  unit: Unit,
  { part, finished }: FoundUnit,
  digests: readonly (FoundDigest | undefined)[],
): void {
  for (const [network, known] of digests.entries())
    if (known !== undefined && contentIn(known.digest, unit) !== finished.contents[network])
      throw changed(known.part, part, part.header.places[network].path);
  const law = typeof unit === 'number' ? digests[0]?.digest.laws?.[unit] : undefined;
  if (law !== undefined && law !== finished.law) throw changed(digests[0]!.part, part, part.header.common.input);
}

/** @throws TensimError `FILE_CHANGED` */
function requireAlike(one: BlocksPart, known: FinishedUnit, other: BlocksPart, finished: FinishedUnit): void {
  const network = known.contents.findIndex((content, i) => content !== finished.contents[i]);
  if (network >= 0) throw changed(one, other, other.header.places[network].path);
  if (known.law !== finished.law) throw changed(one, other, other.header.common.input);
}

function isFinished(record: unknown): record is FinishedUnit {
  const { key, contents } = (record ?? {}) as FinishedUnit;
  return typeof key === 'string' && Array.isArray(contents);
}

function changed(one: BlocksPart, other: BlocksPart, file: string): TensimError {
  const [first, second] = [one, other].map(({ header }) => header.index);
  return new TensimError('FILE_CHANGED', `it is not the same in shard ${first} and shard ${second}`, {
    file,
    reason: 'it was written to between the two, or the two machines have different files under one name',
    hint: `Run these two shards again, with the file as it is now: ${oneLine(one.path)} and ${oneLine(other.path)}`,
  });
}

/** What machines compute with, and parts may differ in where that is said. */
const ARITHMETIC = new Set(['backend', 'arithmetic']);

function requireSame(one: BlocksPart, other: BlocksPart, mixed: boolean): void {
  const [a, b] = [one.header, other.header];
  const reason = howComparisonsDiffer(a, b);
  if (reason !== undefined)
    throw new TensimError('INVALID_ARGUMENT', `it is not a part of the same comparison as ${oneLine(one.path)}`, {
      file: other.path,
      reason,
      hint: 'Run every shard with the same files, options and number of shards',
    });
  const different = differences(a.common, b.common).filter((name) => !mixed || !ARITHMETIC.has(name));
  if (different.length === 0) return;
  const [left, right] = [a, b].map(({ common }) => oneLine(JSON.stringify(settingsOf(common)[different[0]]) ?? 'none'));
  throw new TensimError('INVALID_ARGUMENT', `it was computed otherwise than ${oneLine(one.path)}`, {
    file: other.path,
    reason: `${different[0]} is ${left} in one and ${right} in the other`,
    hint: different.every((name) => ARITHMETIC.has(name))
      ? 'Set --backend, and TENSIM_CPU to instructions that all machines have; or merge with --mixed, where last digits then depend on the part'
      : 'Run every shard with the same version and options; --method says how MLPs are compared',
  });
}

function howComparisonsDiffer(a: BlocksHeader, b: BlocksHeader): string | undefined {
  const [one, other] = [a.common, b.common];
  const what = ({ what }: CommonHeader) => (what === 'pair' ? 'compares two networks' : 'is a matrix of several');
  if (a.count !== b.count) return `one is of ${a.count} shards, the other of ${b.count}`;
  if (one.what !== other.what) return `one ${what(one)}, the other ${what(other)}`;
  const [count, others] = [one.networks.length, other.networks.length];
  if (count !== others) return `one is of ${count} networks, the other of ${others}`;
  const differ = (of: (common: CommonHeader) => unknown) => JSON.stringify(of(one)) !== JSON.stringify(of(other));
  for (const place of one.networks.keys())
    if (differ(({ networks }) => networks[place])) return `network ${place} has other tensors or settings in the other`;
  if (differ(({ width, numbers }) => [width, numbers])) return 'their layers are others';
  return undefined;
}

/** What was asked for, and what follows from it and from machines. */
function settingsOf({ setting, input, methods, rotation, units }: CommonHeader): Readonly<Record<string, unknown>> {
  return { ...setting, input, methods, ...(rotation && { rotation }), dealing: units };
}

function differences(a: CommonHeader, b: CommonHeader): string[] {
  const [one, other] = [settingsOf(a), settingsOf(b)];
  const names = [...new Set([...Object.keys(one), ...Object.keys(other)])];
  const different = names.filter((name) => JSON.stringify(one[name]) !== JSON.stringify(other[name]));
  // A basis is found by arithmetic: what follows from another one is no difference of its own.
  return different.some((name) => ARITHMETIC.has(name)) ? different.filter((name) => name !== 'rotation') : different;
}
