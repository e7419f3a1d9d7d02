import { posix } from 'node:path';
import picomatch from 'picomatch';
import { TensimError } from '../errors.js';
import { formatOf, isIndex, preferredCheckpoints } from '../formats/endings.js';
import { readShardNames } from '../formats/shards.js';
import { count } from '../words/counts.js';
import { addressText, type HubAddress, parseAddress } from './address.js';
import { HubCache } from './cache.js';
import { HubClient, type HubEntry } from './client.js';

/** A file of the Hub, and where it lies on this machine. */
export interface HubFile {
  readonly path: string;
  /** The commit it is of. */
  readonly revision: string;
}

/** What a checkpoint may need beside it, in its folder. */
const COMPANIONS = ['config.json', 'model.json'];
/** Larger ones are for other programs. */
const MOST_COMPANION = 4 * 1024 * 1024;
/** As training programs name the parts of a sharded checkpoint. */
const SHARD = /-\d{5}-of-\d{5}\.(?:safetensors|bin)$/i;

/**
 * Brings a file from the Hugging Face Hub into the cache that its programs share, with what stands beside it
 * (config.json, model.json, the shards of an index), unless all is there. A folder, or a repository alone, stands for
 * the one checkpoint in it. With HF_HUB_OFFLINE=1 nothing is asked and only what is in the cache is found.
 *
 *     await fetchFromHub('hf://OWNER/NAME@main/final.safetensors');
 *
 * @throws TensimError `INVALID_ARGUMENT` for what is no address; `FILE_NOT_FOUND` for what is not there, may not be
 * read or cannot be reached; `INVALID_FILE` for a download that is not what the Hub lists
 */
export async function fetchFromHub(text: string, signal?: AbortSignal): Promise<HubFile> {
  const repository = await Repository.at(parseAddress(text), signal);
  return { path: await repository.fetch(), revision: repository.commit };
}

/**
 * The addresses of the checkpoints that a file, a folder or a pattern on the Hub stands for, with the commit in place
 * of the revision, so that all are of one state of the repository.
 * @throws TensimError as `fetchFromHub`
 */
export async function expandHubAddress(text: string, signal?: AbortSignal): Promise<string[]> {
  const repository = await Repository.at(parseAddress(text), signal);
  return repository.expand();
}

/** A repository at a commit. */
class Repository {
  readonly commit: string;
  readonly #address: HubAddress;
  readonly #client: HubClient;
  readonly #cache: HubCache;
  readonly #signal: AbortSignal | undefined;

  private constructor(address: HubAddress, commit: string, client: HubClient, cache: HubCache, signal?: AbortSignal) {
    this.#address = address;
    this.commit = commit;
    this.#client = client;
    this.#cache = cache;
    this.#signal = signal;
  }

  static async at(address: HubAddress, signal: AbortSignal | undefined): Promise<Repository> {
    const client = new HubClient(address, signal);
    const cache = new HubCache(address);
    const { revision = 'main' } = address;
    const known = isOffline() ? await cache.rememberedCommit(revision) : undefined;
    if (isOffline() && known === undefined && !/^[0-9a-f]{40}$/.test(revision)) throw offline(address);
    const commit = known ?? (await client.commit());
    if (commit !== revision && !isOffline()) await cache.rememberCommit(revision, commit);
    return new Repository(address, commit, client, cache, signal);
  }

