import type { BackendName } from '../backend/backend.js';
import type { GramTile } from '../backend/grams.js';
import { TensimError } from '../errors.js';
import { LocalExecutor } from '../similarity/gram/local.js';
import type { Job } from '../similarity/gram/schedule.js';
import { openModel } from '../similarity/jobs/models.js';
import { settingsFor, sourcesOf } from '../similarity/jobs/run.js';
import { KeptModels } from '../similarity/members/kept.js';
import type { Member } from '../similarity/members/members.js';
import type { ScaledTile } from '../similarity/scale/model_scale.js';
import type { ReadRun } from './jobs.js';
import { Joined, partsOf } from './parts.js';

/** The part of the memory that weights may take between the check of their file and their preparation. */
const KEPT_PART = 1 / 16;

/** How a worker computes. */
export interface SiteSettings {
  readonly threads: number | undefined;
  /** In bytes. */
  readonly memoryLimit: number;
  /** Taken for runs that leave the backend open. */
  readonly backend: BackendName;
}

/**
 * What a worker has of a run: models whose files were found and checked, and those that are prepared, as long as there
 * is room. One tile is computed at a time.
 */
export class Site {
  readonly #run: ReadRun;
  readonly #settings: SiteSettings;
  readonly #ended = new AbortController();
  readonly #members: readonly FoundMember[];
  /** Models that can be compared with each other. */
  readonly #checked = new Set<number>();
  #kept = new KeptModels();
  #executor: { readonly local: LocalExecutor; readonly side: number; readonly first: Member } | undefined;

  constructor(run: ReadRun, settings: SiteSettings) {
    this.#run = run;
    this.#settings = settings;
    this.#members = run.models.map((file, number) => {
      const open = () => openModel(file, this.#ended.signal, this.#kept);
      return new FoundMember(file.label, run.sizes[number], open);
    });
  }

  /** How often a model was prepared so far. */
  get prepared(): number {
    return this.#executor?.local.prepared ?? 0;
  }

  /** The labels of models. */
  labels(numbers: readonly number[]): string[] {
    return numbers.map((number) => this.#run.models[number].label);
  }

  /**
   * @throws TensimError (rejects) `INVALID_ARGUMENT` for a tile of another run; `INVALID_FILE` where a file is not the
   * one of the run; as `LocalExecutor.run`; the reason of `end`.
   */
  async compute(job: Job): Promise<GramTile | ScaledTile> {
    const numbers = new Set([...job.rows, ...job.columns]);
    for (const number of numbers)
      if (number >= this.#members.length) throw new TensimError('INVALID_ARGUMENT', `the run has no model ${number}`);
    const { local, side } = await this.#ready([...numbers]);
    const { signal } = this.#ended;
    const joined = new Joined(job);
    for (const part of partsOf(job, side)) {
      signal.throwIfAborted();
      const tile = await local.run(part.job, { signal });
      if (side >= Math.max(job.rows.length, job.columns.length)) return tile;
      joined.put(part, tile);
    }
    return joined.tile;
  }

  /** Finds the files of models, makes sure of them, and that they can be compared with those that are there. */
  async #ready(numbers: readonly number[]) {
    const fresh = numbers.filter((number) => !this.#checked.has(number));
    if (this.#executor !== undefined && fresh.length === 0) return this.#executor;
    const { setting, mixed } = this.#run;
    const { threads, backend, memoryLimit } = this.#settings;
    const { signal } = this.#ended;
    this.#kept = new KeptModels(KEPT_PART * memoryLimit);
    const members: Member[] = this.#executor === undefined ? [] : [this.#executor.first];
    for (const number of fresh) members.push(await this.#members[number].find());
    const settings = await settingsFor(setting, members, { signal, threads, ...(mixed && { own: backend }) });
    const sources = sourcesOf(setting, members, settings);
    if (this.#executor === undefined) {
      const local = new LocalExecutor({ members: this.#members, sources, memoryLimit }, settings);
      const { capacity, side } = await local.measure(Number.MAX_SAFE_INTEGER);
      this.#executor = { local, side: Math.max(1, Math.min(side, Math.floor(capacity / 2))), first: members[0] };
    }
    for (const number of fresh) this.#checked.add(number);
    return this.#executor;
  }

  /** Stops what is at work, and lets go of all. */
  async end(reason: unknown): Promise<void> {
    this.#ended.abort(reason);
    await this.#executor?.local.close();
  }
}

/** A model of a run, whose file is opened when it is first needed; until then its label and its size are known. */
class FoundMember implements Member {
  readonly #open: () => Promise<Member>;
  #outline: Member['outline'];
  #found: Member | undefined;

  constructor(label: string, size: number, open: () => Promise<Member>) {
    const none = { layers: [], inputShape: [0, 0], outputShape: [0, 0], provenance: { metadata: {} } } as const;
    this.#outline = { ...none, label, parameters: new Map([['', { shape: [size] }]]) };
    this.#open = open;
  }

  get outline(): Member['outline'] {
    return this.#outline;
  }

  get known(): string | undefined {
    return this.#found?.known;
  }

  async find(): Promise<Member> {
    this.#found ??= await this.#open();
    this.#outline = this.#found.outline;
    return this.#found;
  }

  async load() {
    return (await this.find()).load();
  }

  release(): void {
    this.#found?.release();
  }

  async identity(): Promise<string> {
    return (await this.find()).identity();
  }

  sketch(): string {
    return this.#found?.sketch() ?? '';
  }
}
