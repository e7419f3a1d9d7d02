/** Reads the arguments of a pickle's instructions one after the other. */
export class ByteReader {
  position = 0;
  readonly #bytes: Buffer;
  readonly #fail: (problem: string) => Error;

  /** @param fail makes the error for a pickle that ends in the middle */
  constructor(bytes: Buffer, fail: (problem: string) => Error) {
    this.#bytes = bytes;
    this.#fail = fail;
  }

  byte(): number {
    return this.#bytes[this.#take(1)];
  }

  uint16(): number {
    return this.#bytes.readUInt16LE(this.#take(2));
  }

  int32(): number {
    return this.#bytes.readInt32LE(this.#take(4));
  }

  uint32(): number {
    return this.#bytes.readUInt32LE(this.#take(4));
  }

  /** Big-endian, as pickles have it. */
  float64(): number {
    return this.#bytes.readDoubleBE(this.#take(8));
  }

  skip(length: number): void {
    this.#take(length);
  }

  /** So many bytes, not copied. */
  bytes(length: number): Buffer {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** A line without its end, at most `limit` bytes. */
  line(limit: number): string {
    const from = this.position;
    const end = this.#bytes.subarray(from, from + limit).indexOf(0x0a);
    if (end < 0) throw this.#fail('has a name without an end');
    this.position = from + end + 1;
    return this.#bytes.toString('latin1', from, from + end);
  }

  #take(length: number): number {
    const at = this.position;
    if (at + length > this.#bytes.length) throw this.#fail('breaks off');
    this.position = at + length;
    return at;
  }
}
