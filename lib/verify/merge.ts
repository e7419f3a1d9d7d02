import { type Adapter, readAdapter } from '../adapters/adapter.js';
import { productsBy } from '../blocks/products.js';
import { Pacer, throttle } from '../cooperate.js';
import { TensimError } from '../errors.js';
import type { StampedCheckpoint } from '../formats/checkpoint.js';
import { sorted, withoutIgnored } from '../model/reading/contents.js';
import { withCheckpoint } from '../model/reading/model_file.js';
import { underContract } from '../plain_data.js';
import { count, plural } from '../words/counts.js';
import { quoted } from '../words/names.js';
import { lookElsewhere } from './merge/elsewhere.js';
import { faultsOf } from './merge/faults.js';
import { type Judged, judge, mergedTensor } from './merge/judge.js';
import type { Reading } from './merge/measure.js';
import { type MergePlan, planMerge } from './merge/plan.js';
import { TensorRows } from './merge/rows.js';
import { sameTensors } from './merge/tied.js';
import type { VerifyOptions } from './options.js';
import type { MergeResult, VerifySide } from './terms.js';

/**
 * Verifies that a network is the base with adapters merged into it: every tensor that they change against W + Σ s · B A,
 * every other one against the base. ΔW is never multiplied out beyond some rows.
 *
 *     const { outcome, faults } = await verifyMerge('base/', ['adapter/'], 'merged/');
 *
 * Rounding to the type of the merged network, or of the factors, is no fault. Names may differ in what stands before
 * them.
 *
 * @param adapters folders that PEFT or MLX saved, or the files of their weights with adapter_config.json beside
 * @param options `config`, `key` and `ignore` are of the base and the merged network
 * @throws TensimError as `openCheckpoint`; `UNSUPPORTED_LAYER` for another kind of adapter; `INVALID_ARGUMENT` and
 * `SHAPE_MISMATCH` for an adapter of another base
 */
export async function verifyMerge(
  base: string,
  adapters: readonly string[],
  merged: string,
  options: VerifyOptions = {},
): Promise<MergeResult> {
  if (!Array.isArray(adapters) || adapters.length === 0)
    throw new TensimError('INVALID_ARGUMENT', 'a merge is verified with the adapters that were merged', {
      hint: 'Give one at least',
    });
  const { key, ignore, model, config, signal } = options;
  const read: Adapter[] = [];
  for (const path of adapters) read.push(await readAdapter(path, { signal }));
  const reading = { key, ignore, model, config, signal };
  const result = await withCheckpoint(base, reading, (first) =>
    withCheckpoint(merged, reading, (second) => verifyOpen([base, first], read, [merged, second], options)),
  );
  return underContract('merge', result);
}

type Side = readonly [path: string, checkpoint: StampedCheckpoint];

async function verifyOpen(
  [basePath, base]: Side,
  adapters: readonly Adapter[],
  [mergedPath, merged]: Side,
  options: VerifyOptions,
): Promise<MergeResult> {
  const { ignore, signal, onProgress } = options;
  const namesOf = async (checkpoint: StampedCheckpoint) => [
    ...(await sorted(withoutIgnored(checkpoint, ignore), checkpoint, signal)).tensors.keys(),
  ];
  const names = [await namesOf(base), await namesOf(merged)] as const;
  const found = planMerge(base, merged, adapters, names);
  const reading: Reading = {
    base: new TensorRows(
      base,
      found.tasks.map((task) => task.base.name),
      signal,
    ),
    merged: new TensorRows(
      merged,
      found.tasks.map((task) => task.merged.name),
      signal,
    ),
    products: productsBy(options),
    pacer: new Pacer(signal),
  };
  const { plan, notes: tied } = await withoutTied(found, base, merged, reading);
  const report = throttle((done, total) => onProgress?.({ done, total }));
  const judged: Judged[] = [];
  report(0, plan.tasks.length);
  for (const task of plan.tasks) {
    judged.push(await judge(task, adapters, reading, signal));
    report(judged.length, plan.tasks.length);
  }
  await lookElsewhere(judged, adapters, reading, signal);
  const faults = faultsOf(judged, plan, adapters);
  const touched = judged.filter(({ untouched }) => !untouched);
  const notes = [...adapters.flatMap((one) => one.notes), ...tied, ...notesOf(touched, plan, adapters)];
  const isEmpty = touched.every(({ task, factor }) => task.brought === undefined && factor === null);
  const outcome = faults.length > 0 ? 'fail' : isEmpty || plan.unread.length > 0 ? 'undecided' : 'pass';
  const layer = (one: Judged) => mergedTensor(one).layer ?? -1;
  return {
    outcome,
    summary: summaryOf({ outcome, faults }, touched, judged.length - touched.length, isEmpty),
    base: await sideOf(basePath, base, signal),
    merged: await sideOf(mergedPath, merged, signal),
    adapters: adapters.map(({ path, kind, rank, scale }) => ({ file: path, kind, rank, scale })),
    tensors: touched.sort((one, other) => layer(one) - layer(other)).map(mergedTensor),
    faults,
    notes,
  };
}

