import type { GramTile } from '../../backend/grams.js';
import { Pacer } from '../../cooperate.js';
import type { Job } from '../gram/schedule.js';
import type { LawOfInputs } from '../law/onehot.js';
import type { Member } from '../members/members.js';
import type { ScaledTile } from '../scale/model_scale.js';
import {
  readChoice,
  readDoubles,
  readFields,
  readFlag,
  readIntegers,
  readList,
  readWhole,
  writeNumbers,
  wrong,
} from './fields.js';
import { type ModelFile, readModel, writeModel } from './models.js';
import { type ChainSetting, type LawText, readSetting, type Setting, type WeightSetting } from './setting.js';

/**
 * Inner products of some models with some others, to be computed anywhere: plain JSON. The powers of two by which
 * models are scaled are not in it, as they follow from the model and the setting.
 */
export interface TileJob {
  readonly schema: 'tensim.tile/1';
  readonly setting: Setting<LawText>;
  readonly models: readonly ModelFile[];
  /**
   * By their places in `models`; of every two, the row is the row of their product, which may round otherwise the other
   * way around.
   */
  readonly rows: readonly number[];
  readonly columns: readonly number[];
  /** Rows and columns are the same, and products of i ≤ j are computed. */
  readonly symmetric: boolean;
}

/** What came of it, to the bit: numbers in base64. The value of cell i is total_i · 2^exponents_i. */
export interface TileResult {
  readonly schema: 'tensim.tile-result/1';
  /** (rows, columns), row-major, doubles. */
  readonly total: string;
  /** (rows, columns, slices): outputs, and behind them degrees, as far as they were asked for. */
  readonly perOutput?: string;
  /** (rows, columns), as `GramTile.bound`: of the method that has one. */
  readonly bound?: string;
  /** Integers of 32 bits, of the cells and of the slices; absent where they are all zero. */
  readonly exponents?: string;
  readonly sliceExponents?: string;
}

/** A job as it is run: with its law as numbers. */
export interface ReadTileJob {
  readonly setting: ChainSetting<LawOfInputs> | WeightSetting;
  readonly models: readonly ModelFile[];
  readonly job: Job;
}

/**
 * @param members by the numbers of the job.
 * @throws TensimError (rejects) `INVALID_ARGUMENT` for a model that is not in a file.
 */
export async function writeTileJob(setting: Setting<LawText>, members: readonly Member[], job: Job): Promise<TileJob> {
  const numbers = [...new Set([...job.rows, ...job.columns])];
  const places = new Map(numbers.map((number, place) => [number, place]));
  const own = (number: number) => places.get(number)!;
  return {
    schema: 'tensim.tile/1',
    setting,
    models: await Promise.all(numbers.map((number) => writeModel(members[number]))),
    rows: job.rows.map(own),
    columns: job.columns.map(own),
    symmetric: job.symmetric,
  };
}

/** @throws TensimError (rejects) `INVALID_ARGUMENT` for what is no such job; `NOT_FINITE`. */
export async function readTileJob(value: unknown, pacer = new Pacer()): Promise<ReadTileJob> {
  const fields = readFields(value, 'the job', ['schema', 'setting', 'models', 'rows', 'columns', 'symmetric']);
  readChoice(fields.schema, 'schema', ['tensim.tile/1'] as const);
  const setting = await readSetting(fields.setting, 'setting', pacer);
  if (setting.method === 'sampled') throw wrong('setting.method', 'one that computes inner products');
  const models = readList(fields.models, 'models', readModel);
  const place = (number: unknown, where: string) => readWhole(number, where, 0, models.length - 1);
  const rows = readList(fields.rows, 'rows', place);
  const columns = readList(fields.columns, 'columns', place);
  const symmetric = readFlag(fields.symmetric, 'symmetric');
  const same = rows.length === columns.length && rows.every((row, i) => row === columns[i]);
  if (symmetric && !same) throw wrong('columns', 'the rows, where a job is symmetric');
  return { setting, models, job: { rows, columns: same ? rows : columns, symmetric } };
}

export async function writeTile(tile: GramTile | ScaledTile, pacer = new Pacer()): Promise<TileResult> {
  const { exponents, sliceExponents }: GramTile & Partial<ScaledTile> = tile;
  return {
    schema: 'tensim.tile-result/1',
    total: await writeNumbers(tile.total, pacer),
    ...(tile.perOutput && { perOutput: await writeNumbers(tile.perOutput, pacer) }),
    ...(tile.bound && { bound: await writeNumbers(tile.bound, pacer) }),
    ...(exponents && { exponents: await writeNumbers(exponents, pacer) }),
    ...(sliceExponents && { sliceExponents: await writeNumbers(sliceExponents, pacer) }),
  };
}

/**
 * The tile of a job.
 * @param outputs slices that were asked for; 0 for none.
 * @throws TensimError (rejects) `INVALID_ARGUMENT` for what is none, or of another job.
 */
export async function readTile(value: unknown, { rows, columns }: Job, outputs: number, pacer = new Pacer()) {
  const size = rows.length * columns.length;
  const slices = outputs > 0 ? ['perOutput'] : [];
  const maybe = ['bound', 'exponents', 'sliceExponents'];
  const fields = readFields(value, 'the result', ['schema', 'total', ...slices], maybe);
  const part = (name: string, length: number) => readDoubles(fields[name], name, length, pacer);
  readChoice(fields.schema, 'schema', ['tensim.tile-result/1'] as const);
  const tile: GramTile = {
    total: await part('total', size),
    ...(outputs > 0 && { perOutput: await part('perOutput', size * outputs) }),
    ...(fields.bound !== undefined && { bound: await part('bound', size) }),
  };
  if (fields.exponents === undefined) return tile;
  const scaled: ScaledTile = {
    ...tile,
    exponents: await readIntegers(fields.exponents, 'exponents', size, pacer),
    sliceExponents:
      outputs > 0 ? await readIntegers(fields.sliceExponents, 'sliceExponents', size * outputs, pacer) : undefined,
  };
  return scaled;
}
