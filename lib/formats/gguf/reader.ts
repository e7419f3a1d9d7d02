import type { Pacer } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { byteCount } from '../../words/counts.js';
import type { SourceFile } from '../source_file.js';
import { Window } from '../window.js';

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
  readonly #window: Window;

  constructor(source: SourceFile, pacer: Pacer) {
    this.#source = source;
    this.#pacer = pacer;
    this.#window = new Window(source, WINDOW);
  }

  async uint32(what: string): Promise<number> {
    return (await this.#take(4, what)).getUint32(0, !this.bigEndian);
  }

  /** How many of something there are; beyond 2⁵³ only its size is right. */
  async count(what: string): Promise<number> {
    if (!this.wideCounts) return this.uint32(what);
    return Number(await this.uint64(what));
  }

  async uint64(what: string): Promise<bigint> {
    return (await this.#take(8, what)).getBigUint64(0, !this.bigEndian);
  }

  async float32(what: string): Promise<number> {
    return (await this.#take(4, what)).getFloat32(0, !this.bigEndian);
  }

  async float64(what: string): Promise<number> {
    return (await this.#take(8, what)).getFloat64(0, !this.bigEndian);
  }

  /** A whole number of so many bytes. */
  async integer(bytes: 1 | 2 | 4 | 8, signed: boolean, what: string): Promise<number | bigint> {
    const [view, little] = [await this.#take(bytes, what), !this.bigEndian];
    if (bytes === 8) return signed ? view.getBigInt64(0, little) : view.getBigUint64(0, little);
    if (bytes === 4) return signed ? view.getInt32(0, little) : view.getUint32(0, little);
    if (bytes === 2) return signed ? view.getInt16(0, little) : view.getUint16(0, little);
    return signed ? view.getInt8(0) : view.getUint8(0);
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
    const bytes = await this.#take(length, what);
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

  /** The next bytes, which are then behind us. */
  async #take(bytes: number, what: string): Promise<DataView> {
    const at = this.position;
    this.skip(bytes, what);
    if (this.#pacer.due(VALUE_WORK)) await this.#pacer.pause();
    const { buffer, byteOffset, byteLength } = await this.#window.bytes(at, bytes);
    return new DataView(buffer, byteOffset, byteLength);
  }

  #cutShort(bytes: number, what: string): TensimError {
    const left = byteCount(this.#source.size - this.position);
    return this.damaged(`it is cut short: ${what} has ${byteCount(bytes)}, of which ${left} are there`);
  }
}
