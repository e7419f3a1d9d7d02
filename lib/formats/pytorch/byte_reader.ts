import type { Argument } from './opcodes.js';
import { MOST_TEXT } from './values.js';

/** A stretch of a pickle. */
export interface Span {
  readonly at: number;
  readonly length: number;
}

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

  /** Beyond 2^53 it is rounded, and beyond any pickle all the same. */
  uint64(): number {
    return Number(this.#bytes.readBigUInt64LE(this.#take(8)));
  }

  /** Big-endian, as pickles have it. */
  float64(): number {
    return this.#bytes.readDoubleBE(this.#take(8));
  }

  /** So many bytes, not copied. */
  bytes(length: number): Buffer {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  span(length: number): Span {
    return { at: this.#take(length), length };
  }

  /** A name: a line without its end. */
  line(): string {
    const { at, length } = this.lineSpan();
    if (length > MOST_TEXT) throw this.#fail('has a name without an end');
    return this.#bytes.toString('latin1', at, at + length);
  }

  /** A line of any length, without its end. */
  lineSpan(): Span {
    const at = this.position;
    const end = this.#bytes.indexOf(0x0a, at);
    if (end < 0) throw this.#fail('has a name without an end');
    this.position = end + 1;
    return { at, length: end - at };
  }

  /** Passes over what follows an instruction. */
  skip(argument: Argument): void {
    if ('bytes' in argument) this.#take(argument.bytes);
    else if ('length' in argument) {
      const { length } = argument;
      this.#take(length === 1 ? this.byte() : length === 4 ? this.uint32() : this.uint64());
    } else for (let lines = 0; lines < argument.lines; lines++) this.lineSpan();
  }

  #take(length: number): number {
    const at = this.position;
    if (at + length > this.#bytes.length) throw this.#fail('breaks off');
    this.position = at + length;
    return at;
  }
}
