import { type Network, sizeOfLabels } from '../network.js';

/** About a millisecond. */
const OPERANDS_PER_PAUSE = 512;

/** A smaller network, and the joins that lead from the leaves of the whole one to its leaves. */
export interface MergedNetwork {
  readonly network: Network;
  readonly constant: readonly boolean[];
  /** As the beginning of a tree over the whole network. */
  readonly joins: readonly (readonly [number, number])[];
  /** The node of the whole network that each leaf of the smaller one is. */
  readonly nodes: readonly number[];
}

/**
 * Joins what hardly any good path would keep apart: operands with the same set of labels (an element-wise product that
 * makes nothing larger), and scalars with the smallest operand. Constants are merged with constants only.
 *
 *     'ij,jk,ij,,kl->il':  (0, 2) are merged, then the scalar with the smallest of the operands
 */
export function* mergeOperands(
  network: Network,
  constant: readonly boolean[] | undefined,
): Generator<void, MergedNetwork> {
  const joins: [number, number][] = [];
  const groups = new Map<string, { node: number; labels: readonly number[]; constant: boolean }>();
  const holders = new Int32Array(network.sizes.length);
  for (const labels of [...network.leaves, network.output]) for (const label of labels) holders[label]++;
  const join = (a: number, b: number) => network.leaves.length + joins.push([a, b]) - 1;
  for (const [i, labels] of network.leaves.entries()) {
    if (i % OPERANDS_PER_PAUSE === 0) yield;
    const key = `${constant?.[i] ?? false}:${[...labels].sort((a, b) => a - b).join()}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { node: i, labels, constant: constant?.[i] ?? false });
    else {
      for (const label of labels) holders[label]--;
      // Labels that only merged operands held are summed by the product: they are gone from then on.
      groups.set(key, { ...group, node: join(group.node, i) });
    }
  }
  const merged = [...groups.values()].map((group) => ({
    ...group,
    labels: group.node < network.leaves.length ? group.labels : group.labels.filter((label) => holders[label] > 1),
  }));
  const kept = absorbScalars(merged, network.sizes, join);
  return {
    network: { ...network, leaves: kept.map(({ labels }) => labels) },
    constant: kept.map((group) => group.constant),
    joins,
    nodes: kept.map(({ node }) => node),
  };
}

interface Group {
  readonly node: number;
  readonly labels: readonly number[];
  readonly constant: boolean;
}

function absorbScalars(
  groups: readonly Group[],
  sizes: readonly number[],
  join: (a: number, b: number) => number,
): Group[] {
  const result = groups.filter(({ labels }) => labels.length > 0);
  const own = result.map(({ labels }) => sizeOfLabels(labels, sizes));
  // A scalar makes nothing larger: the smallest stays the smallest.
  const smallest = [true, false].map((constant) =>
    own.reduce((best, size, i) => {
      if (result[i].constant !== constant) return best;
      return best < 0 || size < own[best] ? i : best;
    }, -1),
  );
  for (const scalar of groups.filter(({ labels }) => labels.length === 0)) {
    const kind = scalar.constant ? 0 : 1;
    const at = smallest[kind];
    if (at < 0) smallest[kind] = result.push(scalar) - 1;
    else result[at] = { ...result[at], node: join(scalar.node, result[at].node) };
  }
  return result;
}
