import { createHash } from 'node:crypto';

/** What has been read of a file, so that it can be read again and compared. */
export class ReadJournal {
  readonly #places: number[] = [];
  readonly #hash = createHash('sha256');

  add(position: number, bytes: Uint8Array): void {
    this.#places.push(position, bytes.length);
    this.#hash.update(bytes);
  }

  /** Whether the same bytes are read at the same places now. */
  async reads(read: (into: Uint8Array, position: number) => Promise<void>): Promise<boolean> {
    const again = createHash('sha256');
    let buffer = new Uint8Array(0);
    for (let i = 0; i < this.#places.length; i += 2) {
      const [position, length] = [this.#places[i], this.#places[i + 1]];
      if (length > buffer.length) buffer = new Uint8Array(length);
      const piece = buffer.subarray(0, length);
      await read(piece, position);
      again.update(piece);
    }
    return again.digest('hex') === this.#hash.copy().digest('hex');
  }
}
