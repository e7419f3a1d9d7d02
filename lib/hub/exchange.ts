import { setTimeout as after } from 'node:timers/promises';
import type { TensimError } from '../errors.js';
import { bytesText } from '../words/bytes.js';
import { count, plural } from '../words/counts.js';
import type { Complaints } from './complaints.js';
import { JsonShape } from './json_shape.js';
import { type Token, timeouts } from './settings.js';

/** The most that the answer to one question may cost. */
export interface Allowance {
  readonly requests: number;
  /** Of one reply, as it is after decompression. */
  readonly replyBytes: number;
  /** Of all replies together. */
  readonly bytes: number;
  /** Of one reply, which is JSON; infinitely many for one that is none. */
  readonly values: number;
  readonly seconds: number;
}

/** Redirections of one request. */
const MOST_REDIRECTIONS = 10;
/** How often a server that is busy is asked again, and how many seconds are waited for it in all. */
const MOST_REPEATS = 2;
const MOST_WAIT = 10;
/** Below this many bytes a second a server only keeps us busy. */
const LEAST_RATE = 1024;

/**
 * The requests that one question to the Hub takes, in place of `fetch`. The token goes to the Hub's own origin alone,
 * whatever a reply says, so that neither a redirection nor a link to a next page can ask for it elsewhere; the replies
 * are no more than the allowance, and come at some pace. Whatever is wrong is told in words of our own: no text of a
 * server is passed on, for it was told the token.
 */
export class Exchange {
  readonly #allowance: Allowance;
  readonly #complaints: Complaints;
  readonly #origin: string;
  #token: Token | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #stop = new AbortController();
  readonly #aborted = () => this.#stop.abort(this.#signal?.reason);
  readonly #deadline: NodeJS.Timeout | undefined;
  readonly #timeouts = timeouts();
  readonly #asked = new Set<string>();
  #requests = 0;
  #bytes = 0;
  #waited = 0;

  constructor(
    allowance: Allowance,
    complaints: Complaints,
    hub: { readonly origin: string; readonly token: Token | undefined },
    signal: AbortSignal | undefined,
  ) {
    this.#allowance = allowance;
    this.#complaints = complaints;
    this.#origin = hub.origin;
    this.#token = hub.token;
    this.#signal = signal;
    signal?.throwIfAborted();
    signal?.addEventListener('abort', this.#aborted, { once: true });
    if (allowance.seconds < Number.POSITIVE_INFINITY)
      this.#deadline = setTimeout(
        () => this.#end(complaints.unanswered(`the Hub took more than ${count(allowance.seconds)} s for its answer`)),
        allowance.seconds * 1000,
      );
  }

