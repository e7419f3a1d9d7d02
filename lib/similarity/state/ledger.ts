import type { GramTile } from '../../backend/grams.js';
import { Pacer } from '../../cooperate.js';
import { TensimError } from '../../errors.js';
import { largest } from '../../extremes.js';
import { isRefusal } from '../../formats/replace_file.js';
import { count, plural } from '../../words/counts.js';
import type { Cells } from '../gram/cells.js';
import type { Ledger } from '../gram/run.js';
import { type Job, jobPairs } from '../gram/schedule.js';
import type { ScaledTile } from '../scale/model_scale.js';
import { RecordLog } from './log.js';
import { decodeRecord, encodeRecord, type StateRecord } from './records.js';
import { slicesOf, withBackend } from './setting.js';

/**
 * What inner products depend on beside the two models, as JSON; the route apart, because `auto` follows what is there.
 */
export interface Setting {
  readonly common: string;
  readonly route: string | null;
}

export const settingText = ({ common, route }: Setting): string => JSON.stringify([common, route]);

/** The file that keeps the inner products of models under many settings, open for one of them. */
export class StateFile {
  readonly #log: RecordLog;
  readonly #settings: string[];
  readonly #models: Map<string, number>;

  private constructor(log: RecordLog, settings: string[], models: Map<string, number>) {
    this.#log = log;
    this.#settings = settings;
    this.#models = models;
  }

  /**
   * Opens or makes a state file and hands over its tiles. Damaged ones never are: see `RecordLog`. What has the right
   * digest and makes no sense all the same counts as damage too: a file can come from anywhere.
   * @throws TensimError as `RecordLog.open`.
   */
  static async open(path: string, onTile: OnTile, onShard?: OnShard): Promise<StateFile> {
    const { settings, models, onRecord } = reader(onTile, onShard);
    return new StateFile(await RecordLog.open(path, onRecord), settings, models);
  }

  /**
   * Hands over the tiles of a file that may still grow, which is left as it is.
   * @returns bytes behind the last whole record.
   * @throws TensimError as `RecordLog.read`.
   */
  static read(path: string, onTile: OnTile, onShard?: OnShard): Promise<number> {
    return RecordLog.read(path, reader(onTile, onShard).onRecord);
  }

  /** Bytes cut off because they were damaged, or not written to the end. */
  get discarded(): number {
    return this.#log.discarded;
  }

  /** Keeps a finished job of models given by their identities, of which some may be equal. */
  async keep(setting: Setting, identities: readonly string[], job: Job, tile: GramTile | ScaledTile): Promise<void> {
    const number = await this.#numberOf(settingText(setting));
    const added = [...new Set(identities)].filter((identity) => !this.#models.has(identity));
    if (added.length > 0) {
      await this.#log.append(encodeRecord({ kind: 'models', identities: added }));
      for (const identity of added) this.#models.set(identity, this.#models.size);
    }
    const own = (i: number) => this.#models.get(identities[i])!;
    const recorded = { rows: job.rows.map(own), columns: job.columns.map(own), symmetric: job.symmetric };
    await this.#log.append(encodeRecord({ kind: 'tile', setting: number, job: recorded, tile }));
  }

  /** Keeps which part of a matrix the file is. */
  keepShard(text: Buffer): Promise<void> {
    return this.#log.append(encodeRecord({ kind: 'shard', text }));
  }

  async #numberOf(setting: string): Promise<number> {
    const number = this.#settings.indexOf(setting);
    if (number >= 0) return number;
    await this.#log.append(encodeRecord({ kind: 'setting', setting }));
    return this.#settings.push(setting) - 1;
  }

  close(): Promise<void> {
    return this.#log.close();
  }
}

/** Takes the models of a tile by their identities. */
type OnTile = (
  setting: string,
  job: Job,
  tile: GramTile | ScaledTile,
  identities: readonly string[],
) => Promise<void> | void;
/** Takes what says which part of a matrix a file is. */
type OnShard = (text: Buffer) => void;

/** Goes through records and hands on what is in them, until one makes no sense. */
function reader(onTile: OnTile, onShard: OnShard | undefined) {
  const settings: string[] = [];
  const models = new Map<string, number>();
  const identities: string[] = [];
  const onRecord = async (payload: Buffer): Promise<boolean> => {
    const record = decodeRecord(payload);
    if (record === undefined || !isSound(record, settings, models)) return false;
    if (record.kind === 'setting') settings.push(record.setting);
    else if (record.kind === 'shard') onShard?.(record.text);
    else if (record.kind === 'tile') await onTile(settings[record.setting], record.job, record.tile, identities);
    else {
      for (const identity of record.identities) {
        models.set(identity, identities.length);
        identities.push(identity);
      }
    }
    return true;
  };
  return { settings, models, onRecord };
}

