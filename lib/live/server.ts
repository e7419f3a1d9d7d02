import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { TensimError } from '../errors.js';
import { LIVE_PATHS } from '../report/live_events.js';
import { livePage } from '../report/live_page.js';
import type { LiveState } from './feed.js';
import { admit, newToken } from './guard.js';
import { Streams } from './streams.js';

/** The only address that is listened at: other machines cannot come here. */
const LOOPBACK = '127.0.0.1';
/** Connections at a time, of all pages together. */
const MOST_CONNECTIONS = 128;

/** What every answer says: nobody keeps it, frames it, loads it into another page or learns where it was. */
const HEADERS = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
} as const;

const WORDS = { 403: 'refused', 404: 'not found', 405: 'only GET', 500: 'no report', 503: 'too many' } as const;

/** A page that follows a computation, served on this machine alone. */
export interface LivePages {
  /** With a token in it, which lets its owner in and nobody else. */
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Serves the page of a computation on the loopback interface. Whoever opens it, closes it or attacks it does not touch
 * the computation.
 * @param title what is followed
 * @param port 0: one that is free
 * @throws TensimError `INVALID_ARGUMENT` where the port cannot be had
 */
export async function serveLive(state: LiveState, title: string, port = 0): Promise<LivePages> {
  const token = newToken();
  const streams = new Streams(state, newToken());
  const shell = livePage(title);
  const server = createServer((request, response) => {
    answer(request, response).catch(() => refuse(response, 500));
  });
  server.maxConnections = MOST_CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => reject(unusable(port, cause)));
    server.listen(port, LOOPBACK, resolve);
  });
  // A failure later on, such as running out of descriptors, costs a page and not the computation.
  server.on('error', () => {});
  const own = (server.address() as AddressInfo).port;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    const admission = admit(request, own, token);
    if ('status' in admission) return refuse(response, admission.status);
    switch (admission.path) {
      case '':
        return send(request, response, shell);
      case LIVE_PATHS.report:
        return sendReport(request, response);
      case LIVE_PATHS.events:
        if (streams.isFull) return refuse(response, 503);
        return request.method === 'HEAD' ? send(request, response, '') : streams.add(request, response);
      default:
        return refuse(response, 404);
    }
  }

  async function sendReport(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const page = await state.page();
    if (page === undefined) return refuse(response, 404);
    response.setHeader('ETag', `"${page.version}"`);
    send(request, response, page.html);
  }

  return {
    url: `http://${LOOPBACK}:${own}/${token}/`,
    close: () =>
      new Promise((resolve) => {
        streams.close();
        server.close(() => resolve());
        // What was just written goes out first.
        setImmediate(() => server.closeIdleConnections());
        setTimeout(() => server.closeAllConnections(), LINGER).unref();
      }),
  };
}

/** Milliseconds that pages have to take what is left. */
const LINGER = 500;

function send({ method }: IncomingMessage, response: ServerResponse, html: string): void {
  response.setHeader('Content-Type', 'text/html; charset=utf-8');
  // Pages have a policy of their own in them, which names their script.
  response.setHeader('Content-Security-Policy', "frame-ancestors 'none'");
  response.end(method === 'HEAD' ? undefined : html);
}

function refuse(response: ServerResponse, status: keyof typeof WORDS): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.writeHead(status, {
    'Content-Type': 'text/plain; charset=utf-8',
    ...(status === 405 && { Allow: 'GET, HEAD' }),
  });
  response.end(`${WORDS[status]}\n`);
}

function unusable(port: number, cause: NodeJS.ErrnoException): TensimError {
  const reason = cause.code === 'EADDRINUSE' ? 'something else listens there' : cause.message;
  return new TensimError('INVALID_ARGUMENT', `the page cannot be served at port ${port}: ${reason}`, {
    hint: 'Give another port, or 0 for one that is free',
    cause,
  });
}
