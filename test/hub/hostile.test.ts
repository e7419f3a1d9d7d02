import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { inspect as shown } from 'node:util';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { parseAddress } from '../../lib/hub/address.js';
import { HubClient } from '../../lib/hub/client.js';
import { expandHubAddress, fetchFromHub } from '../../lib/hub/repository.js';
import { rejection, temporaryFolder } from '../formats/safetensors/helpers.js';
import { HubServer, jsonOf, statusOf } from './server.js';

const root = temporaryFolder();
const COMMIT = '0123456789abcdef0123456789abcdef01234567';
const TOKEN = 'hf_a-token-that-nobody-may-see';
const ADDRESS = 'hf://me/runs/a.pt';
const content = readFileSync('test/formats/pytorch/fixtures/model.bin');
const large = Buffer.alloc(20_000, 'large');
const oid = 'b'.repeat(40);

let server: HubServer;
let other: Server;
let otherOrigin: string;
/** What came to the other server: paths and tokens. */
let stray: { url: string | undefined; token: string | undefined }[];
let cache: string;
let caches = 0;

beforeAll(async () => {
  const files = { 'a.pt': content, 'large.pt': large };
  server = new HubServer({ 'models/me/runs': { refs: { main: COMMIT }, files } });
  vi.stubEnv('HF_ENDPOINT', await server.start());
  other = createServer((request, response) => {
    stray.push({ url: request.url, token: request.headers.authorization });
    response.writeHead(200, { 'content-type': 'application/json', 'x-cache': 'Hit from cloudfront' });
    response.end(request.url?.includes('/resolve/') ? content : '[]');
  });
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  otherOrigin = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
});
afterAll(async () => {
  await server.stop();
  other.closeAllConnections();
  await new Promise((resolve) => other.close(resolve));
});

function useNewCache(): void {
  cache = join(root, `cache-${caches++}`);
  vi.stubEnv('HF_HUB_CACHE', cache);
}

beforeEach(() => {
  useNewCache();
  vi.stubEnv('HF_HOME', join(root, 'home'));
  vi.stubEnv('HF_TOKEN', TOKEN);
  vi.stubEnv('HF_HUB_ETAG_TIMEOUT', undefined);
  vi.stubEnv('HF_HUB_DOWNLOAD_TIMEOUT', undefined);
  server.requests.length = server.tokens.length = 0;
  server.instead = () => false;
  stray = [];
});

const listed = () => new HubClient(parseAddress('hf://me/runs'), undefined).list(COMMIT, '', true);
const blobs = () =>
  existsSync(join(cache, 'models--me--runs', 'blobs')) ? readdirSync(join(cache, 'models--me--runs', 'blobs')) : [];

