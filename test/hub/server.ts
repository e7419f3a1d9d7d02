import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Repository {
  /** Commits by branch and tag. */
  readonly refs: Readonly<Record<string, string>>;
  /** Files by path, of every commit. */
  readonly files: Readonly<Record<string, Uint8Array>>;
  /** The token that is asked for. */
  readonly token?: string;
}

/** What goes wrong, by the path of a file. */
export type Faults = Record<string, 'short' | 'changed' | 'hangs' | 'climbs'>;

/**
 * As much of the Hugging Face Hub as tensim asks of it, on this machine. Files of a kilobyte and more are as its large
 * ones, with a SHA-256.
 */
export class HubServer {
  /** Every request: its method and path. */
  readonly requests: string[] = [];
  /** Every authorization that came, and to which path. */
  readonly tokens: string[] = [];
  faults: Faults = {};
  /** Answers in place of the Hub where it returns true; the tokens and requests are noted all the same. */
  instead: (request: IncomingMessage, response: ServerResponse) => boolean = () => false;
  readonly #repositories: Readonly<Record<string, Repository>>;
  readonly #server = createServer((request, response) => this.#answer(request, response));

  /** @param repositories by `models/OWNER/NAME` or `datasets/OWNER/NAME` */
  constructor(repositories: Readonly<Record<string, Repository>>) {
    this.#repositories = repositories;
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return this.origin;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(request: IncomingMessage, response: ServerResponse): unknown {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://host');
    this.requests.push(`${request.method} ${pathname}`);
    if (request.headers.authorization) this.tokens.push(request.headers.authorization);
    if (this.instead(request, response)) return undefined;
    const json = (status: number, value: unknown) => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(value));
    };
    const api = /^\/api\/((?:models|datasets)\/[^/]+\/[^/]+)\/(revision|tree)\/([^/]+)(?:\/(.*))?$/.exec(pathname);
    const file = /^\/(datasets\/)?([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.*)$/.exec(pathname);
    const [key, revision] = api ? [api[1], api[3]] : [`${file?.[1] ?? 'models/'}${file?.[2]}`, file?.[3] ?? ''];
    const repository = this.#repositories[key];
    const commit = Object.entries(repository?.refs ?? {})
      .flat()
      .includes(decodeURIComponent(revision));
    if (repository?.token !== undefined && request.headers.authorization !== `Bearer ${repository.token}`)
      return json(401, { error: 'Invalid credentials' });
    if (!repository || !commit) return json(404, { error: 'Repository or revision not found' });
    if (api?.[2] === 'revision')
      return json(200, { _id: '1', id: key, sha: repository.refs[decodeURIComponent(revision)], lastModified: 0 });
    if (api?.[2] === 'tree')
      return json(
        200,
        this.#tree(repository, decodeURIComponent(api[4] ?? ''), searchParams.get('recursive') === 'true'),
      );
    return this.#send(repository, decodeURIComponent(file?.[4] ?? ''), request, response);
  }

  #tree({ files }: Repository, folder: string, recursive: boolean): unknown[] {
    const below = Object.keys(files).filter((path) => folder === '' || path.startsWith(`${folder}/`));
    const depth = folder === '' ? 1 : folder.split('/').length + 1;
    const folders = new Set(
      below.filter((path) => path.split('/').length > depth).map((path) => path.split('/').slice(0, depth).join('/')),
    );
    const listed = recursive ? below : below.filter((path) => path.split('/').length === depth);
    return [
      ...[...folders].map((path) => ({ type: 'directory', path, size: 0, oid: 'f'.repeat(40) })),
      ...listed.map((path) => {
        const content = files[path];
        const lfs =
          content.length < 1024 ? {} : { lfs: { oid: sha256(content), size: content.length, pointerSize: 130 } };
        const shown = this.faults[path] === 'climbs' ? `../../${path}` : path;
        return { type: 'file', path: shown, oid: gitHash(content), size: content.length, ...lfs };
      }),
    ];
  }

  #send({ files }: Repository, path: string, request: IncomingMessage, response: ServerResponse): unknown {
    const content = files[path];
    if (content === undefined) {
      response.writeHead(404, { 'x-error-code': 'EntryNotFound' });
      return response.end();
    }
    const range = /^bytes=0-0$/.test(request.headers.range ?? '');
    const fault = this.faults[path];
    const headers = { etag: '"x"', 'accept-ranges': 'bytes' };
    if (range) {
      response.writeHead(206, { ...headers, 'content-range': `bytes 0-0/${content.length}`, 'content-length': 1 });
      return response.end(content.subarray(0, 1));
    }
    const changed =
      fault === 'changed' ? content.map((byte, at) => (at === content.length - 1 ? byte ^ 1 : byte)) : content;
    response.writeHead(200, { ...headers, 'content-length': content.length });
    if (fault === undefined || fault === 'changed') return response.end(changed);
    response.write(content.subarray(0, content.length >> 1));
    if (fault === 'short') setTimeout(() => response.destroy(), 20);
  }
}

/** Answers all requests that match with a status and nothing else; for `HubServer.instead`. */
export function statusOf(status: number, headers: Record<string, string> = {}, path = /./): HubServer['instead'] {
  return (request, response) => {
    if (!path.test(request.url ?? '')) return false;
    response.writeHead(status, headers).end('{"error": "an error of hf_a-token-that-nobody-may-see"}');
    return true;
  };
}

/** What a listing of a server may say. */
export function jsonOf(value: unknown, headers: Record<string, string> = {}, path = /\/tree\//): HubServer['instead'] {
  return (request, response) => {
    if (!path.test(request.url ?? '')) return false;
    response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
    return true;
  };
}

const sha256 = (content: Uint8Array) => createHash('sha256').update(content).digest('hex');
const gitHash = (content: Uint8Array) =>
  createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');