/** Output matrices that are the embedding may be left out of a file. */
async function withoutTied(
  plan: MergePlan,
  base: StampedCheckpoint,
  merged: StampedCheckpoint,
  reading: Reading,
): Promise<{ plan: MergePlan; notes: string[] }> {
  const own = await sameTensors(plan.missing, base, reading.base);
  const others = await sameTensors(plan.extra, merged, reading.merged);
  return {
    plan: {
      ...plan,
      missing: plan.missing.filter(({ name }) => !own.has(name)),
      extra: plan.extra.filter(({ name }) => !others.has(name)),
    },
    notes: [...own, ...others].map(([name, same]) => `"${name}" is in one of the files only, and is "${same}" there`),
  };
}

function notesOf(touched: readonly Judged[], plan: MergePlan, adapters: readonly Adapter[]): string[] {
  const lost = touched.filter((one) => one.lost);
  const zero = touched.filter(({ factor, task }) => factor === null && task.brought === undefined);
  return [
    ...(lost.length > 0
      ? [
          `the change of ${count(lost.length)} ${plural(lost.length, 'tensor')} is below the digits of ${lost[0].task.merged.dtype}: merged or not, the numbers are the same`,
        ]
      : []),
    ...(zero.length > 0 && zero.length === touched.length
      ? [`${adapters.length === 1 ? 'the adapter is' : 'the adapters are'} zero: every B A is, as before training`]
      : zero.length > 0
        ? [
            `the change of ${count(zero.length)} ${plural(zero.length, 'tensor')} is zero: ${quoted(zero.map(({ task }) => task.base.name))}`,
          ]
        : []),
    ...(plan.unread.length > 0
      ? [`not compared, for their elements are no numbers that are read: ${quoted(plan.unread)}`]
      : []),
  ];
}

function summaryOf(
  { outcome, faults }: Pick<MergeResult, 'outcome' | 'faults'>,
  touched: readonly Judged[],
  others: number,
  isEmpty: boolean,
): string {
  const [first, ...rest] = faults;
  if (first !== undefined)
    return `${first.text}${rest.length === 0 ? '' : `; and ${count(rest.length)} more ${plural(rest.length, 'fault')}`}`;
  if (isEmpty) return 'the adapters are zero, so that merged and not merged are the same';
  const rounded = touched.filter(({ state }) => state === 'rounded');
  const types = [...new Set(rounded.map(({ task }) => task.merged.dtype))];
  const how = rounded.length === 0 ? '' : `, ${count(rounded.length)} of them rounded (${types.join(', ')})`;
  const undecided = outcome === 'undecided' ? '; some tensors cannot be compared' : '';
  return `merged: ${count(touched.length)} ${plural(touched.length, 'tensor has its change', 'tensors have their changes')}${how}, and ${count(others)} ${plural(others, 'other is', 'others are')} the base's${undecided}`;
}

async function sideOf(
  file: string,
  checkpoint: StampedCheckpoint,
  signal: AbortSignal | undefined,
): Promise<VerifySide> {
  const counts = new Map<string, number>();
  for (const { dtype } of checkpoint.tensors.values()) counts.set(dtype, (counts.get(dtype) ?? 0) + 1);
  const types = [...counts].sort((one, other) => other[1] - one[1]).map(([dtype]) => dtype);
  return { file, sha256: await checkpoint.sha256(signal), layout: null, types };
}
