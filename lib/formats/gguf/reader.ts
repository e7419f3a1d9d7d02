import type { Pacer } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { byteCount } from '../../words/counts.js';
import type { SourceFile } from '../source_file.js';

/** Bytes that are read at a time: headers are long where they hold a vocabulary. */
const WINDOW = 1 << 18;
/** What reading a value takes, in multiply-adds. */
const VALUE_WORK = 1 << 8;

/**
 * Reads the values of a GGUF file's header one after the other, holding no more of it than a window. Counts and lengths
 * have 32 bits in the first version of the format and 64 in later ones, and all numbers the order of bytes of the
 * machine that wrote them.
 */
export class HeaderReader {
  /** Where the next value begins in the file. */
  position = 0;
  wideCounts = true;
  bigEndian = false;
  readonly #source: SourceFile;
  readonly #pacer: Pacer;
  #window: DataView<ArrayBuffer> = new DataView(new ArrayBuffer(0));
  #windowAt = 0;

  constructor(source: SourceFile, pacer: Pacer) {
    this.#source = source;
    this.#pacer = pacer;
  }

  async uint32(what: string): Promise<number> {
    const at = await this.#take(4, what);
    return this.#window.getUint32(at, !this.bigEndian);
  }

  /** How many of something there are; beyond 2⁵³ only its size is right. */
  async count(what: string): Promise<number> {
    if (!this.wideCounts) return this.uint32(what);
    return Number(await this.uint64(what));
  }

  async uint64(what: string): Promise<bigint> {
    const at = await this.#take(8, what);
    return this.#window.getBigUint64(at, !this.bigEndian);
  }

  async float32(what: string): Promise<number> {
    const at = await this.#take(4, what);
    return this.#window.getFloat32(at, !this.bigEndian);
  }

  async float64(what: string): Promise<number> {
    const at = await this.#take(8, what);
    return this.#window.getFloat64(at, !this.bigEndian);
  }

  /** A whole number of so many bytes. */
  async integer(bytes: 1 | 2 | 4 | 8, signed: boolean, what: string): Promise<number | bigint> {
    const at = await this.#take(bytes, what);
    const [view, little] = [this.#window, !this.bigEndian];
    if (bytes === 8) return signed ? view.getBigInt64(at, little) : view.getBigUint64(at, little);
    if (bytes === 4) return signed ? view.getInt32(at, little) : view.getUint32(at, little);
    if (bytes === 2) return signed ? view.getInt16(at, little) : view.getUint16(at, little);
    return signed ? view.getInt8(at) : view.getUint8(at);
  }

  /**
   * A text; undefined for one that is longer than `most` bytes, which is passed over.
   * @throws TensimError `INVALID_FILE` for one that is not UTF-8, or ends behind the file
   */
  async text(most: number, what: string): Promise<string | undefined> {
    const length = await this.count(what);
    if (length > most) {
      this.skip(length, what);
      return undefined;
    }
    const at = await this.#take(length, what);
    const bytes = new Uint8Array(this.#window.buffer, at, length);
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      throw this.damaged(`${what} is not UTF-8`);
    }
  }

  /** Passes over so many bytes without reading them. */
  skip(bytes: number, what: string): void {
    if (bytes > this.#source.size - this.position) throw this.#cutShort(bytes, what);
    this.position += bytes;
  }

  /** What is to be thrown where the file is none that it claims to be. */
  damaged(problem: string): TensimError {
    return new TensimError('INVALID_FILE', problem, {
      file: this.#source.path,
      hint: 'The file is damaged: copy, download or convert it again',
    });
  }

  /** Where in the window the next bytes are, which are then behind us. */
  async #take(bytes: number, what: string): Promise<number> {
    if (bytes > this.#source.size - this.position) throw this.#cutShort(bytes, what);
    if (this.#pacer.due(VALUE_WORK)) await this.#pacer.pause();
    const inside = this.position - this.#windowAt;
    if (inside < 0 || inside + bytes > this.#window.byteLength) {
      const window = new Uint8Array(Math.min(Math.max(WINDOW, bytes), this.#source.size - this.position));
      await this.#source.read(window, this.position);
      this.#window = new DataView(window.buffer);
      this.#windowAt = this.position;
    }
    const at = this.position - this.#windowAt;
    this.position += bytes;
    return at;
  }

  #cutShort(bytes: number, what: string): TensimError {
    const left = byteCount(this.#source.size - this.position);
    return this.damaged(`it is cut short: ${what} has ${byteCount(bytes)}, of which ${left} are there`);
  }
}
