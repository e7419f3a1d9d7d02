import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, readdir, readFile, rm, stat, statfs, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { TensimError } from '../errors.js';
import { exists } from '../formats/exists.js';
import { isRefusal, replaceFile } from '../formats/replace_file.js';
import { bytesText } from '../words/bytes.js';
import { byteCount } from '../words/counts.js';
import { quote } from '../words/quoting.js';
import { addressText, type HubAddress, isCommit, isPlainPath } from './address.js';
import type { HubClient, HubEntry } from './client.js';
import { cacheFolder } from './settings.js';

/**
 * The cache that all programs of Hugging Face share (huggingface.co/docs/huggingface_hub/guides/manage-cache):
 *
 *     {cache}/models--OWNER--NAME/ blobs/{etag}   snapshots/{commit}/{path} → ../../blobs/{etag}   refs/{revision}
 *                                  .no_exist/{commit}/{path}, empty, for a file that the commit is known not to have
 *
 * The JavaScript library has a function that fills it; that one prints, cannot be aborted, and lets two processes write
 * into one file.
 */
export class HubCache {
  readonly #address: HubAddress;
  readonly #folder: string;

  constructor(address: HubAddress) {
    this.#address = address;
    this.#folder = join(cacheFolder(), [`${address.type}s`, ...address.repository.split('/')].join('--'));
  }

  /** The path of a file of a commit in the cache, whether it is there or not. */
  pathOf(commit: string, path: string): string {
    return join(this.#folder, 'snapshots', commit, ...path.split('/'));
  }

  /** Whether the file is there, or, of a snapshot, the link to it and what it leads to. */
  async has(commit: string, path: string): Promise<boolean> {
    return (await sizeOf(this.pathOf(commit, path))) !== undefined;
  }

  /** Whether a commit is known not to have a file. */
  async isAbsent(commit: string, path: string): Promise<boolean> {
    return exists(this.#absence(commit, path));
  }

  async markAbsent(commit: string, path: string): Promise<void> {
    const file = this.#absence(commit, path);
    await this.#writing(async () => {
      await mkdir(dirname(file), { recursive: true });
    });
    await this.#replace(file, async () => undefined);
  }

