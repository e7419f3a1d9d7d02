import { TensimError } from '../errors.js';
import { climbs, type HubAddress, isCommit } from './address.js';
import { Complaints } from './complaints.js';
import { type Allowance, Exchange } from './exchange.js';
import { endpoint, findToken } from './settings.js';

/** A file or folder of a repository, as the Hub lists it. */
export interface HubEntry {
  readonly path: string;
  readonly folder: boolean;
  /** Of the file itself, not of what stands for it in git. */
  readonly size: number;
  /** The name of its content in the cache: its SHA-256 where that is known, else git's own. */
  readonly etag: string;
  readonly sha256: string | undefined;
}

const DIGEST = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

const MIB = 1024 * 1024;
/** Some milliseconds of parsing. */
const VALUES = 100_000;
/** What a repository is takes one reply. */
const ONE_REPLY: Allowance = { requests: 16, replyBytes: 4 * MIB, bytes: 4 * MIB, values: VALUES, seconds: 60 };
/** A page of a listing has 1,000 entries, which are some hundred kilobytes: these are 200,000 files. */
const LISTING: Allowance = { requests: 200, replyBytes: 4 * MIB, bytes: 64 * MIB, values: VALUES, seconds: 300 };
/** A file takes as long as it takes; its bytes are counted by those who know how many there are. */
const FILE: Allowance = {
  requests: 16,
  replyBytes: Number.POSITIVE_INFINITY,
  bytes: Number.POSITIVE_INFINITY,
  values: Number.POSITIVE_INFINITY,
  seconds: Number.POSITIVE_INFINITY,
};

type Library = typeof import('@huggingface/hub');

/** Loaded when it is first needed: most never do. */
const library = (): Promise<Library> => import('@huggingface/hub');

/**
 * The few questions that are asked of the Hub, about one repository. The server is that of HF_ENDPOINT if it is set.
 * The library is not told the token: `Exchange` adds it where it belongs.
 */
export class HubClient {
  readonly #address: HubAddress;
  readonly #signal: AbortSignal | undefined;

  constructor(address: HubAddress, signal: AbortSignal | undefined) {
    this.#address = address;
    this.#signal = signal;
  }

  /** The commit that the revision stands for at this time. */
  async commit(): Promise<string> {
    const { type, repository: name, revision = 'main' } = this.#address;
    if (isCommit(revision)) return revision;
    return this.#ask(ONE_REPLY, async ({ fetch, complaints }) => {
      const { modelInfo, datasetInfo } = await library();
      const question = { fetch, hubUrl: endpoint(), name, revision, additionalFields: ['sha' as const] };
      const { sha } = await (type === 'model' ? modelInfo(question) : datasetInfo(question));
      if (typeof sha === 'string' && isCommit(sha)) return sha;
      throw complaints.absurd('the Hub did not say which commit it is');
    });
  }

  /** What is in a folder of a commit; of its folders too, if `recursive`. */
  async list(commit: string, folder: string, recursive: boolean): Promise<HubEntry[]> {
    const { type, repository: name } = this.#address;
    return this.#ask(LISTING, async ({ fetch, complaints }) => {
      const { listFiles } = await library();
      const entries: HubEntry[] = [];
      const common = { fetch, hubUrl: endpoint(), repo: { type, name }, revision: commit, recursive };
      for await (const listed of listFiles(folder === '' ? common : { ...common, path: inUrl(folder) })) {
        const entry = entryOf(listed);
        if (entry === undefined) throw complaints.absurd('the Hub listed what can be no file');
        entries.push(entry);
      }
      return entries;
    });
  }

  /**
   * Reads the bytes of a file, in one transfer: the library asks for a file twice, and holds as much of it in memory as
   * the server likes.
   */
  async download(commit: string, path: string, read: (pieces: ReadableStream<Uint8Array>) => Promise<void>) {
    const { type, repository } = this.#address;
    const url = `${endpoint()}/${type === 'dataset' ? 'datasets/' : ''}${repository}/resolve/${commit}/${inUrl(path)}`;
    await this.#ask(FILE, async ({ fetch, complaints }) => {
      // As it is: a length that is known, and nothing that grows when it is unpacked.
      const { body } = await fetch(url, { headers: { 'accept-encoding': 'identity' } });
      if (body === null) throw complaints.absurd('the Hub sent nothing in place of a file');
      await read(body);
    });
  }

  /** What goes wrong in the library, or in what it was told, is told in words of our own. */
  async #ask<Answer>(
    allowance: Allowance,
    question: (means: { fetch: typeof fetch; complaints: Complaints }) => Promise<Answer>,
  ): Promise<Answer> {
    const token = await findToken();
    const complaints = new Complaints(this.#address, token);
    const hub = { origin: new URL(endpoint()).origin, token };
    const exchange = new Exchange(allowance, complaints, hub, this.#signal);
    try {
      return await question({ fetch: exchange.fetch, complaints });
    } catch (error) {
      this.#signal?.throwIfAborted();
      if (error instanceof TensimError || (error instanceof Error && 'syscall' in error)) throw error;
      throw complaints.absurd('the answer of the Hub is not what was asked for');
    } finally {
      exchange.close();
    }
  }
}

/** An entry of a listing, which can be anything that JSON can; undefined for what can be no file or folder. */
function entryOf(listed: unknown): HubEntry | undefined {
  const { type, path, oid, size, lfs } = Object(listed) as Record<string, unknown>;
  const large = lfs === undefined || lfs === null ? undefined : (Object(lfs) as Record<string, unknown>);
  const sha256 = large?.oid;
  const etag = sha256 ?? oid;
  const bytes = large?.size ?? size;
  if (typeof type !== 'string' || typeof path !== 'string' || climbs(path)) return undefined;
  if (!isDigest(etag) || !(sha256 === undefined || isDigest(sha256)) || !isSize(bytes)) return undefined;
  return { path, folder: type === 'directory', size: bytes, etag, sha256 };
}

const isDigest = (value: unknown): value is string => typeof value === 'string' && DIGEST.test(value);
const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** A path in the address of a request: what means something there is spelled out. */
function inUrl(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}
