import { TensimError } from '../errors.js';
import { SourceFile } from '../formats/source_file.js';

/** Files that are kept open, where the system allows as many. */
const MOST = 2048;

/**
 * Files that are read again and again, a part at a time: a thousand adapters, weight after weight. They stay open as long
 * as the system allows; beyond that a file is opened for each part.
 */
export class OpenFiles {
  readonly #kept = new Map<string, SourceFile>();
  #most = MOST;

  /** Reads of a file, which is opened for that if it is not open. */
  async reading<Result>(path: string, read: (source: SourceFile) => Promise<Result>): Promise<Result> {
    const kept = this.#kept.get(path);
    if (kept !== undefined) return read(kept);
    const source = await this.#open(path);
    const isKept = this.#kept.size < this.#most;
    if (isKept) this.#kept.set(path, source);
    try {
      return await read(source);
    } finally {
      if (!isKept) await source.close();
    }
  }

  async close(): Promise<void> {
    const all = [...this.#kept.values()];
    this.#kept.clear();
    for (const source of all) await source.close();
  }

  async #open(path: string): Promise<SourceFile> {
    try {
      return await SourceFile.open(path);
    } catch (error) {
      if (!isTooMany(error) || this.#kept.size === 0) throw error;
    }
    // Half of what fitted leaves room for whatever else the program opens.
    this.#most = this.#kept.size >> 1;
    await this.close();
    return SourceFile.open(path);
  }
}

function isTooMany(error: unknown): boolean {
  const code = error instanceof TensimError && (error.cause as NodeJS.ErrnoException | undefined)?.code;
  return code === 'EMFILE' || code === 'ENFILE';
}
