import { TensimError } from '../errors.js';
import { addressText, type HubAddress, isPlainPath } from './address.js';

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

const COMMIT = /^[0-9a-f]{40}$/;
const DIGEST = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

type Library = typeof import('@huggingface/hub');

/** Loaded when it is first needed: most never do. */
const library = (): Promise<Library> => import('@huggingface/hub');

/**
 * The few questions that are asked of the Hub, about one repository. The server is that of HF_ENDPOINT if it is set. A
 * token is taken from HF_TOKEN and from nowhere else, and told to nobody but the library.
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
    if (COMMIT.test(revision)) return revision;
    const { sha } = await this.#ask(async ({ modelInfo, datasetInfo }) => {
      const question = { ...this.#common(), name, revision, additionalFields: ['sha' as const] };
      return type === 'model' ? modelInfo(question) : datasetInfo(question);
    });
    if (typeof sha === 'string' && COMMIT.test(sha)) return sha;
    throw this.#failed('the Hub did not say which commit it is');
  }

  /** What is in a folder of a commit; of its folders too, if `recursive`. */
  async list(commit: string, folder: string, recursive: boolean): Promise<HubEntry[]> {
    const { type, repository: name } = this.#address;
    return this.#ask(async ({ listFiles }) => {
      const entries: HubEntry[] = [];
      const question = { ...this.#common(), repo: { type, name }, revision: commit, recursive };
      for await (const entry of listFiles(folder === '' ? question : { ...question, path: folder })) {
        const etag = entry.lfs?.oid ?? entry.oid ?? '';
        if (!isPlainPath(entry.path) || !DIGEST.test(etag)) throw this.#failed('the Hub listed what can be no file');
        entries.push({
          path: entry.path,
          folder: entry.type === 'directory',
          size: entry.lfs?.size ?? entry.size,
          etag,
          sha256: entry.lfs?.oid,
        });
      }
      return entries;
    });
  }

  /** The bytes of a file. */
  async download(commit: string, path: string): Promise<ReadableStream<Uint8Array>> {
    const { type, repository: name } = this.#address;
    return this.#ask(async ({ downloadFile }) => {
      const blob = await downloadFile({ ...this.#common(), repo: { type, name }, revision: commit, path });
      if (blob === null) throw this.#failed('there is no such file');
      return blob.stream();
    });
  }

  /** Turns what went wrong into words of our own: those of the library may hold addresses that give access. */
  failure(error: unknown): unknown {
    if (error instanceof TensimError) return error;
    if (this.#signal?.aborted) return this.#signal.reason;
    const status = (error as { statusCode?: unknown } | null)?.statusCode;
    if (status === 401 || status === 403)
      return this.#failed(
        `the Hub refuses access (status ${status}), or there is no such repository`,
        process.env.HF_TOKEN
          ? 'The token in HF_TOKEN may lack the right to read it'
          : 'If it is private or gated, set HF_TOKEN to a token',
      );
    if (status === 404)
      return this.#failed('the Hub has no such repository, revision or folder', 'Check owner, name, revision and path');
    if (typeof status === 'number') return this.#failed(`the Hub answered with status ${status}`, 'Try again later');
    return this.#failed(
      'the Hub cannot be reached, or the connection broke',
      'Check the network, and HF_ENDPOINT if it is set',
    );
  }

  #common() {
    const { HF_ENDPOINT: endpoint, HF_TOKEN: token } = process.env;
    if (token && !token.startsWith('hf_'))
      throw new TensimError('INVALID_ARGUMENT', 'HF_TOKEN is set to what is no token of the Hugging Face Hub', {
        hint: 'Tokens begin with hf_; unset it for public repositories',
      });
    const abortable: typeof fetch = (input, init) => fetch(input, { ...init, signal: this.#signal ?? null });
    return {
      fetch: abortable,
      ...(endpoint && { hubUrl: endpoint.replace(/\/+$/, '') }),
      ...(token && { accessToken: token }),
    };
  }

  async #ask<Answer>(question: (library: Library) => Promise<Answer>): Promise<Answer> {
    this.#signal?.throwIfAborted();
    try {
      return await question(await library());
    } catch (error) {
      throw this.failure(error);
    }
  }

  #failed(problem: string, hint?: string): TensimError {
    return new TensimError('FILE_NOT_FOUND', problem, {
      file: addressText(this.#address),
      ...(hint !== undefined && { hint }),
    });
  }
}
