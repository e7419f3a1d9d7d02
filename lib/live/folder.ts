import { type FSWatcher, watch as watchFolder } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { isIndex, isShard } from '../formats/endings.js';
import { stampOf } from '../formats/stamp.js';
import { candidatePaths } from '../model/reading/paths.js';
import type { ReadingOptions } from '../model/reading/source.js';
import { filesOf, type Verdict, verdictOn } from './whole.js';

/** Files beside a checkpoint that say how it is read. A history.json is written to all the time, and is left out. */
const BESIDE = ['config.json', 'model.json', 'quantize_config.json', 'quant_config.json', 'hf_quant_config.json'];
/** Folders that the system is asked to tell about; of others it is found out by looking. */
const MOST_FOLDERS = 64;
/** Milliseconds between a sign from the system and the look that it leads to: changes come in swarms. */
const SWARM = 40;
/** The time between two looks, in times of what one takes: while nothing is heard, and after a sign. */
const SPARING = 20;
const SWARM_SPARING = 4;

/** A file that is, or may become, a model. */
export interface Watched {
  readonly path: string;
  readonly verdict: Verdict;
  /** Another for other content; only of files that are whole does it mean anything. */
  readonly stamp: string;
  /** Milliseconds for which it has been as it is, as far as known. */
  readonly steady: number;
}

interface Entry extends Pick<Watched, 'path' | 'verdict' | 'stamp'> {
  readonly beside: string;
  /** When it was last written to, or seen to change. */
  readonly since: number;
  readonly judged: boolean;
}

/** What a look has found. */
export interface Look {
  readonly files: readonly Watched[];
  /** Whether anything is being written. */
  readonly busy: boolean;
}

export interface FolderOptions {
  /** Milliseconds that a file must be as it is before it is taken for written. */
  readonly settle: number;
  /** Milliseconds between two looks, at most: network file systems tell nothing. */
  readonly poll: number;
  readonly reading: ReadingOptions;
}

/**
 * Watches folders and patterns. A file is whole when it has been as it is for a while and says itself that nothing is
 * missing; one that was renamed into place is known at once to be written, but for that while.
 */
export class WatchedFolder {
  readonly #given: readonly string[];
  readonly #options: FolderOptions;
  readonly #watchers = new Map<string, FSWatcher>();
  #entries = new Map<string, Entry>();
  /** Files that were found wanting when they were read, by the stamp that they had. */
  readonly #refused = new Map<string, { readonly stamp: string; readonly verdict: Verdict }>();
  #wake: (() => void) | undefined;
  #touched = false;
  #took = 0;

  constructor(given: readonly string[], options: FolderOptions) {
    this.#given = given;
    this.#options = options;
  }

