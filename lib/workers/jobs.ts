import type { Pacer } from '../cooperate.js';
import type { Outline } from '../model/reading/outline.js';
import type { Job } from '../similarity/gram/schedule.js';
import { readFields, readFlag, readList, readText, readWhole, wrong } from '../similarity/jobs/fields.js';
import { type ModelFile, readModel, writeModel } from '../similarity/jobs/models.js';
import {
  type ChainSetting,
  type LawText,
  readSetting,
  type Setting,
  type WeightSetting,
} from '../similarity/jobs/setting.js';
import type { LawOfInputs } from '../similarity/law/onehot.js';
import type { Member } from '../similarity/members/members.js';
import { sizeOf } from '../tensor/tensor.js';

/** All that the tiles of a run have in common, kept once beside the queue: plain JSON. */
export interface RunText {
  readonly schema: 'tensim.run/1';
  readonly setting: Setting<LawText>;
  /** By the numbers of the tiles. */
  readonly models: readonly ModelFile[];
  /** Numbers in each model. */
  readonly sizes: readonly number[];
  /** Whether the worker takes its own backend instead of that of the setting. */
  readonly mixed: boolean;
}

export interface ReadRun extends Pick<RunText, 'models' | 'sizes' | 'mixed'> {
  readonly setting: ChainSetting<LawOfInputs> | WeightSetting;
}

/** @throws TensimError (rejects) as `writeModel`. */
export async function writeRun(
  setting: Setting<LawText>,
  members: readonly Member[],
  mixed: boolean,
): Promise<RunText> {
  return {
    schema: 'tensim.run/1',
    setting,
    models: await Promise.all(members.map(writeModel)),
    sizes: members.map(({ outline }) => parametersIn(outline)),
    mixed,
  };
}

function parametersIn({ parameters }: Outline): number {
  let size = 0;
  for (const { shape } of parameters.values()) size += sizeOf(shape);
  return size;
}

/** @throws TensimError (rejects) `INVALID_ARGUMENT` for what is no such run. */
export async function readRun(text: string, pacer: Pacer): Promise<ReadRun> {
  const fields = readFields(parse(text), 'the run', ['schema', 'setting', 'models', 'sizes', 'mixed']);
  if (fields.schema !== 'tensim.run/1') throw wrong('schema', '"tensim.run/1"');
  const setting = await readSetting(fields.setting, 'setting', pacer);
  if (setting.method === 'sampled') throw wrong('setting.method', 'one that computes inner products');
  const models = readList(fields.models, 'models', readModel);
  const sizes = readList(fields.sizes, 'sizes', (size, where) => readWhole(size, where, 0));
  if (sizes.length !== models.length) throw wrong('sizes', 'one for each model');
  return { setting, models, sizes, mixed: readFlag(fields.mixed, 'mixed') };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw wrong('the run', 'JSON');
  }
}

/** A tile as it waits in the queue: which run it is of, and its models by their numbers there. */
export interface TileText {
  readonly run: string;
  readonly tile: number;
  /** As `0-f,k`: numbers to the base 36. */
  readonly rows: string;
  /** Absent where they are the rows and the tile is symmetric. */
  readonly columns?: string;
  /** What it is expected to take. */
  readonly seconds: number;
}

export interface ReadTile extends Pick<TileText, 'run' | 'tile' | 'seconds'> {
  readonly job: Job;
}

/**
 * Models of a side of a tile, at most: with two such sides a job of a million models stays below 2 KB, even where every
 * number stands alone.
 */
export const MOST_ON_A_SIDE = 180;

export function writeTile(run: string, tile: number, { rows, columns, symmetric }: Job, seconds: number): TileText {
  return { run, tile, rows: spansText(rows), ...(!symmetric && { columns: spansText(columns) }), seconds };
}

/** @throws TensimError `INVALID_ARGUMENT` for what is no tile. */
export function readTile(value: unknown): ReadTile {
  const fields = readFields(value, 'the tile', ['run', 'tile', 'rows', 'seconds'], ['columns']);
  const rows = spansIn(fields.rows, 'rows');
  const symmetric = fields.columns === undefined;
  const { seconds } = fields;
  if (typeof seconds !== 'number' || !(seconds >= 0)) throw wrong('seconds', 'a number from 0');
  const run = readText(fields.run, 'run');
  if (!/^[0-9a-z]{1,32}$/.test(run)) throw wrong('run', 'letters and digits');
  return {
    run,
    tile: readWhole(fields.tile, 'tile', 0),
    job: { rows, columns: symmetric ? rows : spansIn(fields.columns, 'columns'), symmetric },
    seconds,
  };
}

/** Numbers in their order, those that follow each other as the first and the last. */
function spansText(numbers: readonly number[]): string {
  const spans: string[] = [];
  for (let at = 0; at < numbers.length; ) {
    let end = at + 1;
    while (end < numbers.length && numbers[end] === numbers[end - 1] + 1) end++;
    const [first, last] = [numbers[at].toString(36), numbers[end - 1].toString(36)];
    spans.push(end - at === 1 ? first : `${first}-${last}`);
    at = end;
  }
  return spans.join();
}

function spansIn(value: unknown, where: string): number[] {
  const numbers: number[] = [];
  for (const span of readText(value, where).split(',')) {
    const [, first, last = first] = /^([0-9a-z]{1,8})(?:-([0-9a-z]{1,8}))?$/.exec(span) ?? [];
    if (first === undefined) throw wrong(where, 'numbers and spans of them');
    const [from, to] = [Number.parseInt(first, 36), Number.parseInt(last, 36)];
    if (to < from || numbers.length + to - from >= MOST_ON_A_SIDE) throw wrong(where, 'spans of few models');
    for (let number = from; number <= to; number++) numbers.push(number);
  }
  return numbers;
}
