import { TensimError } from '../errors.js';
import { isRefusal } from '../formats/replace_file.js';
import { RecordLog } from '../similarity/state/log.js';
import { count, plural } from '../words/counts.js';

/** How state files of layers begin. */
const MAGIC = Buffer.from('tensim.layers/1\n\0', 'latin1');

interface LayerRecord {
  readonly key: string;
  readonly found: unknown;
}

/**
 * The file that keeps finished layers, each under a digest of all that its numbers depend on: the bytes of its weights in
 * every network, what settings make of them, and how they are compared. So a file serves any number of comparisons, and
 * numbers that were kept are, to the bit, those that would be found again.
 */
export class LayerLog {
  readonly #log: RecordLog;
  readonly #found: Map<string, unknown>;
  #reused = 0;

  private constructor(log: RecordLog, found: Map<string, unknown>) {
    this.#log = log;
    this.#found = found;
  }

  /**
   * Opens or makes the file. What was damaged, or not written to the end, is cut off.
   * @throws TensimError as `RecordLog.open`
   */
  static async open(path: string): Promise<LayerLog> {
    const found = new Map<string, unknown>();
    return new LayerLog(await RecordLog.open(path, into(found), MAGIC), found);
  }

  /**
   * All that a file keeps, up to the last whole record: something else may be writing to it. It is left as it is.
   * @throws TensimError as `RecordLog.read`
   */
  static async read(path: string): Promise<ReadonlyMap<string, unknown>> {
    const found = new Map<string, unknown>();
    await RecordLog.read(path, into(found), MAGIC);
    return found;
  }

  /** Bytes that were cut off. */
  get discarded(): number {
    return this.#log.discarded;
  }

  /** How many layers were asked for that were there. */
  get reused(): number {
    return this.#reused;
  }

  /** The layer of this key, or `compute` finds it, and then it is kept. */
  async layer<Found>(key: string, compute: () => Promise<Found>): Promise<Found> {
    const known = this.#found.get(key);
    if (known === undefined) return this.#append(key, await compute());
    this.#reused++;
    return known as Found;
  }

  /** Keeps what is not about one layer, in place of what this key had. */
  async note(key: string, found: object): Promise<void> {
    if (JSON.stringify(this.#found.get(key)) !== JSON.stringify(found)) await this.#append(key, found);
  }

  async #append<Found>(key: string, found: Found): Promise<Found> {
    const record: LayerRecord = { key, found };
    const payload = Buffer.from(JSON.stringify(record));
    await this.#log.append(payload).catch((error: unknown) => {
      throw isRefusal(error) ? this.#unwritable(error) : error;
    });
    // As it would be read: whoever goes on from here has the same.
    const kept = parsed(payload)!.found;
    this.#found.set(key, kept);
    return kept as Found;
  }

  close(): Promise<void> {
    return this.#log.close();
  }

  #unwritable(cause: Error): TensimError {
    const { size } = this.#found;
    const kept = `${count(size)} ${plural(size, 'layer')}`;
    return new TensimError(
      'INVALID_ARGUMENT',
      `the state file cannot be written (${cause.message}); it keeps ${kept}`,
      {
        file: this.#log.path,
        hint: 'Make room for it and run the same again, which goes on from there; or give another path',
        cause,
      },
    );
  }
}

/** Opens the file at a path for `use`, where there is one, and closes it when that is done. */
export async function withLayerLog<Result>(
  path: string | undefined,
  use: (log: LayerLog | undefined) => Promise<Result>,
): Promise<Result> {
  const log = path === undefined ? undefined : await LayerLog.open(path);
  try {
    return await use(log);
  } finally {
    await log?.close();
  }
}

/** Puts records where they are found by their keys: the last of a key counts. */
const into = (found: Map<string, unknown>) => (payload: Buffer) => {
  const record = parsed(payload);
  if (record !== undefined) found.set(record.key, record.found);
  return record !== undefined;
};

/** Undefined for what nothing writes. */
function parsed(payload: Buffer): LayerRecord | undefined {
  try {
    const { key, found } = JSON.parse(payload.toString());
    return typeof key === 'string' && typeof found === 'object' && found !== null ? { key, found } : undefined;
  } catch {
    return undefined;
  }
}
