import { TensimError } from '../../errors.js';
import { oneLine } from '../../words/quoting.js';
import type { ReadModel } from '../header.js';
import { modelsIn } from '../parts.js';
import { groupsIn, isSampledPart, readPart, type SampledPart } from './part_file.js';

/**
 * Whether files are parts of a sampled matrix.
 * @throws TensimError `INVALID_ARGUMENT` where some are and others are not.
 */
export async function areSampled(paths: readonly string[]): Promise<boolean> {
  const sampled: string[] = [];
  const others: string[] = [];
  for (const path of paths) ((await isSampledPart(path)) ? sampled : others).push(path);
  if (sampled.length === 0 || others.length === 0) return others.length === 0 && sampled.length > 0;
  throw new TensimError('INVALID_ARGUMENT', `it is not a part of the same matrix as ${oneLine(sampled[0])}`, {
    file: others[0],
    reason: 'that one is of a sampled matrix, and this is not',
    hint: 'Run every shard with the same files, options and number of shards',
  });
}

/** Of fewer groups the spread tells too little of errors, whatever they are widened by. */
export const FEWEST_GROUPS = 8;

/** Whether parts, where they are of a sampled matrix, have so many groups of samples that they can be put together. */
export async function haveEnough(paths: readonly string[]): Promise<boolean> {
  if (!(await areSampled(paths))) return true;
  const parts = inStep(await partsIn(paths));
  const there = new Set<number>();
  for (const part of parts) await groupsIn(part, ({ group }) => there.add(group));
  return there.size >= FEWEST_GROUPS;
}

/** What parts say that have begun to draw. */
async function partsIn(paths: readonly string[]): Promise<SampledPart[]> {
  const all: SampledPart[] = [];
  for (const path of paths) {
    const part = await readPart(path);
    if (part !== undefined) all.push(part);
  }
  return all;
}

/** Those of parts that are at the last stage. */
function inStep(all: readonly SampledPart[]): readonly SampledPart[] {
  const last = all.reduce((most, { stage }) => Math.max(most, stage.number), 0);
  return all.filter(({ stage }) => stage.number === last);
}

/** Parts of one sampled matrix. */
export interface SampledParts {
  /** By shard, and then in the order of the files; those at the same, last stage. */
  readonly parts: readonly SampledPart[];
  readonly models: ReadonlyMap<number, ReadModel>;
  /** Shards of which there is a part, at whatever stage. */
  readonly there: ReadonlySet<number>;
}

/** @throws TensimError as `readParts` of other matrices; `INVALID_ARGUMENT` for parts that have drawn other samples. */
export async function readSampledParts(paths: readonly string[]): Promise<SampledParts> {
  const all = await partsIn(paths);
  if (all.length === 0) {
    throw new TensimError('INVALID_FILE', 'no samples are in this file', {
      file: paths[0],
      reason: 'its shard has not decided yet how many to draw',
      hint: 'Wait for it; or start it again, if it has ended',
    });
  }
  all.sort((a, b) => a.header.index - b.header.index);
  const models = modelsIn(all, { mixed: false, mayMix: false });
  const parts = inStep(all);
  const [first] = parts;
  const other = parts.find(({ digest }) => digest !== first.digest);
  if (other === undefined) return { parts, models, there: new Set(all.map(({ header }) => header.index)) };
  throw new TensimError('INVALID_ARGUMENT', `it has drawn other samples than ${oneLine(first.path)}`, {
    file: other.path,
    reason: 'what was decided before has other digits in the two: the machines differ, or their versions of Node',
    hint: 'Start one shard first, and the others beside its state file: they take over what it has decided',
  });
}
