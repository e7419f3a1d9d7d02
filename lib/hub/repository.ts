import { posix } from 'node:path';
import { Pacer } from '../cooperate.js';
import { TensimError } from '../errors.js';
import { formatOf, isIndex, isShard, preferredCheckpoints } from '../formats/endings.js';
import { readShardNames } from '../formats/shards.js';
import { count, plural } from '../words/counts.js';
import { quoted } from '../words/names.js';
import { PathPattern } from '../words/path_pattern.js';
import { warn } from '../words/warning.js';
import { addressText, type HubAddress, isCommit, parseAddress } from './address.js';
import { HubCache } from './cache.js';
import { HubClient, type HubEntry } from './client.js';
import { whyUnanswered } from './complaints.js';
import { listing } from './listing.js';
import { offlineBy } from './settings.js';
import { askUnlessSilent } from './silence.js';

/** A file of the Hub, and where it lies on this machine. */
export interface HubFile {
  readonly path: string;
  /** The commit it is of. */
  readonly revision: string;
}

/** The settings of a model, without which its weights may mean something else. */
const SETTINGS = 'config.json';
/** What a checkpoint may need beside it, in its folder. */
const COMPANIONS = [SETTINGS, 'model.json', 'adapter_config.json'];
/** Larger ones are for other programs. */
const MOST_COMPANION = 4 * 1024 * 1024;

/**
 * Brings a file from the Hugging Face Hub into the cache that its programs share, with what stands beside it
 * (config.json, model.json, the shards of an index), unless all is there. A folder, or a repository alone, stands for
 * the one checkpoint in it. With HF_HUB_OFFLINE=1 nothing is asked and only what is in the cache is found. Where the
 * Hub gives no answer, the cache is used too, with a warning where it may be behind.
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

interface Means {
  readonly client: HubClient;
  readonly cache: HubCache;
  readonly signal: AbortSignal | undefined;
}

/** A repository at a commit. */
class Repository {
  readonly commit: string;
  readonly #address: HubAddress;
  readonly #client: HubClient;
  readonly #cache: HubCache;
  readonly #signal: AbortSignal | undefined;
  /** Why the Hub is not asked, where it is not. */
  #silent: string | undefined;

  private constructor(address: HubAddress, commit: string, means: Means, silent?: string) {
    this.#address = address;
    this.commit = commit;
    this.#client = means.client;
    this.#cache = means.cache;
    this.#signal = means.signal;
    this.#silent = silent;
  }

  static async at(address: HubAddress, signal: AbortSignal | undefined): Promise<Repository> {
    const means = { client: new HubClient(address, signal), cache: new HubCache(address), signal };
    const { revision = 'main' } = address;
    const variable = offlineBy();
    const offline = variable && `${variable} is set`;
    if (isCommit(revision)) return new Repository(address, revision, means, offline);
    const known = await means.cache.rememberedCommit(revision);
    if (offline !== undefined) {
      if (known === undefined) throw await notCached(address, means.cache, offline);
      return new Repository(address, known, means, offline);
    }
    // With nothing in the cache there is no way around asking.
    const asked = () => means.client.commit();
    const result = known === undefined ? { answer: await asked() } : await askUnlessSilent(asked);
    if ('answer' in result) {
      // A cache that cannot be written is no harm if all is in it, and else the next to write will say so.
      if (result.answer !== known) await means.cache.rememberCommit(revision, result.answer).catch(() => undefined);
      return new Repository(address, result.answer, means);
    }
    warn(
      `${addressText({ ...address, path: '' })}: ${result.problem}, so ${revision} is taken from the cache, ` +
        `at commit ${known}; there may be a newer one`,
    );
    return new Repository(address, known as string, means, result.problem);
  }

