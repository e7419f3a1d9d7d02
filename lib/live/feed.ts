import type { LiveEnd, LiveEvent, LiveNote } from '../report/live_events.js';
import { type Report, reportHtml } from '../report/write.js';
import type { Begun } from '../similarity/circumstances.js';
import { partialMatrix } from './partial.js';

/** A computation is looked at for the first time so many milliseconds after it begins: most are over by then. */
const FIRST_LOOK = 1500;
/** Milliseconds between two versions of a report that is still growing, at least. */
const INTERVAL = 500;
/** And so many times what making one took: a page costs the computation a tenth at most. */
const SPARING = 10;

/**
 * What a computation tells those who watch it. Whoever computes calls this and nothing more, be it in this process or
 * for others: `begin` with a matrix that fills, `cells` whenever it has filled, `report` with what has come of it.
 * Nothing here waits for anybody who watches.
 */
export interface LiveFeed {
  /** A matrix begins to be computed, or begins anew with other models. */
  begin(begun: Begun): void;
  /** There is more in it than before. */
  cells(): void;
  progress(phase: string, done: number, total: number): void;
  /** What is to be said beside, in place of what was said before. */
  notes(notes: readonly LiveNote[]): void;
  /** It is finished. */
  report(report: Report): void;
  /** Nothing will come any more. */
  end(end: Omit<LiveEnd, 'kind'>): void;
}

/** A page, and its version. */
export interface LivePage {
  readonly version: number;
  readonly html: string;
}

/** The last event of a kind, and which it was of all. */
export interface Numbered {
  readonly number: number;
  readonly event: LiveEvent;
}

/**
 * What is known of a computation: the last event of every kind, and the page of the last report, which is made when
 * somebody asks for it. However long the computation, and however many watch, there is no more in memory than that.
 */
export class LiveState implements LiveFeed {
  readonly #last = new Map<LiveEvent['kind'], Numbered>();
  readonly #listeners = new Set<(kind: LiveEvent['kind']) => void>();
  readonly #command: string | undefined;
  #number = 0;
  #version = 0;
  #source: Begun | Report | undefined;
  #page: { readonly version: number; readonly html: Promise<string> } | undefined;
  #making: Promise<unknown> = Promise.resolve();
  #cost = 0;
  #nextLook = 0;
  #timer: NodeJS.Timeout | undefined;

  /** @param command what was typed; pages say so. */
  constructor(command?: string) {
    this.#command = command;
  }

  begin(begun: Begun): void {
    this.#quiet();
    this.#source = begun;
    this.#nextLook = performance.now() + FIRST_LOOK;
  }

  cells(): void {
    const isUnderWay = this.#source !== undefined && !('kind' in this.#source);
    if (!isUnderWay || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.#look(), Math.max(0, this.#nextLook - performance.now()));
    this.#timer.unref();
  }

  progress(phase: string, done: number, total: number): void {
    this.#tell({ kind: 'progress', phase, done, total });
  }

  notes(notes: readonly LiveNote[]): void {
    const event: LiveEvent = { kind: 'notes', notes };
    if (JSON.stringify(this.#last.get('notes')?.event) !== JSON.stringify(event)) this.#tell(event);
  }

  report(report: Report): void {
    this.#quiet();
    this.#source = report;
    this.#tell({ kind: 'report', version: ++this.#version, whole: true });
  }

  end(end: Omit<LiveEnd, 'kind'>): void {
    this.#quiet();
    this.#tell({ kind: 'end', ...end });
  }

  /** Calls back with the kind of every event; `after` has it. */
  subscribe(listener: (kind: LiveEvent['kind']) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The last events that come after a number, in the order in which they came. */
  after(number: number): Numbered[] {
    return [...this.#last.values()].filter((one) => one.number > number).sort((a, b) => a.number - b.number);
  }

  /**
   * The page of the last report; undefined before the first. It is made once, however many ask.
   * @throws what the writer of the report throws
   */
  async page(): Promise<LivePage | undefined> {
    const version = this.#version;
    const source = this.#source;
    if (version === 0 || source === undefined) return undefined;
    if (this.#page?.version !== version) {
      // One after the other: they would take each other's time.
      const html = this.#making.then(() => this.#make(source));
      this.#making = html.catch(() => {});
      this.#page = { version, html };
    }
    return { version, html: await this.#page.html };
  }

  async #make(source: Begun | Report): Promise<string> {
    const start = performance.now();
    const report = 'kind' in source ? source : await partialMatrix(source);
    const html = await reportHtml(report, this.#command);
    this.#cost = performance.now() - start;
    return html;
  }

  /** There is a new version of what grows. */
  #look(): void {
    this.#timer = undefined;
    this.#nextLook = performance.now() + Math.max(INTERVAL, SPARING * this.#cost);
    this.#tell({ kind: 'report', version: ++this.#version, whole: false });
  }

  #quiet(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #tell(event: LiveEvent): void {
    this.#last.set(event.kind, { number: ++this.#number, event });
    for (const listener of this.#listeners) listener(event.kind);
  }
}
