import { setTimeout as wait } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { Pacer } from '../cooperate.js';
import { readRun } from './jobs.js';
import { KEYS } from './names.js';
import { Site, type SiteSettings } from './site.js';

/** Runs that a worker keeps models of. */
const MOST_SITES = 2;
/** How long a server that was started again has to learn which runs there are. */
const UNKNOWN_MS = 3000;

/** Why work on a run ends: nobody waits for its tiles any more. */
export const GONE = new Error('nobody waits for this any more');

/** What a worker has of the runs that it has last computed tiles of. */
export class Sites {
  readonly #redis: Redis;
  readonly #settings: SiteSettings;
  /** By runs; the one used longest ago first. */
  readonly #sites = new Map<string, Site>();

  constructor(redis: Redis, settings: SiteSettings) {
    this.#redis = redis;
    this.#settings = settings;
  }

  /**
   * Undefined where nobody waits for the run any more.
   * @throws TensimError (rejects) as `readRun`.
   */
  async of(run: string): Promise<Site | undefined> {
    let text = await this.#redis.get(KEYS.run(run));
    if (text === null) {
      await wait(UNKNOWN_MS);
      text = await this.#redis.get(KEYS.run(run));
    }
    if (text === null) {
      await this.leave(run);
      return undefined;
    }
    const known = this.#sites.get(run);
    this.#sites.delete(run);
    const site = known ?? new Site(await readRun(text, new Pacer()), this.#settings);
    this.#sites.set(run, site);
    const [oldest] = this.#sites.keys();
    if (this.#sites.size > MOST_SITES) await this.leave(oldest);
    return site;
  }

  /** Stops work on a run. */
  async end(run: string): Promise<void> {
    await this.#sites.get(run)?.end(GONE);
  }

  /** Lets go of all that is there of a run. */
  async leave(run: string): Promise<void> {
    const site = this.#sites.get(run);
    this.#sites.delete(run);
    await site?.end(GONE);
  }

  /** Lets go of the runs that nobody waits for any more. */
  async leaveGone(): Promise<void> {
    for (const run of this.#sites.keys()) if ((await this.#redis.exists(KEYS.run(run))) === 0) await this.leave(run);
  }

  async close(): Promise<void> {
    for (const run of [...this.#sites.keys()]) await this.leave(run);
  }
}
