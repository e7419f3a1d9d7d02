import type { Adapter } from '../../adapters/adapter.js';
import type { TensorEntry } from '../../formats/checkpoint.js';
import type { MergedTensor } from '../terms.js';
import { gramOfParts } from './algebra.js';
import { type Decision, decide } from './decide.js';
import { type Delta, readDelta } from './delta.js';
import { measure, pieces, type Reading } from './measure.js';
import { layerOf } from './names.js';
import type { Task } from './plan.js';
import { coarseAllowance, coarsest, fineAllowance } from './rounding.js';
import { compareWhole } from './unchanged.js';
import type { Found } from './whose.js';

/** A tensor and what was found of it. */
export interface Judged {
  readonly task: Task;
  /** Of tensors that are to be left alone, whether they were. */
  readonly untouched: boolean;
  readonly state: MergedTensor['state'];
  readonly factor: number | null;
  readonly error: number | null;
  readonly factors?: readonly number[];
  readonly lost?: true;
  readonly finite: boolean;
  /** ‖D‖ / ‖base‖, of tensors that are to be left alone. */
  readonly moved?: number;
  /** Whose change it has got in place of its own. */
  found?: Found | undefined;
}

/** Finds out what became of the change of a tensor. */
export async function judge(
  task: Task,
  adapters: readonly Adapter[],
  reading: Reading,
  signal: AbortSignal | undefined,
): Promise<Judged> {
  const { changes, brought, turned } = task;
  if (changes.length === 0 || brought !== undefined) {
    const { finite, dd, dw, ww, rest, bb, right, never } = await compareWhole(task, brought, reading, signal);
    const untouched = brought === undefined;
    const state = right ? 'merged' : untouched || !never ? 'different' : 'not-merged';
    return {
      ...{ task, untouched, state, finite },
      factor: ww === 0 ? null : dw / ww,
      error: ww === 0 ? null : Math.sqrt(rest / ww),
      moved: bb === 0 ? Number.POSITIVE_INFINITY : Math.sqrt(dd / bb),
    };
  }
  const delta = await readDelta(changes, adapters, turned, signal);
  const first = await judgeAs(task, delta, reading);
  if (!['different', 'wrong-scale'].includes(first.state) || task.merged.dtype !== 'F32') return first;
  // Computed in a type of fewer digits, and stored in one of more.
  const computed = await typeOfNumbers(task, reading);
  if (computed === undefined) return first;
  const second = await judgeAs({ ...task, merged: { ...task.merged, dtype: computed } }, delta, reading, task);
  return { ...second, task };
}

/** @param stored the tensors as they are stored, where the merged one is taken for one of another type */
async function judgeAs(task: Task, delta: Delta, reading: Reading, stored = task): Promise<Judged> {
  const { base, merged, changes } = task;
  const types = changes.flatMap(({ module: { a, b } }) => [a, b]);
  const fine = fineAllowance(changes.length, delta.rank);
  const coarse = coarseAllowance(base, merged, types, changes.length, delta.rank);
  const measured = await measure(stored, delta, fine, coarse, reading);
  const decision: Decision = decide(measured, delta, coarsest([base, merged]), await gramsOf(delta, reading));
  return { task: stored, untouched: false, finite: measured.finite, ...decision };
}

async function gramsOf({ a, b, rank, inputs, outputs, parts }: Delta, { products }: Reading): Promise<number[][]> {
  if (parts.length < 2) return [];
  return gramOfParts(parts, rank, await products.rows(a, a, inputs), await products.columns(b, b, outputs));
}

/** The type of fewer digits that all numbers of a merged tensor of float32 are of; undefined where there is none. */
async function typeOfNumbers(task: Task, reading: Reading): Promise<TensorEntry['dtype'] | undefined> {
  let bits = 0;
  for await (const { after } of pieces(task, reading)) {
    const words = new Uint32Array(Float32Array.from(after).buffer);
    for (const word of words) bits |= word;
    if ((bits & 0x1fff) !== 0) return undefined;
  }
  return (bits & 0xffff) === 0 ? 'BF16' : 'F16';
}

/** As it is told; of tensors that are to be left alone nothing is. */
export function mergedTensor({ task, state, factor, error, found }: Judged): MergedTensor {
  const { name } = task.base;
  const isDisplaced = found !== undefined && !found.transposed;
  return { layer: layerOf(name), tensor: name, state: isDisplaced ? 'wrong-slice' : state, factor, error };
}