describe('the token', () => {
  test('is for the Hub alone: a redirection of a file elsewhere goes without', async () => {
    server.instead = (request, response) => {
      if (!request.url?.includes('/resolve/')) return false;
      response.writeHead(302, { location: otherOrigin + request.url }).end();
      return true;
    };
    const { path } = await fetchFromHub(ADDRESS);
    expect(readFileSync(path).equals(content)).toBe(true);
    expect(stray).toEqual([{ url: `/me/runs/resolve/${COMMIT}/a.pt`, token: undefined }]);
    expect(new Set(server.tokens)).toEqual(new Set([`Bearer ${TOKEN}`]));
  });

  test('is kept on the way around the Hub itself', async () => {
    server.instead = (request, response) => {
      if (!request.url?.includes('/resolve/') || request.url.includes('?')) return false;
      response.writeHead(307, { location: `${request.url}?again` }).end();
      return true;
    };
    await fetchFromHub(ADDRESS);
    expect(server.requests.filter((request) => request.includes('/resolve/'))).toHaveLength(2);
    expect(server.tokens).toHaveLength(server.requests.length);
  });

  test('does not follow a redirection away and back', async () => {
    const url = `/me/runs/resolve/${COMMIT}/a.pt`;
    const there = createServer((_request, response) =>
      response.writeHead(302, { location: `${process.env.HF_ENDPOINT}${url}?back` }).end(),
    );
    await new Promise<void>((resolve) => there.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void there.close());
    server.instead = (request, response) => {
      if (request.url !== url) return false;
      response.writeHead(302, { location: `http://127.0.0.1:${(there.address() as AddressInfo).port}` }).end();
      return true;
    };
    await fetchFromHub(ADDRESS);
    expect(server.requests.filter((request) => request.includes('/resolve/'))).toHaveLength(2);
    expect(server.tokens).toHaveLength(server.requests.length);
  });

  test.each([
    ['the next page of a listing', jsonOf([], { link: '<OTHER/next>; rel="next"' }), listed],
    [
      'where the commit is asked for',
      statusOf(302, { location: 'OTHER/commit' }, /revision/),
      () => fetchFromHub(ADDRESS),
    ],
    [
      'what says it is a file of another storage',
      jsonOf(
        {},
        {
          'content-type': 'application/vnd.xet-fileinfo+json',
          'x-linked-size': '1000',
          'x-xet-hash': 'c'.repeat(64),
          link: '<OTHER/rec>; rel="xet-reconstruction-info", <OTHER/auth>; rel="xet-auth"',
        },
        /resolve/,
      ),
      () => fetchFromHub(ADDRESS),
    ],
  ])('does not go to another server for %s', async (_what, instead, ask) => {
    server.instead = (request, response) => {
      const set = response.writeHead.bind(response);
      vi.spyOn(response, 'writeHead').mockImplementation((status, headers) => {
        const there = Object.entries(headers as object).map(([name, text]) => [
          name,
          text.replaceAll('OTHER', otherOrigin),
        ]);
        return set(status, Object.fromEntries(there));
      });
      return instead(request, response);
    };
    await ask().catch(() => undefined);
    for (const { token } of stray) expect(token).toBeUndefined();
    expect(server.tokens).not.toEqual([]);
  });

  test.each([
    ['http://huggingface.co/x', 'https'],
    ['https://huggingface.co:8443/x', 'other'],
    ['https://huggingface.co.evil.example/x', 'other'],
    ['https://HuggingFace.co./x', 'other'],
    ['https://evil.example/x?https://huggingface.co/', 'other'],
    ['https://user:pass@huggingface.co/x', 'address'],
    ['https://huggingface.co@evil.example/x', 'address'],
    ['file:///etc/passwd', 'address'],
    ['data:application/json,[]', 'address'],
    ['//evil.example/x', 'other'],
    ['/there', 'own'],
  ])('and a redirection to %s', async (location, kind) => {
    vi.stubEnv('HF_ENDPOINT', undefined);
    const asked: { url: string; token: string | null }[] = [];
    vi.stubGlobal('fetch', async (url: URL, init: RequestInit) => {
      asked.push({ url: url.href, token: new Headers(init.headers).get('authorization') });
      return asked.length === 1 ? new Response(null, { status: 302, headers: { location } }) : Response.json([]);
    });
    const error = await listed().catch((reason) => reason);
    vi.unstubAllGlobals();
    vi.stubEnv('HF_ENDPOINT', server.origin);
    expect(asked[0]).toMatchObject({
      token: `Bearer ${TOKEN}`,
      url: expect.stringMatching(/^https:\/\/huggingface\.co\/api/),
    });
    if (kind === 'own') expect(asked[1]?.token).toBe(`Bearer ${TOKEN}`);
    else if (kind === 'other') expect(asked[1]?.token).toBeNull();
    else {
      expect(asked).toHaveLength(1);
      expect(error.message).toContain(kind === 'https' ? 'refers from https to http' : 'no address on the web');
    }
  });

  test('and a next page that leads from https to http', async () => {
    vi.stubEnv('HF_ENDPOINT', undefined);
    const link = '<http://huggingface.co/api/next>; rel="next"';
    const asked = vi.fn(async () => Response.json([], { headers: { link } }));
    vi.stubGlobal('fetch', asked);
    const error = await rejection(listed());
    vi.unstubAllGlobals();
    vi.stubEnv('HF_ENDPOINT', server.origin);
    expect(error.message).toContain('refers from https to http');
    expect(asked).toHaveBeenCalledTimes(1);
  });

  test.each([
    ['401', statusOf(401)],
    ['500', statusOf(500, { 'content-type': 'application/json' })],
    ['a redirection with it', statusOf(302, { location: `ftp://${TOKEN}/` })],
    ['no JSON', jsonOf(TOKEN, {}, /./)],
  ])('is in nothing that is said of %s', async (_what, instead) => {
    server.instead = instead;
    const error = await rejection(fetchFromHub(ADDRESS));
    expect(shown(error, { depth: 9, showHidden: true })).not.toContain(TOKEN);
    expect(error.stack).not.toContain(TOKEN);
  });
});

