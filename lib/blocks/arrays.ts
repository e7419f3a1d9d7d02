/** Arrays that wait for their next use may take so many bytes. */
const MOST_IDLE = 24 * 2 ** 20;

/**
 * Arrays of a few sizes that are needed again and again: claimed anew each time, all their pages would be, and all would
 * lie about until they are collected.
 */
export class Arrays {
  readonly #idle: Float64Array[] = [];
  #bytes = 0;

  /** Of any content. */
  take(length: number): Float64Array {
    const at = this.#idle.findLastIndex((one) => one.length === length);
    if (at < 0) return new Float64Array(length);
    const [found] = this.#idle.splice(at, 1);
    this.#bytes -= found.byteLength;
    return found;
  }

  /** Takes back what nobody reads any more. */
  give(arrays: Iterable<Float64Array>): void {
    for (const array of arrays) {
      if (this.#idle.includes(array)) continue;
      this.#idle.push(array);
      this.#bytes += array.byteLength;
    }
    while (this.#bytes > MOST_IDLE) this.#bytes -= this.#idle.shift()!.byteLength;
  }
}