  /** Ends what is still under way; an exchange that is not closed keeps its sockets. */
  close(): void {
    clearTimeout(this.#deadline);
    this.#signal?.removeEventListener('abort', this.#aborted);
    this.#stop.abort();
  }

  /**
   * What the Hub replies, never with a status that is an error.
   * @throws TensimError, or the reason of the signal
   */
  readonly fetch = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const headers = new Headers(init?.headers);
    let url = this.#next(input instanceof Request ? input.url : String(input), undefined);
    if (this.#asked.has(url.href)) throw this.#complaints.absurd('the Hub refers to the same page again and again');
    this.#asked.add(url.href);
    for (let redirections = 0, repeats = 0; ; ) {
      const response = await this.#send(url, headers);
      if (response.ok) return this.#limited(response);
      await response.body?.cancel().catch(() => undefined);
      const { status } = response;
      const location = response.headers.get('location');
      if (status >= 300 && status < 400 && location !== null) {
        if (++redirections > MOST_REDIRECTIONS)
          throw this.#complaints.absurd(`the Hub redirects more than ${MOST_REDIRECTIONS} times`);
        url = this.#next(location, url);
      } else if (status === 401 && this.#token?.isImplicit) {
        // A login that is over is no reason to refuse what is public.
        this.#token = undefined;
      } else if (repeats++ >= MOST_REPEATS || !(await this.#hasWaited(response))) {
        throw this.#complaints.refused(status);
      }
    }
  };

  async #send(url: URL, given: Headers): Promise<Response> {
    if (++this.#requests > this.#allowance.requests)
      throw this.#complaints.absurd(`the answer of the Hub has more than ${count(this.#allowance.requests)} pages`);
    const headers = new Headers(given);
    if (url.origin === this.#origin && this.#token !== undefined && !headers.has('authorization'))
      headers.set('authorization', `Bearer ${this.#token.text}`);
    const { reply } = this.#timeouts;
    const late = setTimeout(
      () => this.#end(this.#complaints.unanswered(`the Hub has not answered within ${count(reply)} s`)),
      reply * 1000,
    );
    try {
      return await fetch(url, { headers, redirect: 'manual', signal: this.#stop.signal });
    } catch {
      throw this.#reason('the Hub cannot be reached, or the connection broke');
    } finally {
      clearTimeout(late);
    }
  }

  /** An address that a reply names, which need be no good one. */
  #next(address: string, from: URL | undefined): URL {
    const url = URL.canParse(address, from?.href) ? new URL(address, from?.href) : undefined;
    const isPlain = url !== undefined && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '';
    const isWorse = (from?.href ?? this.#origin).startsWith('https:') && url?.protocol === 'http:';
    if (isPlain && !isWorse) return url;
    throw this.#complaints.absurd(
      isWorse ? 'the Hub refers from https to http' : 'the Hub refers to what is no address on the web',
    );
  }

  /** Waits for as long as a busy server asks for, if it asks and that is not for too long. */
  async #hasWaited({ status, headers }: Response): Promise<boolean> {
    const asked = headers.get('retry-after')?.trim() ?? '';
    if ((status !== 429 && status !== 503) || asked === '') return false;
    const seconds = /^\d+$/.test(asked) ? Number(asked) : (Date.parse(asked) - Date.now()) / 1000;
    this.#waited += Math.max(0, seconds);
    if (!(this.#waited <= MOST_WAIT)) return false;
    await after(Math.max(0, seconds) * 1000, undefined, { signal: this.#stop.signal }).catch(() => {
      throw this.#reason('the connection broke');
    });
    return true;
  }

  #limited(response: Response): Response {
    const reader = response.body?.getReader();
    if (reader === undefined) return response;
    let bytes = 0;
    const { values } = this.#allowance;
    const shape = values < Number.POSITIVE_INFINITY ? new JsonShape(values) : undefined;
    const pace = new Pace(this.#timeouts.more, (seen) =>
      this.#end(
        this.#complaints.unanswered(
          `the Hub sent ${seen} ${plural(seen, 'byte')} in ${count(this.#timeouts.more)} s, which is no pace`,
        ),
      ),
    );
    const pull = async (controller: ReadableStreamDefaultController<Uint8Array>) => {
      const { done, value } = await pace.of(reader.read()).catch(() => {
        throw this.#reason('the connection to the Hub broke');
      });
      if (done) return controller.close();
      bytes += value.length;
      this.#bytes += value.length;
      this.#check(bytes, this.#allowance.replyBytes, 'a reply');
      this.#check(this.#bytes, this.#allowance.bytes, 'the answer');
      if (shape?.isTooMuch(value))
        throw this.#complaints.absurd(
          `a reply of the Hub has more than ${count(values)} values, or nests them too deep`,
        );
      return controller.enqueue(value);
    };
    const body = new ReadableStream({ pull, cancel: () => reader.cancel() }, { highWaterMark: 0 });
    return new Response(body, { status: response.status, headers: response.headers });
  }

  #check(bytes: number, most: number, what: string): void {
    if (bytes <= most) return;
    const error = this.#complaints.absurd(`${what} of the Hub has more than ${bytesText(most)}`);
    this.#end(error);
    throw error;
  }

  #end(error: TensimError): void {
    this.#stop.abort(error);
  }

  /** Why a request or a reply ended: what ended it here, or else that the other side did. */
  #reason(otherwise: string): unknown {
    return this.#stop.signal.aborted ? this.#stop.signal.reason : this.#complaints.unanswered(otherwise);
  }
}

/** Watches how many bytes come while they are waited for; time in which nobody waits is nobody's fault. */
class Pace {
  readonly #window: number;
  readonly #tooSlow: (bytes: number) => void;
  #bytes = 0;
  #waited = 0;

  /** @param seconds in which some bytes must come */
  constructor(seconds: number, tooSlow: (bytes: number) => void) {
    this.#window = seconds * 1000;
    this.#tooSlow = tooSlow;
  }

  async of<Read extends { value?: Uint8Array | undefined }>(reading: Promise<Read>): Promise<Read> {
    const start = performance.now();
    const timer = setTimeout(() => this.#tooSlow(this.#bytes), this.#window - this.#waited);
    try {
      const read = await reading;
      this.#bytes += read.value?.length ?? 0;
      return read;
    } finally {
      clearTimeout(timer);
      this.#waited += performance.now() - start;
      if (this.#bytes >= (LEAST_RATE * this.#window) / 1000) this.#waited = this.#bytes = 0;
    }
  }
}