/**
 * Whether a record fits what stands before it. No model and no setting is recorded twice, for places are numbers: a
 * model under two of them would give those that follow the numbers of others.
 */
function isSound(record: StateRecord, settings: readonly string[], models: ReadonlyMap<string, number>): boolean {
  if (record.kind === 'models') {
    const { identities } = record;
    return new Set(identities).size === identities.length && !identities.some((identity) => models.has(identity));
  }
  if (record.kind === 'shard') return true;
  if (record.kind === 'setting') return settingIn(record.setting) !== undefined && !settings.includes(record.setting);
  const { job, tile, setting } = record;
  if (setting >= settings.length) return false;
  if (![job.rows, job.columns].every((side) => side.every((model) => model < models.size))) return false;
  // Of other versions nothing is known, and nothing is used.
  const slices = slicesOf(settingIn(settings[setting])!.common);
  return slices === undefined || slices * tile.total.length === (tile.perOutput?.length ?? 0);
}

/** The setting of a text of `settingText`; undefined for any other. */
export function settingIn(text: string): Setting | undefined {
  try {
    const [common, route, ...more] = JSON.parse(text);
    const whole = typeof common === 'string' && (route === null || typeof route === 'string') && more.length === 0;
    return whole ? { common, route } : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The route under which a state file has most pairs of this setting, null if it has none; the setting that has most
 * pairs of those that differ from it in the backend alone, null if none has more; and the bytes that had to be cut off.
 */
export async function recordedRoute(path: string, common: string): Promise<Recorded> {
  const pairs = new Map<string, number>();
  const others = new Map<string, number>();
  const add = (to: Map<string, number>, name: string, count: number) => to.set(name, (to.get(name) ?? 0) + count);
  let own = 0;
  const wanted = withBackend(common).rest;
  const file = await StateFile.open(path, async (setting, job) => {
    const { common: found, route } = settingIn(setting)!;
    if (found !== common) {
      if (withBackend(found).rest === wanted) add(others, found, jobPairs(job));
      return;
    }
    own += jobPairs(job);
    if (route !== null) add(pairs, route, jobPairs(job));
  });
  await file.close();
  const mostOf = (counts: Map<string, number>, least = 0) => {
    const most = largest(counts.values(), 0);
    return most > least ? [...counts].find(([, count]) => count === most)![0] : null;
  };
  return { recorded: mostOf(pairs), elsewhere: mostOf(others, own), discarded: file.discarded };
}

interface Recorded {
  readonly recorded: string | null;
  readonly elsewhere: string | null;
  readonly discarded: number;
}

function unwritable(file: string, cause: Error, kept: number): TensimError {
  const all = `${count(kept)} inner ${plural(kept, 'product')}`;
  return new TensimError('INVALID_ARGUMENT', `the state file cannot be written (${cause.message}); it keeps ${all}`, {
    file,
    hint: 'Make room for it and run the same again, which goes on from there; or give another path',
    cause,
  });
}

/** A ledger on a state file. */
export interface StateLedger extends Ledger {
  /** Bytes cut off a damaged file. */
  readonly discarded: number;
  close(): Promise<void>;
}

/**
 * Opens a state file for a run, and puts what it has into the cells. A product counts only for the same setting, and if
 * the same of the two models was the row: so the result is, to the bit, what it would have been without the file.
 *
 * @param models their identities and ranks, by number.
 */
export async function openLedger(
  path: string,
  setting: Setting,
  { identities, rank }: { readonly identities: readonly string[]; readonly rank: Int32Array },
  cells: Pick<Cells, 'set'>,
  signal: AbortSignal | undefined,
): Promise<StateLedger> {
  const pacer = new Pacer(signal);
  // Models in memory that hold equal weights have numbers of their own, and one identity.
  const numbers = new Map<string, number[]>();
  for (const [number, identity] of identities.entries())
    numbers.set(identity, [...(numbers.get(identity) ?? []), number]);
  const text = settingText(setting);
  let kept = 0;
  const file = await StateFile.open(path, async (found, job, tile, recorded) => {
    if (found !== text) return;
    const own = (model: number) => numbers.get(recorded[model]) ?? [];
    for (const [r, row] of job.rows.entries()) {
      for (const i of own(row)) {
        for (let c = job.symmetric ? r : 0; c < job.columns.length; c++) {
          for (const j of own(job.columns[c])) {
            if (rank[i] > rank[j]) continue;
            cells.set(i, j, tile, r * job.columns.length + c);
            kept++;
          }
        }
      }
      if (pacer.due(64 * job.columns.length)) await pacer.pause();
    }
  });
  return {
    discarded: file.discarded,
    async keep(job, tile) {
      await file.keep(setting, identities, job, tile).catch((error: unknown) => {
        throw isRefusal(error) ? unwritable(path, error, kept) : error;
      });
      kept += jobPairs(job);
    },
    close: () => file.close(),
  };
}
