import { createHash, randomUUID } from 'node:crypto';
import { copyFile, mkdir, open, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { TensimError } from '../errors.js';
import { byteCount } from '../words/counts.js';
import { addressText, type HubAddress } from './address.js';
import type { HubClient, HubEntry } from './client.js';

/**
 * The cache that all programs of Hugging Face share (huggingface.co/docs/huggingface_hub/guides/manage-cache):
 *
 *     {cache}/models--OWNER--NAME/ blobs/{etag}   snapshots/{commit}/{path} → ../../blobs/{etag}   refs/{revision}
 *
 * The JavaScript library has a function that fills it; that one prints, cannot be aborted, and lets two processes write into one file.
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
      await writeFile(file, commit);
    });
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
    await this.#writing(() => link(blob, path));
    return path;
  }

  /** Under a name of its own until it is complete and what the listing said. */
  async #download(
    blob: string,
    commit: string,
    entry: HubEntry,
    client: HubClient,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const incomplete = `${blob}.${randomUUID()}.incomplete`;
    const stream = await client.download(commit, entry.path);
    const file = await this.#writing(() => open(incomplete, 'wx'));
    try {
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
        await this.#writing(() => file.writeFile(value));
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
      await file.close();
      await this.#writing(() => rename(incomplete, blob));
    } catch (error) {
      await file.close();
      await rm(incomplete, { force: true });
      throw error;
    }
  }

  async #writing<Result>(write: () => Promise<Result>): Promise<Result> {
    try {
      return await write();
    } catch (cause) {
      throw new TensimError('INVALID_ARGUMENT', `the cache cannot be written (${(cause as Error).message})`, {
        file: this.#folder,
        hint: 'HF_HUB_CACHE says where else it may be',
        cause,
      });
    }
  }
}

/** Where it is, by the variables that all these programs know. */
function cacheFolder(): string {
  const { HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME, XDG_CACHE_HOME } = process.env;
  const home = HF_HOME ?? join(XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'huggingface');
  return HF_HUB_CACHE ?? HUGGINGFACE_HUB_CACHE ?? join(home, 'hub');
}

/** A relative link, so that the cache can be moved; a copy where the system has no links, or gives them to administrators only. */
async function link(blob: string, path: string): Promise<void> {
  try {
    await symlink(relative(dirname(path), blob), path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return;
    if (code !== 'EPERM' && code !== 'ENOSYS' && code !== 'EINVAL') throw error;
    const copy = `${path}.${randomUUID()}.incomplete`;
    await copyFile(blob, copy);
    await rename(copy, path);
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
