import type { BlockFile } from '../blocks/open.js';
import { isFloatFormat } from '../tensor/convert.js';
import type { Findings } from './findings.js';
import { findAll } from './layer.js';
import type { VerifyOptions } from './options.js';
import { pair, type Sources, sourceOf } from './slots.js';

/** What no part of either network is made of. */
export interface Leftovers {
  /** Those that both have under one name, compared. */
  readonly findings: Findings;
  /** Those that cannot be compared, by their names. */
  readonly reference: readonly string[];
  readonly candidate: readonly string[];
}

/** Compares tensors that a known layout has no place for by their names: what they do is not known, but they may differ. */
export async function verifyLeftovers(f: BlockFile, g: BlockFile, options: VerifyOptions): Promise<Leftovers> {
  const [one, other] = [leftIn(f), leftIn(g)];
  const named = new Set(other);
  const shared = new Set(one.filter((name) => named.has(name) && [f, g].every((file) => isComparable(file, name))));
  const all = await findAll(pair(sourcesOf(f, shared), sourcesOf(g, shared), null), options);
  const alone = (name: string) => !shared.has(name);
  return {
    findings: { layer: null, all, changes: [] },
    reference: one.filter(alone),
    candidate: other.filter(alone),
  };
}

function leftIn({ network }: BlockFile): string[] {
  return [...network.others, ...network.layers.flatMap(({ others }) => others)];
}

function isComparable({ checkpoint }: BlockFile, name: string): boolean {
  const entry = checkpoint.tensors.get(name);
  return entry !== undefined && entry.shape.length > 0 && isFloatFormat(entry.dtype);
}

const sourcesOf = (file: BlockFile, names: Iterable<string>): Sources =>
  new Map([...names].map((tensor): [string, ReturnType<typeof sourceOf>] => [tensor, sourceOf(file, { tensor })]));
