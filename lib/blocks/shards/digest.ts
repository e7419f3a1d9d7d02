import { type BlockComparison, ENDS } from '../comparison.js';
import { contentOf } from '../content.js';
import { inFileOrder, piecesOf } from '../walk.js';
import { partOf } from './costs.js';
import type { Unit } from './units.js';

/** What a network consists of: the digest of its files, and of each part of it. */
export interface NetworkDigest {
  readonly sha256: string;
  readonly layers: readonly string[];
  /** Of what is no layer. */
  readonly others: Readonly<Record<string, string>>;
  /** Of the first network, of what the laws of its layers are made of, where that is in files. */
  readonly laws?: readonly string[];
}

/**
 * Reads all of a network. Shards read the tensors of their layers alone, and say by the digests of these what they have
 * read: whether that is what this network holds, is told when they are put together.
 */
export async function networkDigest(
  { files, laws: { contentOf: lawOf } }: Pick<BlockComparison, 'files' | 'laws'>,
  network: number,
  signal: AbortSignal | undefined,
): Promise<NetworkDigest> {
  const file = files[network];
  const { layers } = file.network;
  const found = new Array<string>(layers.length);
  const others: Record<string, string> = {};
  for (const step of inFileOrder(file)) {
    signal?.throwIfAborted();
    if (typeof step !== 'number') others[step] = await contentOf(file, partOf(file, step));
    else {
      await file.keep(piecesOf(layers[step]));
      found[step] = await contentOf(file, layers[step]);
      file.letGo();
    }
  }
  for (const part of [...ENDS, 'norms'] as const) others[part] ??= await contentOf(file, partOf(file, part));
  const laws: string[] = [];
  if (lawOf !== undefined && network === 0) for (const { number } of layers) laws.push(await lawOf(number));
  const sha256 = await file.checkpoint.sha256(signal);
  return { sha256, layers: found, others, ...(laws.length > 0 && { laws }) };
}

/** What the digest of a network says of a unit. */
export const contentIn = ({ layers, others }: NetworkDigest, unit: Unit): string | undefined =>
  typeof unit === 'number' ? layers[unit] : others[unit as string];

/** A file of records can come from anywhere. */
export function isNetworkDigest(found: unknown): found is NetworkDigest {
  const { sha256, layers, others, laws = [] } = (found ?? {}) as NetworkDigest;
  return (
    typeof sha256 === 'string' &&
    /^[0-9a-f]{64}$/.test(sha256) &&
    Array.isArray(layers) &&
    Array.isArray(laws) &&
    typeof others === 'object' &&
    others !== null
  );
}
