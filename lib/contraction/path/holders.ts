import type { Network } from '../network.js';

/** Of a label that more nodes hold than this, a node knows only the nearest. */
const MANY = 1024;
const NEAREST = 4;

/**
 * Which nodes of a network that is being joined hold which label. Nodes are numbered in the order they come in, and
 * kept in it.
 */
export class Holders {
  readonly #output: Uint8Array;
  readonly #nodes: number[][];
  /** Nodes that hold a label, and still count. */
  readonly #counts: Int32Array;
  /** Of every label the operands of the last question that have it. */
  readonly #seen: Uint8Array;
  readonly #labels = new Map<number, readonly number[]>();

  constructor({ output, sizes }: Network) {
    this.#output = new Uint8Array(sizes.length);
    for (const label of output) this.#output[label] = 1;
    this.#nodes = Array.from({ length: sizes.length }, () => []);
    this.#counts = new Int32Array(sizes.length);
    this.#seen = new Uint8Array(sizes.length);
  }

  get size(): number {
    return this.#labels.size;
  }

  nodes(): Iterable<number> {
    return this.#labels.keys();
  }

  has(node: number): boolean {
    return this.#labels.has(node);
  }

  labels(node: number): readonly number[] {
    return this.#labels.get(node)!;
  }

  add(node: number, labels: readonly number[]): void {
    this.#labels.set(node, labels);
    for (const label of labels) {
      this.#nodes[label].push(node);
      this.#counts[label]++;
    }
  }

  delete(node: number): void {
    for (const label of this.labels(node)) {
      const left = --this.#counts[label];
      const nodes = this.#nodes[label];
      if (nodes.length > 2 * left + 8) this.#nodes[label] = nodes.filter((at) => at !== node && this.has(at));
    }
    this.#labels.delete(node);
  }

  /** Labels of the product of two nodes: those that the output or another node has. */
  made(a: number, b: number): number[] {
    const [first, second] = [this.labels(a), this.labels(b)];
    for (const label of first) this.#seen[label]++;
    for (const label of second) this.#seen[label]++;
    const kept: number[] = [];
    for (const labels of [first, second]) {
      for (const label of labels) {
        const own = this.#seen[label];
        this.#seen[label] = 0;
        if (own > 0 && (this.#output[label] === 1 || this.#counts[label] > own)) kept.push(label);
      }
    }
    return kept;
  }

  /** The nodes that share a label with one, in the order of its labels. */
  neighbours(node: number): Set<number> {
    const found = new Set<number>();
    for (const label of this.labels(node)) {
      const nodes = this.#nodes[label];
      if (this.#counts[label] <= MANY) for (const other of nodes) found.add(other);
      else this.#nearest(nodes, node, found);
    }
    found.delete(node);
    for (const other of found) if (!this.has(other)) found.delete(other);
    return found;
  }

  /** Of nodes in order those beside one. */
  #nearest(nodes: readonly number[], node: number, found: Set<number>): void {
    let [low, high] = [0, nodes.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (nodes[middle] < node) low = middle + 1;
      else high = middle;
    }
    for (const step of [-1, 1]) {
      let taken = 0;
      for (let at = low + step; taken < NEAREST && at >= 0 && at < nodes.length; at += step) {
        if (!this.has(nodes[at])) continue;
        found.add(nodes[at]);
        taken++;
      }
    }
  }
}
