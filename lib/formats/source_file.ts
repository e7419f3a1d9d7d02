import { type BigIntStats, constants, type Stats } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { TensimError } from '../errors.js';
import { byteCount } from '../words/counts.js';
import { fileChanged, isChange } from './changed.js';
import { ReadJournal } from './read_journal.js';
import { isAsStamped, type Stamp, stampOf } from './stamp.js';

/** Bytes per positioned read. A multiple of every element size, so that no element is split between two chunks. */
const CHUNK_BYTES = 2 * 1024 * 1024;

/** Files up to this size are written in one go by nearly all programs. */
const PIECE_BYTES = 256 * 1024;
/** For how long a system that is busy keeps a program from going on. */
const HELD_UP_MS = 100;

/**
 * Buffers for pieces that are not in use: thousands of small files would leave as many behind, which takes memory until
 * they are collected.
 */
const idleBuffers: Uint8Array[] = [];
const MOST_IDLE = 2;

/** For whom something is read. */
export interface ReadOptions {
  readonly signal?: AbortSignal | undefined;
  /** Named by errors. */
  readonly tensor?: string | undefined;
  /** Sees every piece, with its place in the file, before anyone changes it. */
  readonly passing?: ((position: number, piece: Uint8Array) => void) | undefined;
}

/** Bytes that are read from any position: a file, or a part of one. */
export interface ByteSource {
  /** Of the file, for messages. */
  readonly path: string;
  readonly size: number;
  /** As `SourceFile.read`. */
  read(into: Uint8Array, position: number, options?: ReadOptions): Promise<void>;
}

/** A part of a file as if it was one: an archive within an archive. */
export function partOf(source: ByteSource, from: number, size: number): ByteSource {
  return { path: source.path, size, read: (into, position, options) => source.read(into, from + position, options) };
}

/** A regular file open for positioned reads, with the size and the stamp that it had when it was opened. */
export class SourceFile implements ByteSource {
  readonly path: string;
  readonly size: number;
  readonly stamp: Stamp;
  private readonly handle: FileHandle;
  private readonly times: string;
  /** Of a file that was written to so lately that another write could leave no trace in its stamp. */
  private readonly journal: ReadJournal | undefined;
  private closing: Promise<void> | undefined;

  private constructor(path: string, stats: BigIntStats, handle: FileHandle) {
    this.path = path;
    this.size = Number(stats.size);
    this.stamp = stampOf(stats);
    this.times = timesOf(stats);
    this.journal = this.stamp.settled ? undefined : new ReadJournal();
    this.handle = handle;
  }

  /**
   * @throws TensimError `FILE_NOT_FOUND` if nothing readable is there, `INVALID_FILE` if it is not a regular file,
   * `INVALID_ARGUMENT` if the path can be none.
   */
  static async open(path: string): Promise<SourceFile> {
    if (typeof path !== 'string' || path === '' || path.includes('\0'))
      throw new TensimError(
        'INVALID_ARGUMENT',
        'the path of a file must be a non-empty string without null characters',
      );
    let handle: FileHandle | undefined;
    try {
      // Looked at before it is opened, because opening a device can have effects; opened without blocking and looked at
      // again, because a FIFO could have taken the place of the file in between and its opening would wait for a
      // writer.
      requireRegular(path, await stat(path));
      handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
      const stats = await handle.stat({ bigint: true });
      requireRegular(path, stats);
      return new SourceFile(path, stats, handle);
    } catch (error) {
      await handle?.close();
      throw openError(path, error);
    }
  }

  /**
   * Opens a file for what is read of it at first, a listing: it then stays open, or is closed where that fails.
   * @throws TensimError as `open`; what `read` throws, or that the file has changed if that is the reason
   */
  static async openedFor<Result>(path: string, read: (source: SourceFile) => Promise<Result>): Promise<Result> {
    const source = await SourceFile.open(path);
    try {
      return await read(source);
    } catch (error) {
      const blamed = await source.blamed(error);
      await source.close();
      throw blamed;
    }
  }

  /**
   * Fills `into` with the bytes from `position` on.
   * @throws TensimError `FILE_CHANGED` if the file ends before; `INVALID_FILE` if the system cannot read it
   */
  async read(into: Uint8Array, position: number, options: ReadOptions = {}): Promise<void> {
    await this.fill(into, position, options);
    this.journal?.add(position, into);
  }

  /**
   * Makes sure that the file is as long, and was last written to, as when it was opened.
   * @throws TensimError `FILE_CHANGED`
   */
  async checkUntouched(): Promise<void> {
    // Whether it has got other names, or lost its own, does not matter to who has it open.
    if (timesOf(await this.handle.stat({ bigint: true })) !== this.times) throw fileChanged(this.path);
  }

