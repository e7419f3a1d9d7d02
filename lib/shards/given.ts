import { TensimError } from '../errors.js';
import type { Ranked } from '../similarity/gram/distinct.js';
import type { Member } from '../similarity/members/members.js';
import type { ReadModel } from './header.js';

/** Models as results tell of them; nothing is known of those that no part has read. */
export function givenOf(labels: readonly string[], models: ReadonlyMap<number, ReadModel>): Member[] {
  const never = (): never => {
    throw new TensimError('INTERNAL', 'the weights of a model were asked for when parts were put together');
  };
  return labels.map((label, place): Member => {
    const [, identity, source] = models.get(place) ?? [place, `place ${place}`, {}];
    const outline = { label, provenance: { metadata: {}, ...source } } as unknown as Member['outline'];
    return { outline, load: never, release: () => {}, identity: async () => identity, known: identity, sketch: never };
  });
}

/** Numbered as by their files: the first of equal ones counts, and ranks go by digests. */
export function rankedOf(given: readonly Member[]): Ranked {
  const members: Member[] = [];
  const byIdentity = new Map<string, number>();
  const numbers = Int32Array.from(given, (member) => {
    const known = byIdentity.get(member.known!);
    if (known !== undefined) return known;
    byIdentity.set(member.known!, members.length);
    return members.push(member) - 1;
  });
  const keys = members.map(({ outline, known }) => `${outline.provenance.sha256} ${known}`);
  const order = [...members.keys()].sort((a, b) => (keys[a] < keys[b] ? -1 : keys[a] > keys[b] ? 1 : a - b));
  const rank = new Int32Array(members.length);
  for (const [place, number] of order.entries()) rank[number] = place;
  return { members, numbers, listed: members, rank };
}
