import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, readFile, symlink } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { TensimError } from '../errors.js';
import { exists } from '../formats/exists.js';
import { isRefusal, replaceFile } from '../formats/replace_file.js';
import { byteCount } from '../words/counts.js';
import { addressText, type HubAddress } from './address.js';
import type { HubClient, HubEntry } from './client.js';

/**
 * The cache that all programs of Hugging Face share (huggingface.co/docs/huggingface_hub/guides/manage-cache):
 *
 *     {cache}/models--OWNER--NAME/ blobs/{etag}   snapshots/{commit}/{path} → ../../blobs/{etag}   refs/{revision}
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

  async has(commit: string, path: string): Promise<boolean> {
    return exists(this.pathOf(commit, path));
  }

  /** The commit that a revision stood for when it was last asked for; undefined if it never was. */
  async rememberedCommit(revision: string): Promise<string | undefined> {
    const text = await readFile(join(this.#folder, 'refs', ...revision.split('/')), 'utf8').catch(() => '');
    return /^[0-9a-f]{40}$/.exec(text.trim())?.[0];
  }

  async rememberCommit(revision: string, commit: string): Promise<void> {
    const file = join(this.#folder, 'refs', ...revision.split('/'));
    await this.#writing(async () => {
      await mkdir(dirname(file), { recursive: true });
    });
    await this.#replace(file, (handle) => handle.writeFile(commit));
  }

  /** The file of an entry in the cache, downloaded unless it is there. */
  async fetch(commit: string, entry: HubEntry, client: HubClient, signal?: AbortSignal): Promise<string> {
    const path = this.pathOf(commit, entry.path);
    if (await exists(path)) return path;
    const blob = join(this.#folder, 'blobs', entry.etag);
    await this.#writing(async () => {
      await mkdir(dirname(blob), { recursive: true });
      await mkdir(dirname(path), { recursive: true });
    });
    if (!(await exists(blob))) await this.#download(blob, commit, entry, client, signal);
    await this.#writing(() => this.#link(blob, path));
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
    const stream = await client.download(commit, entry.path);
    await this.#replace(blob, async (handle) => {
      const hash = createHash('sha256');
      let size = 0;
      const pieces = stream.getReader();
      for (;;) {
        const { done, value } = await pieces.read().catch((error: unknown) => {
          throw client.failure(error);
        });
        signal?.throwIfAborted();
        if (done) break;
        size += value.length;
        if (size > entry.size) break;
        hash.update(value);
        await handle.writeFile(value);
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
    });
  }

  /**
   * A relative link, so that the cache can be moved; a copy where the system has no links, or gives them to
   * administrators only.
   */
  async #link(blob: string, path: string): Promise<void> {
    try {
      await symlink(relative(dirname(path), blob), path);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EEXIST') return;
      if (code !== 'EPERM' && code !== 'ENOSYS' && code !== 'EINVAL') throw error;
      await this.#replace(path, async (handle) => {
        for await (const piece of createReadStream(blob)) await handle.writeFile(piece);
      });
    }
  }

  #replace(path: string, write: (handle: FileHandle) => Promise<void>): Promise<void> {
    return replaceFile(path, write, (cause) => this.#refused(cause));
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

/** Where it is, by the variables that all these programs know. */
function cacheFolder(): string {
  const { HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME, XDG_CACHE_HOME } = process.env;
  const home = HF_HOME ?? join(XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'huggingface');
  return HF_HUB_CACHE ?? HUGGINGFACE_HUB_CACHE ?? join(home, 'hub');
}
