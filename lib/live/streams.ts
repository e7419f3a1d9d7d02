import type { IncomingMessage, ServerResponse } from 'node:http';
import type { LiveEvent } from '../report/live_events.js';
import { jsonText } from '../words/quoting.js';
import type { LiveState } from './feed.js';

/** Pages that are told at a time. */
const MOST_STREAMS = 32;
/** Milliseconds between two signs of life. */
const HEARTBEAT = 15_000;
/** Milliseconds that somebody may take nothing before they are let go; their browser comes back by itself. */
const PATIENCE = 60_000;
/** Milliseconds after which a browser comes back. */
const RETRY = 2000;

/**
 * Those who are told, by server-sent events. Of every kind the last event counts: to whoever is slow only the last ones
 * are sent when there is room again, so that nothing is queued for anybody. The number of an event is its id, and who
 * comes back with the id of the last is told what has come since.
 */
export class Streams {
  readonly #state: LiveState;
  /** Numbers of another run mean nothing here. */
  readonly #run: string;
  readonly #open = new Set<Stream>();

  constructor(state: LiveState, run: string) {
    this.#state = state;
    this.#run = run;
  }

  get isFull(): boolean {
    return this.#open.size >= MOST_STREAMS;
  }

  /** Answers with a stream, until the other side or `close` ends it. */
  add(request: IncomingMessage, response: ServerResponse): void {
    response.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8' });
    const stream = new Stream(response, this.#state, this.#run);
    this.#open.add(stream);
    response.once('close', () => {
      stream.stop();
      this.#open.delete(stream);
    });
    stream.begin(this.#numberIn(request.headers['last-event-id']));
  }

  close(): void {
    for (const stream of this.#open) stream.end();
  }

  #numberIn(id: string | string[] | undefined): number {
    const [, run, number] = /^([0-9a-f]+)-(\d{1,15})$/.exec(String(id)) ?? [];
    return run === this.#run ? Number(number) : 0;
  }
}

class Stream {
  readonly #response: ServerResponse;
  readonly #state: LiveState;
  readonly #run: string;
  /** What is to be sent. */
  readonly #due = new Set<LiveEvent['kind']>();
  readonly #unsubscribe: () => void;
  readonly #heart: NodeJS.Timeout;
  #blockedSince: number | null = null;

  constructor(response: ServerResponse, state: LiveState, run: string) {
    this.#response = response;
    this.#state = state;
    this.#run = run;
    response.on('drain', () => {
      this.#blockedSince = null;
      this.#send();
    });
    this.#unsubscribe = state.subscribe((kind) => {
      this.#due.add(kind);
      this.#send();
    });
    this.#heart = setInterval(() => this.#beat(), HEARTBEAT);
    this.#heart.unref();
  }

  /** @param number of the last event that is known there */
  begin(number: number): void {
    this.#write(`retry: ${RETRY}\n\n`);
    for (const { event } of this.#state.after(number)) this.#due.add(event.kind);
    this.#send();
  }

  stop(): void {
    this.#unsubscribe();
    clearInterval(this.#heart);
  }

  end(): void {
    this.stop();
    this.#response.end();
  }

  #beat(): void {
    if (this.#blockedSince === null) this.#write(': alive\n\n');
    else if (performance.now() - this.#blockedSince > PATIENCE) this.#response.destroy();
  }

  #send(): void {
    // By their numbers: who comes back with one has had all before it.
    const due = this.#state.after(0).filter(({ event }) => this.#due.has(event.kind));
    for (const { number, event } of due) {
      if (this.#blockedSince !== null) return;
      this.#due.delete(event.kind);
      this.#write(`id: ${this.#run}-${number}\nevent: ${event.kind}\ndata: ${jsonText(event)}\n\n`);
    }
  }

  #write(text: string): void {
    if (!this.#response.write(text)) this.#blockedSince = performance.now();
  }
}