describe('an answer of the Hub', () => {
  const page = (next: string) => jsonOf([{ type: 'file', path: 'x', size: 1, oid }], { link: `<${next}>; rel="next"` });

  test('ends: ever new pages are too many', async () => {
    let pages = 0;
    server.instead = (request, response) =>
      page(`${server.origin}/api/models/me/runs/tree/x?c=${pages++}`)(request, response);
    const error = await rejection(listed());
    expect(error).toMatchObject({ code: 'INVALID_FILE' });
    expect(error.message).toContain('more than 200 pages');
    expect(server.requests).toHaveLength(200);
  });

  test('ends: the same page again is told at once', async () => {
    server.instead = (request, response) => page(`${server.origin}/api/models/me/runs/tree/x?c=1`)(request, response);
    expect((await rejection(listed())).message).toContain('the same page again');
    expect(server.requests).toHaveLength(2);
  });

  test('ends: redirections do', async () => {
    server.instead = (request, response) => statusOf(302, { location: `${request.url}x` })(request, response);
    expect((await rejection(listed())).message).toContain('redirects more than 10 times');
  });

  const entry = JSON.stringify({ type: 'file', path: `d/${'x'.repeat(150)}`, size: 1, oid });
  const listing = Buffer.from(`[${`${entry},`.repeat(20_000)}${entry}]`);
  test.each([
    ['large', {}, listing],
    ['large when it is unpacked', { 'content-encoding': 'gzip' }, gzipSync(Buffer.alloc(64 * 1024 * 1024, ' '))],
  ])('is no %s page', async (_what, headers, body) => {
    server.instead = (request, response) => {
      if (!request.url?.includes('/tree/')) return false;
      response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(body);
      return true;
    };
    const error = await rejection(listed());
    expect(error).toMatchObject({ code: 'INVALID_FILE' });
    expect(error.message).toContain('a reply of the Hub has more than 4.00 MiB');
  });

  test.each([
    ['deep', '['.repeat(1e6)],
    ['crowded', `[${'{},'.repeat(1e6)}{}]`],
    ['many-sided', `{${Array.from({ length: 200_000 }, (_, i) => `"${i}":1`)}}`],
  ])('that is %s is not parsed', async (_what, body) => {
    for (const part of [/\/tree\//, /\/revision\//]) {
      server.instead = (request, response) => {
        if (!part.test(request.url ?? '')) return false;
        response.writeHead(200, { 'content-type': 'application/json' }).end(body);
        return true;
      };
      const error = await rejection(part.test('/tree/') ? listed() : fetchFromHub(ADDRESS));
      expect(error).toMatchObject({ code: 'INVALID_FILE' });
      expect(error.message).toContain('more than 100,000 values, or nests them too deep');
    }
  });

  test('may have names with marks of JSON in them', async () => {
    const path = `${'{[,"\\'.repeat(40_000)}\\`;
    server.instead = jsonOf([{ type: 'file', path, size: 1, oid }]);
    expect((await listed()).map((entry) => entry.path)).toEqual([path]);
  });

  test('is not large in many pages', async () => {
    let pages = 0;
    server.instead = (_request, response) => {
      const link = `<${server.origin}/api/models/me/runs/tree/x?c=${pages++}>; rel="next"`;
      response.writeHead(200, { 'content-type': 'application/json', link }).end(`[${' '.repeat(4_000_000)}]`);
      return true;
    };
    expect((await rejection(listed())).message).toContain('the answer of the Hub has more than 64.0 MiB');
    expect(server.requests).toHaveLength(17);
  });

  test.each<[string, HubServer['instead']]>([
    ['a reply that does not begin', () => true],
    [
      'a reply of a byte now and then',
      (_request, response) => {
        response.writeHead(200);
        const timer = setInterval(() => response.write(' '), 100);
        response.on('close', () => clearInterval(timer));
        return true;
      },
    ],
  ])('is not waited for: %s', async (_what, instead) => {
    vi.stubEnv('HF_HUB_ETAG_TIMEOUT', '1');
    vi.stubEnv('HF_HUB_DOWNLOAD_TIMEOUT', '1');
    server.instead = instead;
    const start = performance.now();
    expect((await rejection(fetchFromHub(ADDRESS))).message).toMatch(/not answered within 1 s|sent \d+ bytes in 1 s/);
    expect(performance.now() - start).toBeLessThan(5000);
    // It is the same for a file.
    server.instead = (request, response) => (request.url?.includes('/resolve/') ? instead(request, response) : false);
    expect((await rejection(fetchFromHub(ADDRESS))).message).toMatch(/not answered within 1 s|sent \d+ bytes in 1 s/);
    expect(blobs()).toEqual([]);
  });

  test('that comes slowly but at a pace is no reason to end', async () => {
    vi.stubEnv('HF_HUB_DOWNLOAD_TIMEOUT', '2');
    server.instead = (request, response) => {
      if (!request.url?.includes('/resolve/')) return false;
      let sent = 0;
      const timer = setInterval(() => {
        if (sent >= large.length) response.end();
        else response.write(large.subarray(sent, sent + 1000));
        sent += 1000;
      }, 150);
      response.on('close', () => clearInterval(timer));
      return true;
    };
    expect(readFileSync((await fetchFromHub('hf://me/runs/large.pt')).path).equals(large)).toBe(true);
  });

  test.each(['/revision/', '/tree/', '/resolve/'])(
    'is aborted at once while %s hangs, or is to be asked for later',
    async (part) => {
      for (const headers of [undefined, { 'retry-after': '5' }]) {
        server.requests.length = 0;
        server.instead = (request, response) => {
          if (!request.url?.includes(part)) return false;
          return headers === undefined || statusOf(429, headers)(request, response);
        };
        const controller = new AbortController();
        const reason = new Error('enough');
        useNewCache();
        // A listing is remembered: another folder is another question.
        const asked = rejectionOf(
          part === '/tree/'
            ? new HubClient(parseAddress('hf://me/runs'), controller.signal).list(COMMIT, '', false)
            : fetchFromHub(ADDRESS, controller.signal),
        );
        await vi.waitFor(() => expect(server.requests.some((request) => request.includes(part))).toBe(true));
        const start = performance.now();
        setTimeout(() => controller.abort(reason), 50);
        expect(await asked).toBe(reason);
        expect(performance.now() - start).toBeLessThan(3000);
      }
    },
  );

  test.each([
    [{ type: 'file', path: 'x', size: -5, oid }],
    [{ type: 'file', path: 'x', size: 1e300, oid }],
    [{ type: 'file', path: 'x', size: 0.5, oid }],
    [{ type: 'file', path: 'x', size: 'x', oid }],
    [{ type: 'file', path: 7, size: 1, oid }],
    [{ type: 'file', path: '../x', size: 1, oid }],
    [{ type: 'file', path: '/etc/x', size: 1, oid }],
    [{ type: 'file', path: 'a/./x', size: 1, oid }],
    [{ type: 'file', path: 'x\u0000', size: 1, oid }],
    [{ type: 'file', path: '\ud800', size: 1, oid }],
    [{ type: 'file', path: 'x', size: 1, oid: '../../x' }],
    [{ type: 'file', path: 'x', size: 1, oid: [oid] }],
    [{ type: 'file', path: 'x', size: 1, oid: { oid } }],
    [{ type: 'file', path: 'x', size: 1, oid: 1e39 }],
    [{ type: 'file', path: 'x', size: 1 }],
    [{ type: 'file', path: 'x', size: [1], oid }],
    [{ type: 'file', path: 'x', size: '1', oid }],
    [{ type: 'file', path: 'x', oid }],
    [{ type: 'file', path: ['x'], size: 1, oid }],
    [{ type: ['directory'], path: 'x', size: 1, oid }],
    [{ path: 'x', size: 1, oid }],
    [{ type: 'file', path: 'x', size: 1, oid, lfs: { oid: ['c'.repeat(64)], size: 1 } }],
    [{ type: 'file', path: 'x', size: 1, oid, lfs: { oid: 7, size: 1 } }],
    [{ type: 'file', path: 'x', size: 1, oid, lfs: { oid: 'c'.repeat(64), size: ['1'] } }],
    [{ type: 'file', path: 'x', size: 1, oid, lfs: { oid: 'c'.repeat(64), size: -1 } }],
    [null],
    ['x'],
    [7],
    [[]],
  ])('that lists %j is refused', async (entry) => {
    server.instead = jsonOf([entry]);
    expect(await rejection(listed())).toMatchObject({ code: 'INVALID_FILE' });
  });

  test.each([null, {}, 'x', { sha: '../../x' }, { sha: [COMMIT] }, { sha: { toString: COMMIT } }, { sha: 7 }])(
    'that says %j of a commit is refused',
    async (answer) => {
      server.instead = jsonOf(answer, {}, /revision/);
      expect(await rejection(fetchFromHub(ADDRESS))).toMatchObject({ code: 'INVALID_FILE' });
      expect(existsSync(cache)).toBe(false);
    },
  );

  test('may list names that are none here, but those files are not fetched', async () => {
    const commit = 'd'.repeat(40);
    const names = ['a:b.pt', 'back\\slash.pt', `${'x'.repeat(300)}.pt`];
    server.instead = jsonOf([
      ...names.map((path) => ({ type: 'file', path, size: 1, oid })),
      { type: 'file', path: 'good.pt', size: 5, oid },
    ]);
    expect(await expandHubAddress(`hf://me/runs@${commit}/good*`)).toEqual([`hf://me/runs@${commit}/good.pt`]);
    for (const [i, name] of names.entries()) {
      server.instead = jsonOf([{ type: 'file', path: name, size: 1, oid }]);
      const error = await rejection(fetchFromHub(`hf://me/runs@${`${i}`.repeat(40)}`));
      expect(error).toMatchObject({ code: 'INVALID_FILE' });
      expect(error.message).toContain('can be no file on this system');
    }
    expect(existsSync(join(cache, 'models--me--runs', 'blobs'))).toBe(false);
  });

  test('of more bytes than there is room for is not begun', async () => {
    server.instead = jsonOf([
      { type: 'file', path: 'a.pt', size: 1e15, oid, lfs: { oid: 'd'.repeat(64), size: 1e15 } },
    ]);
    const error = await rejection(fetchFromHub(`hf://me/runs@${'e'.repeat(40)}/a.pt`));
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(error.message).toMatch(/the file has 909 TiB, and the cache has room for [\d.]+ [GMT]iB/);
    expect(server.requests.join()).not.toContain('/resolve/');
  });

  test('of more bytes than were listed ends when they are there', async () => {
    let sent = 0;
    server.instead = (request, response) => {
      if (!request.url?.includes('/resolve/')) return false;
      response.on('error', () => undefined);
      const timer = setInterval(() => {
        sent += 65_536;
        response.write(Buffer.alloc(65_536));
      }, 1);
      response.on('close', () => clearInterval(timer));
      return true;
    };
    expect(await rejection(fetchFromHub(ADDRESS))).toMatchObject({ code: 'INVALID_FILE' });
    await new Promise((resolve) => setTimeout(resolve, 100));
    const until = sent;
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(sent).toBe(until);
    expect(blobs()).toEqual([]);
  });
});

function rejectionOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (reason) => reason,
  );
}
