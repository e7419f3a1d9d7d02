import type { ByteSource } from './source_file.js';

/** Reads a file in many small steps that mostly go on from each other, holding no more of it than a window. */
export class Window {
  readonly #source: ByteSource;
  readonly #size: number;
  #bytes = Buffer.alloc(0);
  #at = 0;

  /** @param size bytes that are read at a time, where more are not asked for */
  constructor(source: ByteSource, size: number) {
    this.#source = source;
    this.#size = size;
  }

  /** So many bytes from `at` on, which are in the file; valid until the next are asked for. */
  async bytes(at: number, length: number): Promise<Buffer> {
    const inside = at - this.#at;
    if (inside >= 0 && inside + length <= this.#bytes.length) return this.#bytes.subarray(inside, inside + length);
    this.#bytes = Buffer.alloc(Math.min(Math.max(this.#size, length), this.#source.size - at));
    this.#at = at;
    await this.#source.read(this.#bytes, at);
    return this.#bytes.subarray(0, length);
  }
}
