import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** Bits of the token, in bytes. */
const TOKEN_BYTES = 16;

/** A request that may be answered, or the status of its refusal. */
export type Admission = { readonly path: string } | { readonly status: 403 | 404 | 405 };

/** A token that nobody guesses, as a part of an address. */
export const newToken = (): string => randomBytes(TOKEN_BYTES).toString('hex');

/**
 * Whether a request comes from whoever was given the address of a page, and not from another page in the same browser:
 *
 * - its method asks for something and changes nothing;
 * - `Host` is this machine by an address of its own, so that no name of a foreign site that is made to lead here gets in;
 * - `Origin` and `Sec-Fetch-Site`, where a browser says them, are those of the page itself or of the address bar;
 * - its path begins with the token, which is compared in constant time.
 *
 * @param port that is listened at
 * @returns the rest of the path, as it was sent: nothing in it is decoded.
 */
export function admit({ method, headers, url = '' }: IncomingMessage, port: number, token: string): Admission {
  if (method !== 'GET' && method !== 'HEAD') return { status: 405 };
  const hosts = [`127.0.0.1:${port}`, `localhost:${port}`];
  const { host, origin } = headers;
  if (host === undefined || !hosts.includes(host.toLowerCase())) return { status: 403 };
  if (origin !== undefined && origin.toLowerCase() !== `http://${host.toLowerCase()}`) return { status: 403 };
  if (!isOwnSite(headers)) return { status: 403 };
  const [, given = '', path] = /^\/([^/]*)\/(.*)$/s.exec(url) ?? [];
  if (!isEqual(given, token) || path === undefined) return { status: 404 };
  return { path };
}

/** A link that was followed may come from anywhere: its site sees nothing of where it leads. */
function isOwnSite(headers: IncomingMessage['headers']): boolean {
  const site = headers['sec-fetch-site'];
  if (site === undefined || site === 'same-origin' || site === 'none') return true;
  return headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document';
}

/** Takes as long whatever they have in common. */
function isEqual(one: string, other: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(one), digest(other));
}
