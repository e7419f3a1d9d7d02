import { createHash } from 'node:crypto';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { TensimError } from '../../errors.js';
import { isRefusal } from '../../formats/replace_file.js';
import { requireRegular } from '../../formats/source_file.js';

/** How state files of inner products begin. */
const MAGIC = Buffer.from('tensim.state/1\n\0', 'latin1');
const LENGTH_BYTES = 4;
const CHECK_BYTES = 16;
/** Far above any tile. What claims to be longer is damage, and no memory is claimed for it. */
export const MOST_RECORD = 256 * 2 ** 20;

/**
 * A file of records that only grows:
 *
 *     magic   length payload check   length payload check   …
 *
 * The check of a record is a digest of its length, its payload and the check before it, so that no byte of the file can
 * change, and no record be left out or moved, without notice. What follows the last good record was cut short when the
 * process ended, or damaged later; it is cut off when the file is opened.
 */
export class RecordLog {
  readonly path: string;
  /** Bytes that were cut off. */
  readonly discarded: number;
  readonly #handle: FileHandle;
  #end: number;
  #check: Buffer;

  private constructor(path: string, handle: FileHandle, end: number, check: Buffer, discarded: number) {
    this.path = path;
    this.#handle = handle;
    this.#end = end;
    this.#check = check;
    this.discarded = discarded;
  }

  /**
   * Opens or makes the file, and hands over every good record.
   * @param onRecord says whether the record makes sense; the file is cut off before one that does not.
   * @param magic how files of this kind begin
   * @throws TensimError `INVALID_FILE` for a file that is something else, which is left as it is, or no file at all;
   * `FILE_NOT_FOUND` if it cannot be opened, or not be read or made; what `onRecord` throws.
   */
  static async open(
    path: string,
    onRecord: (payload: Buffer) => Promise<boolean> | boolean,
    magic = MAGIC,
  ): Promise<RecordLog> {
    const handle = await openFile(path);
    try {
      const { size } = await handle.stat();
      if (!(await beginsWell(handle, size, path, magic))) {
        await handle.truncate(0);
        await writeAll(handle, magic, 0);
        return new RecordLog(path, handle, magic.length, digest(magic), 0);
      }
      const { end, check } = await goThrough(handle, size, magic, onRecord);
      if (end < size) await handle.truncate(end);
      return new RecordLog(path, handle, end, check, size - end);
    } catch (error) {
      await handle.close();
      throw isRefusal(error) ? unusable(path, error) : error;
    }
  }

  /**
   * Hands over every good record of a file that something else may be writing to, up to the last whole one; the file
   * is left as it is.
   * @param onRecord as of `open`
   * @returns bytes behind the last good record.
   * @throws TensimError as `open`
   */
  static async read(
    path: string,
    onRecord: (payload: Buffer) => Promise<boolean> | boolean,
    magic = MAGIC,
  ): Promise<number> {
    const handle = await open(path, 'r').catch((error: unknown) => {
      throw unusable(path, error);
    });
    try {
      const stats = await handle.stat();
      requireRegular(path, stats, 'Give the path of a state file');
      const { size } = stats;
      if (!(await beginsWell(handle, size, path, magic))) return size;
      return size - (await goThrough(handle, size, magic, onRecord)).end;
    } catch (error) {
      throw isRefusal(error) ? unusable(path, error) : error;
    } finally {
      await handle.close();
    }
  }

  /**
   * Adds a record. When this resolves, the end of the process cannot undo it.
   * @throws TensimError `INVALID_FILE` if something else has written to the file; what the system says where it refuses
   * to write, and then the file is as it was before.
   */
  async append(payload: Buffer): Promise<void> {
    const { size } = await this.#handle.stat();
    if (size !== this.#end) {
      throw new TensimError('INVALID_FILE', 'something else is writing to this state file', {
        file: this.path,
        hint: 'Give every run that is under way a state file of its own',
      });
    }
    const length = lengthOf(payload);
    const check = digest(this.#check, length, payload);
    try {
      await writeAll(this.#handle, Buffer.concat([length, payload, check]), this.#end);
    } catch (error) {
      // Were it to fail, the piece would be cut off when the file is next opened.
      await this.#handle.truncate(this.#end).catch(() => {});
      throw error;
    }
    this.#end += LENGTH_BYTES + payload.length + CHECK_BYTES;
    this.#check = check;
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    // Before it is opened, because opening a device can have effects.
    const stats = await stat(path);
    if (!stats.isDirectory()) requireRegular(path, stats, 'Give the path of a file, or one where nothing is yet');
    return await open(path, 'r+');
  } catch (error) {
    if (error instanceof TensimError) throw error;
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw unusable(path, error);
  }
  return open(path, 'wx+').catch((error: unknown) => {
    throw unusable(path, error);
  });
}

function unusable(path: string, cause: unknown): TensimError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new TensimError('FILE_NOT_FOUND', `the state file cannot be used: ${reason}`, { file: path, cause });
}

/** Whether there is anything in the file; false for one that was only being made. */
async function beginsWell(handle: FileHandle, size: number, path: string, magic: Buffer): Promise<boolean> {
  const start = await readAll(handle, 0, Math.min(size, magic.length));
  if (!start.equals(magic.subarray(0, start.length))) {
    throw new TensimError('INVALID_FILE', 'this is no state file, or its beginning is damaged', {
      file: path,
      hint: 'Nothing was changed. Give another path, or delete the file if it is a state file',
    });
  }
  return start.length === magic.length;
}

/** Hands over records until one is not good; tells where that is, and the check before it. */
async function goThrough(
  handle: FileHandle,
  size: number,
  magic: Buffer,
  onRecord: (payload: Buffer) => Promise<boolean> | boolean,
): Promise<{ readonly end: number; readonly check: Buffer }> {
  let end = magic.length;
  let check = digest(magic);
  for (;;) {
    const record = await readRecord(handle, end, size, check);
    if (record === null || !(await onRecord(record.payload))) return { end, check };
    end += LENGTH_BYTES + record.payload.length + CHECK_BYTES;
    check = record.check;
  }
}

/** The record that starts at `offset`; null if it is not there in full, or not as it was written. */
async function readRecord(handle: FileHandle, offset: number, size: number, before: Buffer) {
  const rest = size - offset - LENGTH_BYTES - CHECK_BYTES;
  if (rest < 0) return null;
  const length = await readAll(handle, offset, LENGTH_BYTES);
  const bytes = length.readUInt32LE();
  if (bytes > Math.min(rest, MOST_RECORD)) return null;
  const body = await readAll(handle, offset + LENGTH_BYTES, bytes + CHECK_BYTES);
  const payload = body.subarray(0, bytes);
  const check = digest(before, length, payload);
  return check.equals(body.subarray(bytes)) ? { payload, check } : null;
}

function lengthOf(payload: Buffer): Buffer {
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32LE(payload.length);
  return length;
}

function digest(...parts: readonly Buffer[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest().subarray(0, CHECK_BYTES);
}

async function readAll(handle: FileHandle, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await handle.read(bytes, done, length - done, offset + done);
    // The file has become shorter; what is missing will not pass the check.
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return bytes;
}

async function writeAll(handle: FileHandle, bytes: Buffer, offset: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await handle.write(bytes, done, bytes.length - done, offset + done)).bytesWritten;
  }
}
