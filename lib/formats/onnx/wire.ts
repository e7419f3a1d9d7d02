import type { BinaryReader } from '@bufbuild/protobuf/wire';
import type { Pacer } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { byteCount } from '../../words/counts.js';
import type { SourceFile } from '../source_file.js';
import { Window } from '../window.js';

/** How a field of a message is written. */
export type Wire = 'varint' | 'fixed64' | 'bytes' | 'group' | 'end' | 'fixed32';

const WIRES: readonly Wire[] = ['varint', 'fixed64', 'bytes', 'group', 'end', 'fixed32'];

/** One field of a message: its number, and where in the file its content lies. */
export interface Field {
  readonly number: number;
  readonly wire: Wire;
  readonly at: number;
  readonly bytes: number;
}

/** A part of the file that is a message. */
export type Extent = Pick<Field, 'at' | 'bytes'>;

/** Bytes that are read at a time while fields are looked for: most messages but those with weights are shorter. */
const WINDOW = 8192;
/** A tag and a length, each a number of at most ten bytes. */
const MOST_HEAD = 20;
/** What looking at a field takes, in multiply-adds. */
const FIELD_WORK = 1 << 9;
/** The longest list of numbers that is unpacked. */
const MOST_LISTED = 4096;

/**
 * Walks through the messages of a file of protocol buffers, by the reader of their own library, without holding more of
 * it than a window: weights are passed over, and where they lie is told. Nothing is followed but what the caller asks
 * for, so that no nesting of messages reaches far.
 */
export class Messages {
  readonly #source: SourceFile;
  readonly #Reader: typeof BinaryReader;
  readonly #pacer: Pacer;
  readonly #window: Window;

  constructor(source: SourceFile, Reader: typeof BinaryReader, pacer: Pacer) {
    this.#source = source;
    this.#Reader = Reader;
    this.#pacer = pacer;
    this.#window = new Window(source, WINDOW);
  }

  /** The whole file. */
  get all(): Extent {
    return { at: 0, bytes: this.#source.size };
  }

  /**
   * The fields of a message, in the order of the file.
   * @throws TensimError `INVALID_FILE` for what is no message, and for a field that ends behind it
   */
  async *fields({ at: from, bytes }: Extent, what: string): AsyncGenerator<Field> {
    const end = from + bytes;
    for (let at = from; at < end; ) {
      if (this.#pacer.due(FIELD_WORK)) await this.#pacer.pause();
      const field = await this.#fieldAt(at, end, what);
      yield field;
      at = field.at + field.bytes;
    }
  }

  async #fieldAt(at: number, end: number, what: string): Promise<Field> {
    const head = await this.#window.bytes(at, Math.min(MOST_HEAD, end - at));
    const { number, wire, behind, length } = this.#read(head, what, (reader) => {
      const [one, type] = reader.tag();
      const kind = WIRES[type];
      const begin = reader.pos;
      if (kind === 'varint') reader.uint64();
      return {
        number: one,
        wire: kind,
        behind: kind === 'bytes' ? undefined : begin,
        length:
          kind === 'bytes' ? reader.uint32() : kind === 'varint' ? reader.pos - begin : kind === 'fixed32' ? 4 : 8,
        ...(kind === 'bytes' && { behind: reader.pos }),
      };
    });
    if (wire === 'group' || wire === 'end') throw this.damaged(`${what} is no message of ONNX: it has a group in it`);
    const content = at + behind!;
    if (content + length <= end) return { number, wire, at: content, bytes: length };
    throw this.damaged(
      end === this.#source.size
        ? `it is cut short: ${what} has a part of ${byteCount(length)}, of which ${byteCount(end - content)} are there`
        : `${what} has a part that ends behind it`,
    );
  }

  /**
   * A field as bytes.
   * @throws TensimError `INVALID_FILE` for one that is longer than `most`, or written in another way
   */
  async content(field: Field, most: number, what: string): Promise<Buffer> {
    if (field.wire !== 'bytes') throw this.damaged(`${what} is written as a number`);
    if (field.bytes > most)
      throw this.damaged(`${what} has ${byteCount(field.bytes)}, at most ${byteCount(most)} are read`);
    return Buffer.from(await this.#window.bytes(field.at, field.bytes));
  }

  /** A whole number; beyond 2⁵³ only its size is right. */
  async integer(field: Field, what: string): Promise<number> {
    if (field.wire !== 'varint') throw this.damaged(`${what} is no whole number`);
    const bytes = await this.#window.bytes(field.at, field.bytes);
    return this.#read(bytes, what, (reader) => Number(reader.int64()));
  }

  /** A float of 32 bits. */
  async float(field: Field, what: string): Promise<number> {
    if (field.wire !== 'fixed32') throw this.damaged(`${what} is no number`);
    return this.#read(await this.#window.bytes(field.at, 4), what, (reader) => reader.float());
  }

  /** One whole number of a list, or many of them packed. */
  async integers(field: Field, what: string): Promise<number[]> {
    if (field.wire === 'varint') return [await this.integer(field, what)];
    const bytes = await this.content(field, MOST_LISTED, what);
    return this.#read(bytes, what, (reader) => {
      const numbers: number[] = [];
      while (reader.pos < reader.len) numbers.push(Number(reader.int64()));
      return numbers;
    });
  }

  /** What is to be thrown where the file is none that it claims to be. */
  damaged(problem: string): TensimError {
    return new TensimError('INVALID_FILE', problem, {
      file: this.#source.path,
      hint: 'The file is damaged, or no ONNX model: copy, download or export it again',
    });
  }

  #read<Result>(bytes: Uint8Array, what: string, use: (reader: BinaryReader) => Result): Result {
    try {
      return use(new this.#Reader(bytes));
    } catch (error) {
      if (error instanceof TensimError) throw error;
      throw this.damaged(`${what} is no message of ONNX (${(error as Error).message})`);
    }
  }
}
