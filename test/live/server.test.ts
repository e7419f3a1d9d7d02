import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LiveState } from '../../lib/live/feed.js';
import { type LivePages, serveLive } from '../../lib/live/server.js';
import { matrixOf, symmetric } from '../report/helpers.js';

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

const series = (count: number) =>
  matrixOf(
    Array.from({ length: count }, (_, i) => `step_${i}`),
    symmetric(count, (i, j) => (i === j ? 1 : 1 / (1 + Math.abs(i - j)))),
  );

describe('the server of a live page', () => {
  const state = new LiveState('tensim watch run/');
  let pages: LivePages;
  let port: number;
  let token: string;
  beforeAll(async () => {
    pages = await serveLive(state, 'run/');
    const { port: own, pathname } = new URL(pages.url);
    [port, token] = [Number(own), pathname.split('/')[1]];
    state.report(series(3));
    state.notes([{ tone: 'bad', text: '<b>not markup</b>' }]);
  });
  afterAll(() => pages.close());

  /** A request as somebody may send it who is no browser. */
  const ask = (path: string, options: { method?: string; headers?: Record<string, string> } = {}): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const { method = 'GET', headers = {} } = options;
      const sent = request({ host: '127.0.0.1', port, path, method, headers, agent: false }, (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          body += chunk;
        });
        response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body }));
      });
      sent.on('error', reject);
      sent.end();
    });

  /** What comes of lines that no library would send. */
  const raw = (text: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1');
      let answer = '';
      socket.on('data', (chunk) => {
        answer += chunk;
      });
      socket.on('close', () => resolve(answer));
      socket.on('error', reject);
      socket.end(text);
    });

  it('has a token of 128 bits in its address, of which no other pages know', async () => {
    expect(pages.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/[0-9a-f]{32}\/$/);
    const other = await serveLive(new LiveState(), 'other');
    expect(new URL(other.url).pathname).not.toBe(`/${token}/`);
    await other.close();
  });

  it('answers with the page and the report, kept by nobody, framed by nobody, shared with nobody', async () => {
    for (const path of ['', 'report']) {
      const { status, headers, body } = await ask(`/${token}/${path}`);
      expect(status).toBe(200);
      expect(headers).toMatchObject({
        'content-type': 'text/html; charset=utf-8',
        'cache-control': 'no-store',
        'referrer-policy': 'no-referrer',
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
        'content-security-policy': "frame-ancestors 'none'",
        'cross-origin-resource-policy': 'same-origin',
      });
      expect(Object.keys(headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
      expect(body).toContain(`"default-src 'none'; img-src data:; style-src 'sha256-`);
      expect(body).not.toContain('unsafe-inline');
    }
    expect((await ask(`/${token}/report`)).headers.etag).toBe('"1"');
    expect((await ask(`/${token}/report`)).body).toContain('step_0');
    const head = await ask(`/${token}/report`, { method: 'HEAD' });
    expect(head).toMatchObject({ status: 200, body: '' });
  });

  it('lets nobody in who does not have the token, and says nothing about why', async () => {
    const others = [
      '/',
      '',
      `/${token}`,
      `/${token}/nothing`,
      `/${token}/../`,
      `/${token}/../../etc/passwd`,
      `/${token}/%2e%2e/%2e%2e/etc/passwd`,
      `/${token}/report/`,
      `/${token}/report?x=1`,
      `//${token}/`,
      `/${token.toUpperCase()}x/`,
      `/${token.slice(0, -1)}/`,
      `/${token}0/`,
      '/x/report',
      `/%${token}/report`,
      `/${'a'.repeat(8000)}/`,
    ];
    for (const path of others) {
      const { status, body } = await ask(path === '' ? '/' : path);
      expect([path.slice(0, 80), status, body]).toEqual([path.slice(0, 80), 404, 'not found\n']);
    }
  });

  it('answers to its own names alone: a name that was made to lead here is refused', async () => {
    const path = `/${token}/report`;
    for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, `LocalHost:${port}`])
      expect((await ask(path, { headers: { host } })).status).toBe(200);
    for (const host of [
      'evil.example',
      `evil.example:${port}`,
      '127.0.0.1',
      `127.0.0.1:${port + 1}`,
      `127.0.0.1.evil.example:${port}`,
      `0.0.0.0:${port}`,
    ])
      expect([host, (await ask(path, { headers: { host } })).status]).toEqual([host, 403]);
    expect(await raw(`GET ${path} HTTP/1.0\r\n\r\n`)).toMatch(/^HTTP\/1\.1 403 /);
    // The whole address in the request, as a proxy gets it.
    expect(
      await raw(`GET http://evil.example${path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n`),
    ).toMatch(/ 403 /);
    expect(
      await raw(`GET http://127.0.0.1:${port}${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n\r\n`),
    ).toMatch(/ 404 /);
  });

  it('refuses what pages of others send, even with the token', async () => {
    const path = `/${token}/events`;
    for (const origin of [
      'http://evil.example',
      'null',
      `https://127.0.0.1:${port}`,
      `http://127.0.0.1:${port + 1}`,
      `http://localhost:${port}`,
    ]) {
      const { status, headers } = await ask(path, { headers: { origin } });
      expect([origin, status]).toEqual([origin, 403]);
      expect(headers['access-control-allow-origin']).toBeUndefined();
    }
    for (const site of ['cross-site', 'same-site'])
      expect((await ask(path, { headers: { 'sec-fetch-site': site, 'sec-fetch-mode': 'no-cors' } })).status).toBe(403);
    const framed = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' };
    expect((await ask(`/${token}/`, { headers: framed })).status).toBe(403);
    expect((await ask(`/${token}/`, { headers: { ...framed, 'sec-fetch-dest': 'document' } })).status).toBe(200);
    const own = { origin: `http://127.0.0.1:${port}`, 'sec-fetch-site': 'same-origin' };
    expect((await ask(`/${token}/report`, { headers: own })).status).toBe(200);
  });

  it('takes no method that changes anything', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE', 'PROPFIND']) {
      const { status, headers } = await ask(`/${token}/report`, { method });
      expect([method, status, headers.allow]).toEqual([method, 405, 'GET, HEAD']);
    }
    expect(await raw(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`)).not.toContain(' 200 ');
    expect(await raw('this is no request\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
    expect(
      await raw(`GET /${token}/ HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nX: ${'y'.repeat(100_000)}\r\n\r\n`),
    ).toMatch(/ 431 /);
  });

  it('cannot be reached from other machines', async () => {
    const outside = Object.values(networkInterfaces()).flatMap((all) =>
      (all ?? []).filter(({ internal, family }) => !internal && family === 'IPv4'),
    );
    for (const { address } of outside) {
      const reached = await new Promise((resolve) => {
        const socket = connect(port, address);
        socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
        setTimeout(() => resolve(false), 500);
      });
      expect(reached).toBe(false);
    }
  });

  it('says which port cannot be had', async () => {
    await expect(serveLive(state, 'x', port)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining(`port ${port}: something else listens there`),
    });
  });

  /** The events of a stream as they come, until it is let go. */
  class Listener {
    text = '';
    status = 0;
    readonly #request;

    constructor(lastId?: string) {
      this.#request = request(
        {
          host: '127.0.0.1',
          port,
          path: `/${token}/events`,
          agent: false,
          headers: lastId === undefined ? {} : { 'last-event-id': lastId },
        },
        (response) => {
          this.status = response.statusCode!;
          response.setEncoding('utf8');
          response.on('data', (chunk: string) => {
            this.text += chunk;
          });
          response.on('error', () => {});
        },
      );
      this.#request.on('error', () => {});
      this.#request.end();
    }

    get events() {
      return [...this.text.matchAll(/id: (.*)\nevent: (.*)\ndata: (.*)\n\n/g)].map(([, id, kind, data]) => ({
        id,
        kind,
        data: JSON.parse(data),
      }));
    }

    async until(isThere: () => boolean): Promise<void> {
      for (let i = 0; i < 200 && !isThere(); i++) await wait(10);
      expect(isThere()).toBe(true);
    }

    leave(): void {
      this.#request.destroy();
    }
  }

  it('tells who comes what there is, and who comes back what is new', async () => {
    const first = new Listener();
    await first.until(() => first.events.length === 2);
    expect(first.text.startsWith('retry: 2000\n\n')).toBe(true);
    expect(first.events.map(({ kind }) => kind)).toEqual(['report', 'notes']);
    const last = first.events[1].id;
    first.leave();
    state.progress('comparing', 1, 10);
    state.progress('comparing', 7, 10);
    const again = new Listener(last);
    await again.until(() => again.events.length === 1);
    await wait(50);
    expect(again.events).toMatchObject([{ kind: 'progress', data: { phase: 'comparing', done: 7, total: 10 } }]);
    state.report(series(4));
    await again.until(() => again.events.length === 2);
    expect(again.events[1]).toMatchObject({ kind: 'report', data: { version: 2, whole: true } });
    // Ids of another run, and what is none, mean everything.
    for (const id of [`${'0'.repeat(32)}-999999`, 'nonsense', `${last}9999999999999999`]) {
      const stranger = new Listener(id);
      await stranger.until(() => stranger.events.length === 3);
      stranger.leave();
    }
    again.leave();
  });

  it('queues nothing for who does not read, and lets the last count', async () => {
    const socket = connect(port, '127.0.0.1');
    socket.pause();
    socket.write(`GET /${token}/events HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
    await wait(50);
    const long = 'x'.repeat(100_000);
    const before = process.memoryUsage();
    for (let i = 0; i < 2000; i++) {
      state.notes([{ tone: 'plain', text: `${i} ${long}` }]);
      if (i % 50 === 0) await wait(1);
    }
    const { heapUsed, external } = process.memoryUsage();
    // 200 MB were said.
    expect(heapUsed + external - before.heapUsed - before.external).toBeLessThan(60e6);
    let text = '';
    socket.on('data', (chunk) => {
      text = (text + chunk).slice(-150_000);
    });
    socket.resume();
    for (let i = 0; i < 300 && !text.includes('"1999 x'); i++) await wait(10);
    expect(text).toContain('"1999 x');
    socket.destroy();
    state.notes([]);
  });

  it('has room for so many and no more, and nobody who leaves is missed', async () => {
    const all = Array.from({ length: 40 }, () => new Listener());
    await wait(300);
    expect(all.filter(({ status }) => status === 200)).toHaveLength(32);
    expect(all.filter(({ status }) => status === 503)).toHaveLength(8);
    for (const one of all) one.leave();
    await wait(100);
    const next = new Listener();
    await next.until(() => next.status === 200);
    next.leave();
  });

  it('ends streams when it is closed, with the last event in them', async () => {
    const own = new LiveState();
    const pages = await serveLive(own, 'ends');
    const { port, pathname } = new URL(pages.url);
    const text = new Promise<string>((resolve) => {
      let read = '';
      request({ host: '127.0.0.1', port, path: `${pathname}events`, agent: false }, (response) => {
        response.on('data', (chunk) => {
          read += chunk;
        });
        response.on('end', () => resolve(read));
      }).end();
    });
    await wait(100);
    own.end({ outcome: 'finished', text: 'ended: 3 models' });
    await pages.close();
    expect(await text).toContain('event: end\ndata: {"kind":"end","outcome":"finished","text":"ended: 3 models"}');
  });
});
