import { TensimError } from '../../errors.js';
import { count as countText, plural } from '../../words/counts.js';
import { listed, listedFew } from '../../words/names.js';
import { oneLine } from '../../words/quoting.js';
import type { BlocksHeader } from './header.js';
import type { BlocksPart } from './parts.js';
import type { BlocksShare, MissingBlocks, OtherPart } from './terms.js';

/** Layers that are named one by one, and shards likewise. */
const MOST_NAMED = 12;

const WORDS: Readonly<Record<OtherPart, string>> = {
  embedding: 'the embeddings',
  positions: 'the positions',
  unembedding: 'the unembeddings',
  unembeddingBias: 'the bias of the unembeddings',
  norms: 'the norms of no layer',
};

/** What a shard has, or owes, in words. */
export function shareText({ layers, others, digests }: BlocksShare): string {
  const parts = [
    ...(layers.length > 0 ? [`${plural(layers.length, 'layer')} ${listedFew(layers.map(String), MOST_NAMED)}`] : []),
    ...others.map((other) => WORDS[other]),
    ...(digests.length > 0 ? [`the ${plural(digests.length, 'digest')} of ${networksText(digests)}`] : []),
  ];
  return parts.length === 0 ? 'nothing' : listed(parts, 'and');
}

function networksText(digests: readonly number[]): string {
  const places = digests.map((place) => String(place + 1));
  return `${plural(digests.length, 'network')} ${listedFew(places, MOST_NAMED)}`;
}

/** All that is missing, in words. */
export function notThere(missing: readonly MissingBlocks[]): string {
  return shareText({
    layers: missing.flatMap(({ layers }) => layers).sort((a, b) => a - b),
    others: missing.flatMap(({ others }) => others),
    digests: missing.flatMap(({ digests }) => digests).sort((a, b) => a - b),
  });
}

/** Says which shards are missing, or are not finished, and what of. */
export function incomplete(
  missing: readonly MissingBlocks[],
  parts: readonly BlocksPart[],
  { common, count }: BlocksHeader,
): TensimError {
  const given = new Set(parts.map(({ header }) => header.index));
  const said = missing.slice(0, MOST_NAMED).map((one) => {
    const state = given.has(one.shard) ? 'not finished' : 'not given';
    return `shard ${one.shard} of ${count} ${state} (${shareText(one)})`;
  });
  if (missing.length > MOST_NAMED) said.push(`${missing.length - MOST_NAMED} more shards`);
  const layers = missing.reduce((sum, one) => sum + one.layers.length, 0);
  const what =
    layers > 0
      ? `${countText(layers)} of ${countText(common.numbers.length)} layers are missing`
      : `${notThere(missing)} ${missing.length > 1 ? 'are' : 'is'} missing`;
  return new TensimError('INVALID_ARGUMENT', oneLine(what), {
    reason: said.join(', '),
    hint: `Run what is missing (--shard ${missing[0].shard}/${count}), or leave it open with --allow-missing`,
  });
}
