/**
 * Nodes in a list from which some are taken out and to whose end others are put, by their places among those that are
 * left: the tree of Fenwick counts them, so that a path of a hundred thousand entries is no matter of minutes.
 */
export class Places {
  readonly #nodes: number[] = [];
  readonly #slots = new Map<number, number>();
  readonly #counts: Int32Array;
  readonly #top: number;
  #left = 0;

  /** @param most nodes that will be put in, in all */
  constructor(most: number) {
    this.#counts = new Int32Array(most + 1);
    this.#top = 2 ** Math.floor(Math.log2(Math.max(1, most)));
  }

  /** How many are left. */
  get length(): number {
    return this.#left;
  }

  push(node: number): void {
    const slot = this.#nodes.push(node) - 1;
    this.#slots.set(node, slot);
    this.#add(slot, 1);
  }

  /** The node at a place. */
  at(place: number): number {
    let slot = 0;
    let before = place;
    for (let step = this.#top; step > 0; step >>= 1) {
      const next = slot + step;
      if (next < this.#counts.length && this.#counts[next] <= before) {
        slot = next;
        before -= this.#counts[next];
      }
    }
    return this.#nodes[slot];
  }

  /** The place of a node. */
  of(node: number): number {
    let place = 0;
    for (let i = this.#slots.get(node)!; i > 0; i -= i & -i) place += this.#counts[i];
    return place;
  }

  delete(node: number): void {
    this.#add(this.#slots.get(node)!, -1);
    this.#slots.delete(node);
  }

  #add(slot: number, by: 1 | -1): void {
    this.#left += by;
    for (let i = slot + 1; i < this.#counts.length; i += i & -i) this.#counts[i] += by;
  }
}
