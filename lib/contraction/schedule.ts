import type { CostModel, Machine, ProductSize, Strategy } from './cost.js';
import { type SimplifiedNetwork, sizeOfLabels } from './network.js';
import { type Join, joinCost, joinsOf, LABELS_PER_PAUSE, type Tree } from './tree.js';

/** What a task costs beside its labels, in labels. */
const TASK_WORK = 64;

/** One thing to execute: the summation of an operand's lone labels, or a join. */
export interface Task {
  /** The node it makes; a leaf if it sums lone labels. */
  readonly node: number;
  /** Absent for the summation of a leaf. */
  readonly join: Join | undefined;
  /** The same in every slice: done once, before the first. */
  readonly once: boolean;
  /** Nodes with a buffer of their own that are not needed afterwards. */
  readonly release: readonly number[];
}

/** What decides how much memory and time a tree takes, apart from the slices. */
export interface Execution {
  readonly network: SimplifiedNetwork;
  /** In the order of `scheduleTree`. */
  readonly tree: Tree;
  readonly machine: Machine;
  readonly model: CostModel;
  readonly strategy: Strategy;
  readonly itemBytes: number;
  readonly stripExponent: boolean;
}

/** Labels cut into parts: label → largest part. */
export type Chunks = ReadonlyMap<number, number>;

/** The tasks of a tree in order, those that no sliced label changes first. */
export function* tasksOf({ network, tree }: Execution, chunks: Chunks): Generator<void, Task[]> {
  const leaves = network.leaves.length;
  const sliced = network.sources.map(({ labels }) => labels.some((label) => chunks.has(label)));
  for (const [a, b] of tree) sliced.push(sliced[a] || sliced[b]);
  const hasBuffer = (node: number) => node >= leaves || network.sources[node].lone.length > 0;
  const tasks: Task[] = [];
  const once = (node: number) => chunks.size > 0 && !sliced[node];
  const sumLeaf = (node: number) => {
    if (node < leaves && hasBuffer(node)) tasks.push({ node, join: undefined, once: once(node), release: [] });
  };
  for (const [i, join] of (yield* joinsOf(network, tree)).entries()) {
    if (i % 1024 === 1023) yield;
    sumLeaf(join.a);
    sumLeaf(join.b);
    const task = { node: join.node, join, once: once(join.node) };
    // What was made once for all slices stays until the end, unless what it goes into is made once as well.
    tasks.push({ ...task, release: [join.a, join.b].filter((node) => hasBuffer(node) && once(node) === task.once) });
  }
  if (tree.length === 0) tasks.push({ node: 0, join: undefined, once: false, release: [] });
  return [...tasks.filter((task) => task.once), ...tasks.filter((task) => !task.once)];
}

/** Label sizes within one slice. */
export function slicedSizes(sizes: readonly number[], chunks: Chunks): number[] {
  return sizes.map((size, label) => chunks.get(label) ?? size);
}

export interface Estimate {
  /** Bytes alive at the worst moment: intermediates, the output and workspace. */
  readonly peakBytes: number;
  /** Bytes of all intermediates, each counted once: tells progress where the peak stays. */
  readonly totalBytes: number;
  /** In the unit of the cost model. */
  readonly cost: number;
}

/** Memory and cost of executing the tree with the labels cut as `chunks` says. */
export function* estimate(execution: Execution, chunks: Chunks): Generator<void, Estimate> {
  const { network, machine, model, strategy, itemBytes, stripExponent } = execution;
  const sizes = slicedSizes(network.sizes, chunks);
  const output = sizeOfLabels(network.output, network.sizes) * itemBytes;
  const tasks = yield* tasksOf(execution, chunks);
  const root = tasks.at(-1)!.node;
  const rootBuffer = stripExponent && chunks.size > 0;
  const own = new Map<number, number>();
  let alive = output;
  let peakBytes = output;
  let totalBytes = output;
  let once = 0;
  let each = 0;
  let work = 0;
  for (const { node, join, release, once: first } of tasks) {
    const labels = join?.kept ?? network.leaves[node];
    work += labels.length + (join?.summed.length ?? 0) + TASK_WORK;
    if (work > LABELS_PER_PAUSE) {
      work = 0;
      yield;
    }
    const bytes = node === root && !rootBuffer ? 0 : sizeOfLabels(labels, sizes) * itemBytes;
    own.set(node, bytes);
    alive += bytes;
    totalBytes += bytes;
    const workspace = join === undefined ? 0 : machine.workspaceBytes(productSize(join, sizes), strategy, itemBytes);
    peakBytes = Math.max(peakBytes, alive + workspace);
    for (const old of release) alive -= own.get(old)!;
    const cost = join === undefined ? sumCost(network, node, sizes, model) : joinCost(join, sizes, model);
    if (first) once += cost;
    else each += cost;
  }
  let passes = 1;
  for (const [label, chunk] of chunks) passes *= Math.ceil(network.sizes[label] / chunk);
  return { peakBytes, totalBytes, cost: once + passes * each };
}

/** Extents of the bundles of a join: what both have and keep, what only a has, what only b has, what is summed. */
export function productSize({ aLabels, bLabels, kept, summed }: Join, sizes: readonly number[]): ProductSize {
  const [inA, inB] = [new Set(aLabels), new Set(bLabels)];
  const product = (keep: (label: number) => boolean) => sizeOfLabels(kept.filter(keep), sizes);
  return {
    batch: product((label) => inA.has(label) && inB.has(label)),
    m: product((label) => !inB.has(label)),
    n: product((label) => !inA.has(label)),
    k: sizeOfLabels(summed, sizes),
  };
}

function sumCost(network: SimplifiedNetwork, leaf: number, sizes: readonly number[], model: CostModel): number {
  const points = sizeOfLabels(network.sources[leaf].labels, sizes);
  const elements = points + sizeOfLabels(network.leaves[leaf], sizes);
  return model.perFlop * points + model.perElement * elements + model.perStep;
}
