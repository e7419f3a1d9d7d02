import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { TensimError } from '../../errors.js';
import { isRefusal } from '../../formats/replace_file.js';
import type { GroupState } from '../../similarity/sampled/group.js';
import { batchesPerGroup, inputsOfBatches } from '../../similarity/sampled/stage.js';
import { RecordLog } from '../../similarity/state/log.js';
import { kindOf } from '../kinds.js';
import { isOfSame, type SampledHeader } from './header.js';
import { decodeRecord, encodeRecord, type KeptGroup, type KeptStage } from './records.js';

/** How state files of samples begin. */
const MAGIC = Buffer.from('tensim.sampled/1\n\0', 'latin1');

/** Whether a file begins as state files of samples do. */
export const isSampledPart = async (path: string): Promise<boolean> => (await kindOf(path))?.keeps === 'samples';

/** What a part says, up to its last whole record. */
export interface SampledPart {
  readonly path: string;
  readonly header: SampledHeader;
  /** The last stage that was decided on. */
  readonly stage: KeptStage;
  /** Equal for stages that are the same to the bit. */
  readonly digest: string;
}

/** Goes through records until one makes no sense, and has what the last header, stage and groups are. */
class Reading {
  header: SampledHeader | undefined;
  stage: KeptStage | undefined;
  digest = '';
  readonly #onGroup: (kept: KeptGroup) => void;
  readonly #onBegin: () => void;

  /**
   * @param onGroup takes what a group of the last stage has added up to.
   * @param onBegin told where that counts no more.
   */
  constructor(onGroup: (kept: KeptGroup) => void = () => {}, onBegin: () => void = () => {}) {
    this.#onGroup = onGroup;
    this.#onBegin = onBegin;
  }

  readonly accept = (payload: Buffer): boolean => {
    const record = decodeRecord(payload, this.header);
    if (record === undefined) return false;
    if (record.kind === 'header') {
      this.header = record.header;
      this.stage = undefined;
      this.#onBegin();
      return true;
    }
    if (record.kind === 'stage') {
      if (record.stage.number <= (this.stage?.number ?? 0)) return false;
      this.stage = record.stage;
      this.digest = createHash('sha256').update(payload).digest('hex');
      this.#onBegin();
      return true;
    }
    const { stage, state } = record.kept;
    if (this.stage?.number !== stage || state.batches > batchesPerGroup(this.stage)) return false;
    if (state.count !== inputsOfBatches(this.stage, state.batches)) return false;
    this.#onGroup(record.kept);
    return true;
  };
}

/**
 * What a part says that may still grow; undefined where it has not begun to draw.
 * @throws TensimError as `RecordLog.read`
 */
export async function readPart(path: string): Promise<SampledPart | undefined> {
  const reading = new Reading();
  await RecordLog.read(path, reading.accept, MAGIC);
  const { header, stage, digest } = reading;
  return header && stage && { path, header, stage, digest };
}

/** Hands over every group of the last stage of a part that is there in full. */
export async function groupsIn({ path, digest }: SampledPart, onGroup: (kept: KeptGroup) => void): Promise<void> {
  const reading = new Reading((kept) => {
    const whole = kept.state.batches === batchesPerGroup(reading.stage!);
    if (whole && reading.digest === digest) onGroup(kept);
  });
  await RecordLog.read(path, reading.accept, MAGIC);
}

/**
 * The parts that lie beside one, under names that differ in numbers alone; those of other matrices, or of other files,
 * are passed over.
 */
export async function partsBeside(path: string, header: SampledHeader): Promise<SampledPart[]> {
  const folder = dirname(path);
  const plain = (name: string) => name.replace(/\d+/g, '#');
  const own = basename(path);
  const names = await readdir(folder).catch(() => []);
  const found: SampledPart[] = [];
  for (const name of names.sort()) {
    if (name === own || plain(name) !== plain(own) || !(await isSampledPart(join(folder, name)))) continue;
    const part = await readPart(join(folder, name)).catch(() => undefined);
    if (part !== undefined && isOfSame(part.header, header)) found.push(part);
  }
  return found;
}

/** The state file of a shard, open to be gone on with. */
export class SampledFile {
  readonly #log: RecordLog;
  readonly #reading: Reading;
  /** What groups of the stage have added up to; of those that are there in full no sums are held. */
  readonly #groups: Map<number, GroupState | 'whole'>;

  private constructor(log: RecordLog, reading: Reading, groups: Map<number, GroupState | 'whole'>) {
    this.#log = log;
    this.#reading = reading;
    this.#groups = groups;
  }

  /**
   * Opens or makes the file. What it has of another matrix, or of files that have changed, counts no more.
   * @throws TensimError as `RecordLog.open`
   */
  static async open(path: string, header: SampledHeader): Promise<SampledFile> {
    const groups = new Map<number, GroupState | 'whole'>();
    const reading = new Reading(
      ({ group, state }) => {
        groups.set(group, state.batches === batchesPerGroup(reading.stage!) ? 'whole' : state);
      },
      () => groups.clear(),
    );
    const log = await RecordLog.open(path, reading.accept, MAGIC);
    const file = new SampledFile(log, reading, groups);
    const isOwn = reading.header?.index === header.index && isOfSame(reading.header, header);
    if (!isOwn) await file.#append(encodeRecord({ kind: 'header', header }));
    return file;
  }

  /** Bytes that were cut off. */
  get discarded(): number {
    return this.#log.discarded;
  }

  /** The stage that it is at; undefined: none was decided on. */
  get stage(): KeptStage | undefined {
    return this.#reading.stage;
  }

  get path(): string {
    return this.#log.path;
  }

  get header(): SampledHeader {
    return this.#reading.header!;
  }

  /** Of the stage that it is at. */
  get digest(): string {
    return this.#reading.digest;
  }

  hasAll(group: number): boolean {
    return this.#groups.get(group) === 'whole';
  }

  /** What some of the batches of a group have added up to. */
  begun(group: number): GroupState | undefined {
    const found = this.#groups.get(group);
    return found === 'whole' ? undefined : found;
  }

  keepStage(stage: KeptStage): Promise<void> {
    return this.#append(encodeRecord({ kind: 'stage', stage }));
  }

  keepGroup(kept: KeptGroup): Promise<void> {
    return this.#append(encodeRecord({ kind: 'group', kept }));
  }

  close(): Promise<void> {
    return this.#log.close();
  }

  async #append(payload: Buffer): Promise<void> {
    await this.#log.append(payload).catch((error: unknown) => {
      throw isRefusal(error) ? unwritable(this.#log.path, error) : error;
    });
    // As it would be read: whoever goes on from here has the same.
    this.#reading.accept(payload);
  }
}

function unwritable(file: string, cause: Error): TensimError {
  return new TensimError('INVALID_ARGUMENT', `the state file cannot be written (${cause.message})`, {
    file,
    hint: 'Make room for it and run the same again, which goes on from there; or give another path',
    cause,
  });
}
