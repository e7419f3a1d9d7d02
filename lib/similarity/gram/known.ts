/** Which pairs of models have been computed: two numbers in any order are one pair. */
export class KnownPairs {
  readonly #bytes: number;
  /** A bit for every j ≥ i, by i; made when the first of them is known. */
  readonly #rows: (Uint8Array | undefined)[];
  #any = false;

  constructor(count: number) {
    this.#bytes = Math.ceil(count / 8);
    this.#rows = new Array<Uint8Array | undefined>(count);
  }

  /** Whether there is none. */
  get isEmpty(): boolean {
    return !this.#any;
  }

  has(i: number, j: number): boolean {
    const [low, high] = i < j ? [i, j] : [j, i];
    const row = this.#rows[low];
    return row !== undefined && (row[high >> 3] & (1 << (high & 7))) !== 0;
  }

  add(i: number, j: number): void {
    const high = Math.max(i, j);
    this.#row(Math.min(i, j))[high >> 3] |= 1 << (high & 7);
  }

  /** Pairs of i with every one of these from place `first` on. */
  addAll(i: number, others: readonly number[], first: number): void {
    const row = this.#row(i);
    for (let c = first; c < others.length; c++) {
      const j = others[c];
      if (j < i) this.add(j, i);
      else row[j >> 3] |= 1 << (j & 7);
    }
  }

  #row(i: number): Uint8Array {
    this.#any = true;
    this.#rows[i] ??= new Uint8Array(this.#bytes);
    return this.#rows[i];
  }
}