  /** The file of the address in the cache. */
  async fetch(): Promise<string> {
    const { path } = this.#address;
    if (isOffline()) {
      if (path !== '' && (await this.#cache.has(this.commit, path))) return this.#cache.pathOf(this.commit, path);
      throw offline(this.#address);
    }
    const entry = await this.#find(path);
    if (entry !== undefined && !entry.folder) return this.#fetchWithCompanions(entry);
    const files = await this.#checkpointsIn(path);
    if (files.length === 1) return this.#fetchWithCompanions(files[0]);
    throw this.#refused('INVALID_ARGUMENT', `this folder holds ${count(files.length)} checkpoints, not one`);
  }

  /** The checkpoints that the address stands for. */
  async expand(): Promise<string[]> {
    const { path } = this.#address;
    if (isOffline()) return [this.#pinned(path)];
    const { base, isGlob } = picomatch.scan(path);
    const entry = isGlob ? undefined : await this.#find(path);
    if (entry !== undefined && !entry.folder) return [this.#pinned(path)];
    if (!isGlob) return (await this.#checkpointsIn(path)).map((file) => this.#pinned(file.path));
    const matches = picomatch(path);
    const all = (await this.#list(base, true)).filter((file) => !file.folder && formatOf(file.path) !== undefined);
    const files = withoutShards(all.filter((file) => matches(file.path)));
    if (files.length === 0) throw this.#refused('FILE_NOT_FOUND', 'no checkpoint matches this pattern');
    return files.map((file) => this.#pinned(file.path));
  }

  /** What stands at a path; undefined for the whole repository. */
  async #find(path: string): Promise<HubEntry | undefined> {
    if (path === '') return undefined;
    const entry = (await this.#list(folderOf(path), false)).find((candidate) => candidate.path === path);
    if (entry !== undefined) return entry;
    throw this.#refused('FILE_NOT_FOUND', 'there is no such file or folder in the repository');
  }

  async #checkpointsIn(folder: string): Promise<HubEntry[]> {
    const files = (await this.#list(folder, false)).filter((entry) => !entry.folder);
    const preferred = new Set(preferredCheckpoints(files.map(({ path }) => path)));
    const found = withoutShards(files.filter(({ path }) => preferred.has(path)));
    if (found.length === 0) throw this.#refused('FILE_NOT_FOUND', 'there is no checkpoint in this folder');
    return found;
  }

  /** Companions come first: where the file is, they are. */
  async #fetchWithCompanions(entry: HubEntry): Promise<string> {
    const beside = await this.#list(folderOf(entry.path), false);
    const named = (names: readonly string[]) =>
      beside.filter(({ path, folder }) => !folder && names.includes(posix.basename(path)));
    for (const companion of named(COMPANIONS))
      if (companion.size <= MOST_COMPANION && companion !== entry) await this.#fetch(companion);
    const path = await this.#fetch(entry);
    if (isIndex(path)) for (const shard of named(await readShardNames(path, this.#signal))) await this.#fetch(shard);
    return path;
  }

  #fetch(entry: HubEntry): Promise<string> {
    return this.#cache.fetch(this.commit, entry, this.#client, this.#signal);
  }

  /** Listings of a commit never change; many files of one folder ask for the same. */
  async #list(folder: string, recursive: boolean): Promise<readonly HubEntry[]> {
    const { type, repository } = this.#address;
    const key = JSON.stringify([process.env.HF_ENDPOINT, type, repository, this.commit, folder, recursive]);
    const known = LISTINGS.get(key);
    if (known !== undefined) return known;
    const entries = await this.#client.list(this.commit, folder, recursive);
    if (LISTINGS.size >= MOST_LISTINGS) LISTINGS.clear();
    LISTINGS.set(key, entries);
    return entries;
  }

  #pinned(path: string): string {
    return addressText({ ...this.#address, revision: this.commit, path });
  }

  #refused(code: 'FILE_NOT_FOUND' | 'INVALID_ARGUMENT', problem: string): TensimError {
    return new TensimError(code, problem, {
      file: addressText(this.#address),
      hint: 'Give the path of a file in it; "tensim matrix" takes folders and quoted patterns',
    });
  }
}

const LISTINGS = new Map<string, readonly HubEntry[]>();
const MOST_LISTINGS = 64;

const folderOf = (path: string): string => (path.includes('/') ? posix.dirname(path) : '');

/** Shards count as one checkpoint with the index in their folder. */
function withoutShards(files: readonly HubEntry[]): HubEntry[] {
  const folders = new Set(files.filter(({ path }) => isIndex(path)).map(({ path }) => folderOf(path)));
  return files.filter(({ path }) => !(SHARD.test(path) && folders.has(folderOf(path))));
}

function isOffline(): boolean {
  return /^(1|true|yes|on)$/i.test(process.env.HF_HUB_OFFLINE ?? '');
}

function offline(address: HubAddress): TensimError {
  return new TensimError('FILE_NOT_FOUND', 'it is not in the cache, and HF_HUB_OFFLINE is set', {
    file: addressText(address),
    hint: 'Unset HF_HUB_OFFLINE to download it',
  });
}