  /** What the cache has of a folder of a commit: not all that there is. */
  async list(commit: string, folder: string, recursive: boolean): Promise<HubEntry[]> {
    const entries: HubEntry[] = [];
    const waiting = [folder];
    for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
      const inside = await readdir(this.pathOf(commit, at), { withFileTypes: true }).catch(() => []);
      for (const one of inside) {
        const path = at === '' ? one.name : `${at}/${one.name}`;
        const size = one.isDirectory() ? 0 : await sizeOf(this.pathOf(commit, path));
        if (size === undefined) continue;
        entries.push({ path, folder: one.isDirectory(), size, etag: '', sha256: undefined });
        if (recursive && one.isDirectory()) waiting.push(path);
      }
    }
    return entries;
  }

  /** The commits of which the cache has a path, be it a file or a folder. */
  async commitsWith(path: string): Promise<string[]> {
    const commits = await readdir(join(this.#folder, 'snapshots')).catch(() => []);
    const found: string[] = [];
    for (const commit of commits) if (isCommit(commit) && (await exists(this.pathOf(commit, path)))) found.push(commit);
    return found;
  }

  /** The commit that a revision stood for when it was last asked for; undefined if it never was. */
  async rememberedCommit(revision: string): Promise<string | undefined> {
    const text = await readFile(join(this.#folder, 'refs', ...revision.split('/')), 'utf8').catch(() => '');
    return isCommit(text.trim()) ? text.trim() : undefined;
  }

  async rememberCommit(revision: string, commit: string): Promise<void> {
    const file = join(this.#folder, 'refs', ...revision.split('/'));
    await this.#writing(async () => {
      await mkdir(dirname(file), { recursive: true });
    });
    await this.#replace(file, (handle) => handle.writeFile(commit));
  }

  /** The file of an entry in the cache, downloaded unless it is there, and of the size that is listed. */
  async fetch(commit: string, entry: HubEntry, client: HubClient, signal?: AbortSignal): Promise<string> {
    if (!isPlainPath(entry.path))
      throw new TensimError('INVALID_FILE', `the Hub lists ${quote(entry.path)}, which can be no file on this system`, {
        file: addressText({ ...this.#address, revision: commit, path: '' }),
        hint: 'Names of files are at most 255 bytes, without backslashes and colons, and on Windows no devices',
      });
    const path = this.pathOf(commit, entry.path);
    if ((await sizeOf(path)) === entry.size) return path;
    const blob = join(this.#folder, 'blobs', entry.etag);
    await this.#writing(async () => {
      await mkdir(dirname(blob), { recursive: true });
      await mkdir(dirname(path), { recursive: true });
    });
    if ((await sizeOf(blob)) !== entry.size) await this.#download(blob, commit, entry, client, signal);
    await this.#writing(() => this.#link(blob, path, entry.size));
    return path;
  }

  /** It appears in the cache when it is complete and what the listing said. */
  async #download(
    blob: string,
    commit: string,
    entry: HubEntry,
    client: HubClient,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    await this.#checkRoom(blob, entry.size);
    await this.#replace(blob, (handle) =>
      client.download(commit, entry.path, async (pieces) => {
        const hash = createHash('sha256');
        let size = 0;
        for await (const piece of pieces) {
          signal?.throwIfAborted();
          size += piece.length;
          if (size > entry.size) break;
          hash.update(piece);
          await handle.writeFile(piece);
        }
        if (size !== entry.size || (entry.sha256 !== undefined && hash.digest('hex') !== entry.sha256))
          throw new TensimError(
            'INVALID_FILE',
            `what came is not the file of ${byteCount(entry.size)} that the Hub lists`,
            {
              file: addressText({ ...this.#address, revision: commit, path: entry.path }),
              hint: 'The download was cut short or changed on the way; try again',
            },
          );
      }),
    );
  }

  /** Before hours of a download, and whatever size a server lists. */
  async #checkRoom(blob: string, size: number): Promise<void> {
    const room = await statfs(dirname(blob)).then(
      ({ blocks, bavail, bsize }) => (blocks === 0 ? Number.POSITIVE_INFINITY : bavail * bsize),
      // Where the system does not say, the write will.
      () => Number.POSITIVE_INFINITY,
    );
    if (size <= room) return;
    throw new TensimError(
      'INVALID_ARGUMENT',
      `the file has ${bytesText(size)}, and the cache has room for ${bytesText(room)}`,
      {
        file: this.#folder,
        hint: 'HF_HUB_CACHE says where else it may be',
      },
    );
  }

  /**
   * A relative link, so that the cache can be moved; a copy where the system has no links, or gives them to
   * administrators only. One that leads elsewhere, or nowhere, makes place.
   */
  async #link(blob: string, path: string, size: number): Promise<void> {
    try {
      await symlink(relative(dirname(path), blob), path);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EEXIST') {
        if ((await sizeOf(path)) === size) return;
        await rm(path);
        return this.#link(blob, path, size);
      }
      if (code !== 'EPERM' && code !== 'ENOSYS' && code !== 'EINVAL') throw error;
      await this.#replace(path, async (handle) => {
        for await (const piece of createReadStream(blob)) await handle.writeFile(piece);
      });
    }
  }

  #absence(commit: string, path: string): string {
    return join(this.#folder, '.no_exist', commit, ...path.split('/'));
  }

  #replace(path: string, write: (handle: FileHandle) => Promise<void>): Promise<void> {
    return replaceFile(path, write, { refused: (cause) => this.#refused(cause), anew: true });
  }

  async #writing<Result>(write: () => Promise<Result>): Promise<Result> {
    try {
      return await write();
    } catch (error) {
      throw isRefusal(error) ? this.#refused(error) : error;
    }
  }

  #refused(cause: Error): TensimError {
    return new TensimError('INVALID_ARGUMENT', `the cache cannot be written (${cause.message})`, {
      file: this.#folder,
      hint: 'HF_HUB_CACHE says where else it may be',
      cause,
    });
  }
}

/** Undefined for what is no file, or leads to none. */
async function sizeOf(path: string): Promise<number | undefined> {
  return stat(path).then(
    (found) => (found.isFile() ? found.size : undefined),
    () => undefined,
  );
}
