import { createHash } from 'node:crypto';
import type { SourceFile } from './source_file.js';

/**
 * SHA-256 over the bytes of files, one after the other, that are read for other ends too: bytes that come by in their
 * order are hashed on the way, and only what nobody else has read is read for it.
 */
export class RunningDigest {
  readonly #sources: readonly SourceFile[];
  readonly #hash = createHash('sha256');
  /** The file that is hashed, and how far it is. */
  #file = 0;
  #reached = 0;
  #result: string | undefined;

  constructor(sources: readonly SourceFile[]) {
    this.#sources = sources;
  }

  /** Takes what was read from `position` of a file on, as far as it goes on where the digest is. */
  take(source: SourceFile, position: number, bytes: Uint8Array): void {
    if (source !== this.#sources[this.#file]) return;
    const known = this.#reached - position;
    if (known < 0 || known >= bytes.length) return;
    this.#hash.update(bytes.subarray(known));
    this.#reached = position + bytes.length;
  }

  /** Reads up to a position of a file; nothing, if it is past it. */
  async reach(source: SourceFile, position: number, signal?: AbortSignal): Promise<void> {
    const wanted = this.#sources.indexOf(source);
    while (this.#file < wanted) {
      const before = this.#sources[this.#file];
      await this.#readTo(before, before.size, signal);
      this.#next(before);
    }
    if (this.#file === wanted) await this.#readTo(source, position, signal);
  }

  /** The digest of all, in hexadecimal. */
  async finish(signal?: AbortSignal): Promise<string> {
    const last = this.#sources.at(-1);
    if (last !== undefined) await this.reach(last, last.size, signal);
    this.#result ??= this.#hash.digest('hex');
    return this.#result;
  }

  async #readTo(source: SourceFile, position: number, signal: AbortSignal | undefined): Promise<void> {
    const from = this.#reached;
    const passing = (at: number, piece: Uint8Array) => this.take(source, at, piece);
    for await (const _ of source.chunks(from, Math.max(0, position - from), { signal, passing }));
  }

  /** Goes on to the file after this one, unless another reader already has. */
  #next(source: SourceFile): void {
    if (source !== this.#sources[this.#file]) return;
    this.#file++;
    this.#reached = 0;
  }
}