  /** Looks at everything. */
  async look(): Promise<Look> {
    const start = performance.now();
    this.#touched = false;
    const paths = new Map<string, string>();
    for (const given of this.#given)
      for (const path of await candidatePaths(given, this.#signal))
        if (!paths.has(resolve(path))) paths.set(resolve(path), path);
    const entries = new Map<string, Entry>();
    for (const path of paths.values()) {
      const entry = await this.#entry(path);
      if (entry !== undefined) entries.set(path, entry);
    }
    this.#entries = entries;
    for (const path of this.#refused.keys()) if (!entries.has(path)) this.#refused.delete(path);
    this.#follow();
    const parts = await this.#parts();
    const now = Date.now();
    const files = [...entries.values()]
      .filter(({ path }) => !isShard(path) && !parts.has(resolve(path)))
      .map(({ path, verdict, stamp, since, beside }) => ({
        ...{ path, verdict: this.#ruled(path, `${stamp}\n${beside}`, verdict), stamp: `${stamp}\n${beside}` },
        steady: now - since,
      }));
    this.#took = performance.now() - start;
    return { files, busy: files.some(({ verdict }) => verdict.state === 'written') };
  }

  /** The file is not to be taken as it is now. */
  refuse(path: string, verdict: Verdict): void {
    const entry = this.#entries.get(path);
    if (entry === undefined) return;
    if (verdict.state === 'written') this.#entries.set(path, { ...entry, since: Date.now(), judged: false, verdict });
    else this.#refused.set(path, { stamp: `${entry.stamp}\n${entry.beside}`, verdict });
  }

  /** Waits until there may be something new. */
  async wait(): Promise<void> {
    const { settle, poll } = this.#options;
    const now = Date.now();
    const due = [...this.#entries.values()].filter(({ judged }) => !judged).map(({ since }) => since + settle - now);
    const soonest = due.reduce((least, next) => Math.min(least, next), Math.max(poll, SPARING * this.#took));
    if (!this.#touched) await this.#pause(Math.max(0, soonest), true);
    // The others of the swarm; and whoever writes without a pause is not watched without one.
    await this.#pause(Math.max(SWARM, SWARM_SPARING * this.#took), false);
  }

  close(): void {
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
    this.#wake?.();
  }

  get #signal(): AbortSignal | undefined {
    return this.#options.reading.signal;
  }

  /** @param wakes whether a sign from the system ends it */
  #pause(milliseconds: number, wakes: boolean): Promise<void> {
    return new Promise((done) => {
      const end = () => {
        clearTimeout(timer);
        this.#signal?.removeEventListener('abort', end);
        this.#wake = undefined;
        done();
      };
      const timer = setTimeout(end, milliseconds);
      if (wakes) this.#wake = end;
      this.#signal?.addEventListener('abort', end, { once: true });
      if (this.#signal?.aborted) end();
    });
  }

  async #entry(path: string): Promise<Entry | undefined> {
    const found = await stampsOf(path);
    if (found === undefined) return undefined;
    const { stamp, newest, beside } = found;
    const before = this.#entries.get(path);
    const isNew = before === undefined;
    const changed = isNew || before.stamp !== stamp;
    // What was there before the watch began has been written long ago, if the clock of its disk is believed.
    const since = changed ? (isNew ? Math.min(newest, Date.now()) : Date.now()) : before.since;
    const judged = !changed && before.judged;
    if (judged) return { ...before, beside };
    const entry = { path, stamp, beside, since, judged: false, verdict: { state: 'written' } as const };
    if (Date.now() - since < this.#options.settle) return entry;
    const verdict = await verdictOn(path, this.#options.reading);
    if (verdict.state === 'written' || (await stampsOf(path))?.stamp !== stamp) return { ...entry, since: Date.now() };
    return { ...entry, judged: true, verdict };
  }

  #ruled(path: string, stamp: string, verdict: Verdict): Verdict {
    const refused = this.#refused.get(path);
    return refused?.stamp === stamp ? refused.verdict : verdict;
  }

  /** What belongs to an index; files that are named like shards wait for theirs. */
  async #parts(): Promise<Set<string>> {
    const parts = new Set<string>();
    for (const path of this.#entries.keys())
      if (isIndex(path)) for (const part of (await filesOf(path)).slice(1)) parts.add(resolve(part));
    return parts;
  }

  #follow(): void {
    const folders = new Set(this.#given.map((given) => given.replace(/[/\\]+$/, '') || '/'));
    for (const path of this.#entries.keys()) folders.add(dirname(path));
    for (const folder of folders) {
      if (this.#watchers.has(folder) || this.#watchers.size >= MOST_FOLDERS) continue;
      try {
        const watcher = watchFolder(folder, { persistent: false }, () => {
          this.#touched = true;
          this.#wake?.();
        });
        const drop = () => {
          watcher.close();
          this.#watchers.delete(folder);
        };
        watcher.on('error', drop);
        this.#watchers.set(folder, watcher);
      } catch {
        // A pattern, a folder that has gone, or a system that tells nothing: looking finds out.
      }
    }
  }
}

/** What the system says of a checkpoint and of what is read with it; undefined where it is gone. */
async function stampsOf(path: string) {
  const stats = await Promise.all((await filesOf(path)).map(statOf));
  const [own] = stats;
  if (own === undefined) return undefined;
  const times = stats.flatMap((one) => (one === undefined ? [] : [Number(one.mtimeMs), Number(one.ctimeMs)]));
  const companions = [...BESIDE.map((name) => join(dirname(path), name)), `${path}.config.json`];
  return {
    stamp: stats.map(textOf).join('\n'),
    newest: times.reduce((most, next) => Math.max(most, next)),
    beside: (await Promise.all(companions.map(statOf))).map(textOf).join('\n'),
  };
}

type Stats = Awaited<ReturnType<typeof statOf>>;

const statOf = (path: string) => stat(path, { bigint: true }).catch(() => undefined);
const textOf = (stats: Stats) => (stats === undefined ? '' : stampOf(stats).text);