  /** Whether what was read of it is read again, where its stamp alone could not tell. */
  async readsTheSame(): Promise<boolean> {
    if (this.journal === undefined) return true;
    // What is written in several pieces may be in the middle of it, and its writer held up for a while.
    if (this.size > PIECE_BYTES) await wait(HELD_UP_MS);
    return this.journal.reads((into, position) => this.fill(into, position));
  }

  /** Whether the same file lies under its path, with the stamp that it had when it was opened. */
  isInPlace(): Promise<boolean> {
    return isAsStamped([this.path], this.stamp);
  }

  /** What is to be thrown for an error that came of reading it: that it has changed, if it has. */
  async blamed(error: unknown): Promise<unknown> {
    const byFile = error instanceof TensimError && !isChange(error) && !(await this.isInPlace());
    return byFile ? fileChanged(this.path, error) : error;
  }

  private async fill(into: Uint8Array, position: number, { tensor }: ReadOptions = {}): Promise<void> {
    const place = { file: this.path, ...(tensor === undefined ? {} : { tensor }) };
    let done = 0;
    while (done < into.length) {
      if (this.closing !== undefined)
        throw new TensimError('INVALID_ARGUMENT', 'the checkpoint has been closed', place);
      const { bytesRead } = await this.handle
        .read(into, done, into.length - done, position + done)
        .catch((error: unknown) => {
          throw new TensimError('INVALID_FILE', `reading failed (${reason(error)})`, { ...place, cause: error });
        });
      if (bytesRead === 0)
        throw new TensimError(
          'FILE_CHANGED',
          `the file had ${byteCount(this.size)} when it was opened and now ends after ${byteCount(position + done)}`,
          { ...place, hint: 'Something shortened it while it was read; try again when it is complete' },
        );
      done += bytesRead;
    }
  }

  /** `length` bytes from `position` on, in pieces. Each piece is valid until the next is asked for. */
  async *chunks(position: number, length: number, options: ReadOptions = {}): AsyncGenerator<Uint8Array> {
    const buffer = idleBuffers.pop() ?? new Uint8Array(CHUNK_BYTES);
    try {
      for (let done = 0; done < length; done += buffer.length) {
        options.signal?.throwIfAborted();
        const piece = buffer.subarray(0, Math.min(buffer.length, length - done));
        await this.read(piece, position + done, options);
        options.passing?.(position + done, piece);
        yield piece;
      }
    } finally {
      if (idleBuffers.length < MOST_IDLE) idleBuffers.push(buffer);
    }
  }

  /** Waits for reads under way; closing twice is no error. */
  close(): Promise<void> {
    this.closing ??= this.handle.close();
    return this.closing;
  }
}

/** @throws TensimError `INVALID_FILE` for a device, a FIFO and whatever else is no file with a size. */
export function requireRegular(
  path: string,
  stats: Stats | BigIntStats,
  hint = 'Give the path of a file: .safetensors, .safetensors.index.json, .pt, …',
): void {
  if (stats.isFile()) return;
  const kind = stats.isDirectory()
    ? 'a directory'
    : stats.isFIFO()
      ? 'a FIFO'
      : stats.isSocket()
        ? 'a socket'
        : 'a device';
  throw new TensimError('INVALID_FILE', `this is ${kind}, not a file`, {
    file: path,
    hint,
  });
}

/** What every write to the content moves on. */
const timesOf = ({ size, mtimeNs }: BigIntStats): string => `${size} ${mtimeNs}`;

function openError(path: string, error: unknown): unknown {
  if (error instanceof TensimError) return error;
  const code = reason(error);
  if (code === 'ENOENT' || code === 'ENOTDIR')
    return new TensimError('FILE_NOT_FOUND', 'there is no such file', {
      file: path,
      hint: 'Check the path',
      cause: error,
    });
  if (code === 'EACCES' || code === 'EPERM')
    return new TensimError('FILE_NOT_FOUND', 'the file may not be read (permission denied)', {
      file: path,
      hint: 'Check the permissions of the file and of the folders above it',
      cause: error,
    });
  return new TensimError('FILE_NOT_FOUND', `the file cannot be opened (${code})`, {
    file: path,
    ...(code === 'EMFILE'
      ? { hint: 'Too many files are open: close checkpoints, or raise the limit (ulimit -n)' }
      : {}),
    cause: error,
  });
}

function reason(error: unknown): string {
  return error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.message) : String(error);
}
