import { TensimError } from '../errors.js';
import type { QueueCertificates, QueueOptions } from './terms.js';

/** Where a queue is and how it is reached, with what the environment says filled in. */
export interface Address {
  readonly host: string;
  readonly port: number;
  readonly db: number;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** Paths of files in PEM; undefined without TLS. */
  readonly tls: QueueCertificates | undefined;
  /** What people are shown: no password is in it. */
  readonly shown: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads the address of a queue.
 * @throws TensimError `INVALID_ARGUMENT` for what is none; what is wrong is told without a word of it, for a password
 * may be in it.
 */
export function addressOf(queue: string | QueueOptions, env: Environment = process.env): Address {
  const options = typeof queue === 'string' ? { url: queue } : queue;
  const url = parsed(options.url);
  const db = url.pathname.replace(/^\//, '');
  if (!/^\d*$/.test(db)) throw wrong('its database is no number');
  const [host, port] = [url.hostname.replace(/^\[(.*)\]$/, '$1'), url.port === '' ? 6379 : Number(url.port)];
  if (host === '') throw wrong('it names no host');
  const tls = url.protocol === 'rediss:';
  const { TENSIM_QUEUE_CA: ca, TENSIM_QUEUE_CERT: cert, TENSIM_QUEUE_KEY: key } = env;
  return {
    host,
    port,
    db: Number(db),
    username: options.username ?? (decodeURIComponent(url.username) || env.TENSIM_QUEUE_USERNAME || undefined),
    password: options.password ?? (decodeURIComponent(url.password) || env.TENSIM_QUEUE_PASSWORD || undefined),
    tls: tls ? { ...present({ ca, cert, key }), ...present(options.tls ?? {}) } : undefined,
    shown: `${url.protocol}//${url.hostname}:${port}/${Number(db)}`,
  };
}

/** Whether a password stands in the address itself. */
export const hasPassword = (url: string): boolean => parsed(url).password !== '';

function parsed(text: unknown): URL {
  if (typeof text !== 'string' || !URL.canParse(text)) throw wrong('it is no address');
  const url = new URL(text);
  if (url.protocol !== 'redis:' && url.protocol !== 'rediss:')
    throw wrong('it does not begin with redis:// or rediss://');
  return url;
}

function wrong(why: string): TensimError {
  return new TensimError('INVALID_ARGUMENT', `the address of the queue cannot be used: ${why}`, {
    hint: 'It looks like redis://HOST:PORT/DB, or rediss:// with TLS',
  });
}

const present = (files: QueueCertificates): QueueCertificates =>
  Object.fromEntries(Object.entries(files).filter(([, path]) => Boolean(path)));
