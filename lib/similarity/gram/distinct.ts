import type { Member } from '../members/members.js';

/** Models numbered: two that are equal have one number. */
export interface Distinct {
  /** By number. */
  readonly members: readonly Member[];
  /** The number of every model given. */
  readonly numbers: Int32Array;
}

/**
 * Numbers models by their first appearance. Files are equal by their digest; models in memory if they are the same
 * object or come from equal files and still hold equal weights.
 */
export async function distinct(given: readonly Member[]): Promise<Distinct> {
  const members: Member[] = [];
  const numbers = new Map<Member, number>();
  const byDigest = new Map<string, Member[]>();
  for (const member of given) {
    if (numbers.has(member)) continue;
    const alike = byDigest.get(digestOf(member) ?? '') ?? [];
    const equal = await firstEqual(member, alike);
    numbers.set(member, equal === undefined ? members.push(member) - 1 : numbers.get(equal)!);
    const digest = digestOf(member);
    if (equal !== undefined) member.release();
    if (equal === undefined && digest !== undefined) byDigest.set(digest, [...alike, member]);
  }
  return { members, numbers: Int32Array.from(given, (member) => numbers.get(member)!) };
}

const digestOf = ({ outline }: Member) => outline.provenance.sha256;

async function firstEqual(member: Member, alike: readonly Member[]): Promise<Member | undefined> {
  for (const other of alike) {
    if (await sameIdentity(member, other)) return other;
  }
  return undefined;
}

/**
 * Digests of files and of weights in memory are not comparable: a file beside a model loaded from it counts as another.
 */
async function sameIdentity(a: Member, b: Member): Promise<boolean> {
  return (a.known ?? (await a.identity())) === (b.known ?? (await b.identity()));
}

/** Models numbered, with the place of each number in the order of `ranks`. */
export interface Ranked extends Distinct {
  /** The members by first appearance, the order in which errors name them. */
  readonly listed: readonly Member[];
  readonly rank: Int32Array;
}

/** Numbers the same models anew: by group, and within a group by rank. */
export function inOrder(
  { members, listed, numbers, rank }: Ranked,
  group: (number: number) => number = () => 0,
): Ranked {
  const order = [...members.keys()].sort((a, b) => group(a) - group(b) || rank[a] - rank[b]);
  const places = new Int32Array(order.length);
  for (const [place, number] of order.entries()) places[number] = place;
  return {
    members: order.map((number) => members[number]),
    listed,
    numbers: numbers.map((number) => places[number]),
    rank: Int32Array.from(order, (number) => rank[number]),
  };
}

/** The labels of models that are equal, a list for each model that was given more than once under different labels. */
export function sameLabels({ members, numbers }: Distinct, given: readonly Member[]): string[][] {
  const labels: string[][] = members.map(() => []);
  for (const [place, { outline }] of given.entries()) {
    const list = labels[numbers[place]];
    if (!list.includes(outline.label)) list.push(outline.label);
  }
  return labels.filter(({ length }) => length > 1);
}
