/**
 * Pairs by a key, the smallest first, of equal ones the one that came first: a binary heap in typed arrays, so that
 * millions of pairs take 24 bytes each. What is not a number counts as the largest.
 */
export class PairQueue {
  #size = 0;
  #pushed = 0;
  #keys = new Float64Array(64);
  #order = new Float64Array(64);
  #pairs = new Int32Array(128);

  get size(): number {
    return this.#size;
  }

  push(key: number, a: number, b: number): void {
    if (this.#size === this.#keys.length) this.#grow();
    let at = this.#size++;
    const order = this.#pushed++;
    const value = Number.isNaN(key) ? Number.POSITIVE_INFINITY : key;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.#before(parent, value, order)) break;
      this.#move(parent, at);
      at = parent;
    }
    this.#set(at, value, order, a, b);
  }

  /** Takes the first pair out. */
  pop(): [a: number, b: number] | undefined {
    if (this.#size === 0) return undefined;
    const first: [number, number] = [this.#pairs[0], this.#pairs[1]];
    const last = --this.#size;
    const [key, order] = [this.#keys[last], this.#order[last]];
    let at = 0;
    for (let child = 1; child < last; child = 2 * at + 1) {
      if (child + 1 < last && this.#before(child + 1, this.#keys[child], this.#order[child])) child++;
      if (!this.#before(child, key, order)) break;
      this.#move(child, at);
      at = child;
    }
    this.#set(at, key, order, this.#pairs[2 * last], this.#pairs[2 * last + 1]);
    return first;
  }

  /** Whether the pair at a place comes before one of that key and order. */
  #before(place: number, key: number, order: number): boolean {
    const own = this.#keys[place];
    return own < key || (own === key && this.#order[place] < order);
  }

  #move(from: number, to: number): void {
    this.#set(to, this.#keys[from], this.#order[from], this.#pairs[2 * from], this.#pairs[2 * from + 1]);
  }

  #set(place: number, key: number, order: number, a: number, b: number): void {
    this.#keys[place] = key;
    this.#order[place] = order;
    this.#pairs[2 * place] = a;
    this.#pairs[2 * place + 1] = b;
  }

  #grow(): void {
    const [keys, order, pairs] = [this.#keys, this.#order, this.#pairs];
    this.#keys = new Float64Array(2 * keys.length);
    this.#order = new Float64Array(2 * keys.length);
    this.#pairs = new Int32Array(4 * keys.length);
    this.#keys.set(keys);
    this.#order.set(order);
    this.#pairs.set(pairs);
  }
}