  /** The file of the address in the cache. */
  async fetch(): Promise<string> {
    const { path } = this.#address;
    // A commit never changes: what is here in full need not be asked for.
    if (path !== '' && (await this.#isComplete(path))) return this.#cache.pathOf(this.commit, path);
    const entry = await this.#find(path);
    if (entry !== undefined && !entry.folder) return this.#fetchWithCompanions(entry);
    const files = await this.#checkpointsIn(path);
    if (files.length === 1) return this.#fetchWithCompanions(files[0] as HubEntry);
    throw this.#refused('INVALID_ARGUMENT', `this folder holds ${count(files.length)} checkpoints, not one`);
  }

  /** The checkpoints that the address stands for. */
  async expand(): Promise<string[]> {
    const { path } = this.#address;
    const pattern = new PathPattern(path);
    if (!pattern.isLiteral) {
      const all = await this.#listForMany(pattern.base, true);
      // What is there by this name is what it says, even if it looks like a pattern.
      if (!all.some((entry) => entry.path === path)) return this.#matching(pattern, all);
    }
    if (path !== '' && (await this.#cache.has(this.commit, path))) return [this.#pinned(path)];
    const entry = await this.#find(path);
    if (entry !== undefined && !entry.folder) return [this.#pinned(path)];
    return (await this.#checkpointsIn(path)).map((file) => this.#pinned(file.path));
  }

  async #matching(pattern: PathPattern, all: readonly HubEntry[]): Promise<string[]> {
    const pacer = new Pacer(this.#signal);
    const matches: HubEntry[] = [];
    for (const file of all) {
      if (pacer.due(pattern.size * file.path.length)) await pacer.pause();
      if (!file.folder && formatOf(file.path) !== undefined && pattern.matches(file.path)) matches.push(file);
    }
    const files = this.#withoutShards(matches);
    if (files.length > 0) return files.map((file) => this.#pinned(file.path));
    if (this.#silent !== undefined) throw await notCached(this.#address, this.#cache, this.#silent);
    throw this.#refused('FILE_NOT_FOUND', 'no checkpoint matches this pattern');
  }

  /** What stands at a path; undefined for the whole repository. */
  async #find(path: string): Promise<HubEntry | undefined> {
    if (path === '') return undefined;
    const entry = (await this.#list(folderOf(path), false)).find((candidate) => candidate.path === path);
    if (entry !== undefined) return entry;
    if (this.#silent !== undefined) throw await notCached(this.#address, this.#cache, this.#silent);
    throw this.#refused('FILE_NOT_FOUND', 'there is no such file or folder in the repository');
  }

  async #checkpointsIn(folder: string): Promise<HubEntry[]> {
    const files = (await this.#listForMany(folder, false)).filter((entry) => !entry.folder);
    const preferred = new Set(preferredCheckpoints(files.map(({ path }) => path)));
    const found = this.#withoutShards(files.filter(({ path }) => preferred.has(path)));
    if (found.length > 0) return found;
    if (this.#silent !== undefined) throw await notCached(this.#address, this.#cache, this.#silent);
    throw this.#refused('FILE_NOT_FOUND', 'there is no checkpoint in this folder');
  }

  /** Companions come first: where the file is, they are. */
  async #fetchWithCompanions(entry: HubEntry): Promise<string> {
    if (this.#silent !== undefined) return this.#withWhatIsThere(entry.path);
    const folder = folderOf(entry.path);
    const beside = await this.#list(folder, false);
    if (this.#silent !== undefined) return this.#withWhatIsThere(entry.path);
    const named = (names: readonly string[]) =>
      beside.filter((file) => !file.folder && names.includes(posix.basename(file.path)));
    for (const companion of named(COMPANIONS))
      if (companion.size <= MOST_COMPANION && companion !== entry) await this.#fetch(companion);
    for (const name of COMPANIONS)
      if (named([name]).length === 0)
        await this.#cache.markAbsent(this.commit, posix.join(folder, name)).catch(() => undefined);
    const path = await this.#fetch(entry);
    if (isIndex(path)) for (const shard of named(await readShardNames(path, this.#signal))) await this.#fetch(shard);
    return path;
  }

  /** A file in the cache while the Hub is not asked, if what it cannot do without is there too. */
  async #withWhatIsThere(path: string): Promise<string> {
    const missing = await this.#missingShards(path);
    if (missing.length > 0)
      throw new TensimError(
        'FILE_NOT_FOUND',
        `of the shards of this index, ${quoted(missing)} ${plural(missing.length, 'is', 'are')} not in the cache, and ${this.#silent}`,
        { file: this.#pinned(path), hint: 'Download them while the Hub can be asked' },
      );
    if (!(await this.#isKnown(posix.join(folderOf(path), SETTINGS))))
      warn(
        `${this.#pinned(path)}: whether there is a ${SETTINGS} beside it is not known, for the cache has none and ` +
          `${this.#silent}; the model is read without`,
      );
    return this.#cache.pathOf(this.commit, path);
  }

  /** Whether a file is in the cache with all that may belong to it. */
  async #isComplete(path: string): Promise<boolean> {
    if (!(await this.#cache.has(this.commit, path))) return false;
    for (const name of COMPANIONS) if (!(await this.#isKnown(posix.join(folderOf(path), name)))) return false;
    return (await this.#missingShards(path)).length === 0;
  }

  /** Whether a file is in the cache, or known not to be in the repository. */
  async #isKnown(path: string): Promise<boolean> {
    return (await this.#cache.has(this.commit, path)) || this.#cache.isAbsent(this.commit, path);
  }

  /** The names of the shards of an index that the cache has not. */
  async #missingShards(index: string): Promise<string[]> {
    if (!isIndex(index)) return [];
    const missing: string[] = [];
    for (const name of await readShardNames(this.#cache.pathOf(this.commit, index), this.#signal))
      if (!(await this.#cache.has(this.commit, posix.join(folderOf(index), name)))) missing.push(name);
    return missing;
  }

  #fetch(entry: HubEntry): Promise<string> {
    return this.#cache.fetch(this.commit, entry, this.#client, this.#signal);
  }

  /** What the Hub lists, or, where it gives no answer, what the cache has of it. */
  async #list(folder: string, recursive: boolean): Promise<readonly HubEntry[]> {
    if (this.#silent === undefined) {
      try {
        return await listing(this.#client, this.#address, this.commit, folder, recursive);
      } catch (error) {
        this.#silent = whyUnanswered(error);
        if (this.#silent === undefined || (await this.#cache.list(this.commit, folder, recursive)).length === 0)
          throw error;
      }
    }
    return this.#cache.list(this.commit, folder, recursive);
  }

  /** The same for those who take all that is there: with no answer, and without the user's knowing, it may be less. */
  async #listForMany(folder: string, recursive: boolean): Promise<readonly HubEntry[]> {
    const entries = await this.#list(folder, recursive);
    if (this.#silent !== undefined && offlineBy() === undefined)
      warn(`${this.#pinned(folder)}: ${this.#silent}, so the cache is used; the repository may have more`);
    return entries;
  }

  /**
   * Shards count as one checkpoint with the index in their folder. In the cache the index may be what is missing, and a
   * shard alone is no model.
   */
  #withoutShards(files: readonly HubEntry[]): HubEntry[] {
    const folders = new Set(files.filter(({ path }) => isIndex(path)).map(({ path }) => folderOf(path)));
    return files.filter(({ path }) => !(isShard(path) && (this.#silent !== undefined || folders.has(folderOf(path)))));
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

const folderOf = (path: string): string => (path.includes('/') ? posix.dirname(path) : '');

/** What is not in the cache while the Hub is not asked; its other commits may have it. */
async function notCached(address: HubAddress, cache: HubCache, silent: string): Promise<TensimError> {
  const [commit] = await cache.commitsWith(address.path);
  return new TensimError('FILE_NOT_FOUND', `it is not in the cache, and ${silent}`, {
    file: addressText(address),
    hint:
      commit === undefined
        ? 'It has to be downloaded once while the Hub can be asked'
        : `The cache has it of another time: ${addressText({ ...address, revision: commit })}`,
  });
}
