import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { loadModel } from '../../../lib/model/reading/load.js';
import { expandPaths } from '../../../lib/model/reading/paths.js';
import { bilinearShapes } from '../../model/helpers.js';
import { type Reader, type Target, Wrong } from '../engine/target.js';
import { type Json, jsonMutation, parsed, smallerJson, textOf } from '../mutation/json.js';
import { accepted, checkpointOf, digestOfModel, leftOut, tried } from './files.js';

const COMMIT = 'c'.repeat(40);
/** What is fetched as a model. */
const MODEL = checkpointOf(bilinearShapes());
const LISTED = [
  { type: 'file', oid: 'a'.repeat(40), size: MODEL.length, path: 'model.safetensors' },
  { type: 'file', oid: 'b'.repeat(40), size: MODEL.length, path: 'other.safetensors' },
  { type: 'directory', oid: 'd'.repeat(40), size: 0, path: 'runs' },
];

/** An address, and what the server says to questions of three kinds. */
const conversation = (address: string, others: { [key: string]: Json } = {}): Json => ({
  address,
  info: { body: { sha: COMMIT, id: 'a/b', private: false } },
  list: { body: LISTED },
  file: { body: 'model' },
  ...others,
});

/** Of a server in one conversation: one that sends page after page would otherwise go on for ever. */
const MOST_ANSWERS = 40;

interface Reply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

export const readsHub: Target = {
  name: 'hub',
  about: 'addresses on the Hub, and what a server answers',
  mutate: jsonMutation({
    words: [
      ...['address', 'info', 'list', 'file', 'status', 'headers', 'body', 'sha', 'oid', 'size', 'path', 'type', 'lfs'],
      ...['hf://', 'datasets/', '@', '%2F', '/', '*', '..', 'model.safetensors', 'model', 'directory', 'link', 'etag'],
      ...['content-length', 'content-range', 'x-linked-etag', 'x-repo-commit', 'x-linked-size', 'location', COMMIT],
    ],
  }),
  simplify: smallerJson,
  async prepare(folder) {
    const cache = join(folder, 'cache');
    let asked = 0;
    const seeds = [
      conversation('hf://a/b/model.safetensors'),
      conversation('hf://a/b@main/runs/*.safetensors', {
        list: { body: LISTED, headers: { Link: '<x>; rel="next"' } },
      }),
      conversation('hf://datasets/a/b@v1%2Fx', { info: { status: 404, body: {} } }),
      conversation('hf://a/b', {
        file: { status: 302, headers: { location: 'https://elsewhere.invalid/x' }, body: '' },
      }),
    ].map(textOf);
    const read: Reader = async (bytes) => {
      const talk = (parsed(bytes) ?? {}) as Record<string, Reply | string>;
      if (typeof talk?.address !== 'string' || !talk.address.startsWith('hf://')) throw leftOut();
      if (existsSync(cache)) rmSync(cache, { recursive: true });
      asked++;
      return among(cache, `https://hub-${asked}.invalid`, talk, async () => {
        const found = await tried(expandPaths([talk.address as string]));
        const loaded = await tried(loadModel(talk.address as string));
        if (readdirSync(folder).some((name) => name !== 'cache')) throw new Wrong('files outside of the cache');
        if (found === undefined && loaded === undefined) throw leftOut();
        // The server of each conversation has a name of its own: listings are remembered.
        return accepted(`${found?.join()} ${loaded && digestOfModel(loaded)}`, loaded !== undefined);
      });
    };
    return { seeds, read };
  },
};

/** Runs with a server of its own in place of the network, and a cache of its own. */
async function among<Result>(
  cache: string,
  endpoint: string,
  talk: Readonly<Record<string, Reply | string>>,
  work: () => Promise<Result>,
): Promise<Result> {
  const names = ['HF_HOME', 'HF_HUB_CACHE', 'HF_ENDPOINT', 'HF_TOKEN', 'HF_HUB_OFFLINE'] as const;
  const before = names.map((name) => [name, process.env[name]] as const);
  const { fetch } = globalThis;
  for (const name of names) delete process.env[name];
  process.env.HF_HOME = cache;
  process.env.HF_ENDPOINT = endpoint;
  let answers = 0;
  globalThis.fetch = async (question, init) => {
    if (++answers > MOST_ANSWERS) throw new TypeError('the server has fallen silent');
    const url = String(question instanceof Request ? question.url : question);
    const kind =
      url.includes('/resolve/') || !url.startsWith(endpoint) ? 'file' : url.includes('/tree/') ? 'list' : 'info';
    const range = new Headers(init?.headers ?? (question as Request).headers).get('range');
    return answerOf(Object(talk[kind]) as Reply, kind === 'file' && range !== null);
  };
  try {
    return await work();
  } finally {
    globalThis.fetch = fetch;
    for (const [name, value] of before)
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
  }
}

/** @param isAsked a file is asked about by its first byte, before it is fetched */
function answerOf({ status, headers, body }: Reply, isAsked: boolean): Response {
  const content = body === 'model' ? new Uint8Array(MODEL) : typeof body === 'string' ? body : JSON.stringify(body);
  const first = { etag: '"x"', 'accept-ranges': 'bytes', 'content-range': `bytes 0-0/${content?.length ?? 0}` };
  try {
    if (isAsked) return new Response('x', { status: status ?? 206, headers: { ...first, ...Object(headers) } });
    return new Response(content ?? null, { status: status ?? 200, headers: Object(headers) });
  } catch {
    // What no server can say.
    return new Response('', { status: 500 });
  }
}
