import type { Adapter } from '../../adapters/adapter.js';
import { count, plural } from '../../words/counts.js';
import { quoted } from '../../words/names.js';
import { amountText } from '../../words/numbers.js';
import { quote } from '../../words/quoting.js';
import type { Fault, FaultCause } from '../terms.js';
import type { Judged } from './judge.js';
import { layerOf } from './names.js';
import type { MergePlan } from './plan.js';
import { scaleText } from './scale_text.js';

/** What is wrong with a merge, what explains most first. */
export function faultsOf(judged: readonly Judged[], plan: MergePlan, adapters: readonly Adapter[]): Fault[] {
  const touched = judged.filter(({ untouched }) => !untouched);
  const alone = judged.filter(({ untouched, state }) => untouched && state !== 'merged');
  const inState = (...states: Judged['state'][]) => touched.filter(({ state }) => states.includes(state));
  const isOdd = (one: Judged) => one.found === undefined && one.finite;
  const displaced = judged.filter(({ found }) => found !== undefined);
  return [
    ...each(
      displaced.filter(({ found }) => !found!.transposed),
      'wrong-slice',
      placeText,
    ),
    ...each(
      displaced.filter(({ found }) => found!.transposed),
      'transposed',
      transposedText,
    ),
    ...grouped(
      judged.filter(({ finite }) => !finite),
      'not-finite',
      (some) => `${tensors(some)} NaN or infinite numbers`,
    ),
    ...notMerged(inState('not-merged'), touched, plan, adapters),
    ...grouped(inState('merged-twice'), 'merged-twice', (some) => twiceText(some, adapters)),
    ...wrongScales(inState('wrong-scale'), adapters),
    ...grouped(inState('different').filter(isOdd), 'perturbed', otherText),
    ...shapes(plan),
    ...missing(plan),
    ...grouped(alone.filter(isOdd), 'changed-elsewhere', elsewhereText),
    ...extra(plan),
  ];
}

const nameOf = ({ task }: Judged): string => task.merged.name;

function fault(cause: FaultCause, text: string, names: readonly string[]): Fault {
  return { cause, text, tensor: names[0], layer: layerOf(names[0]), tensors: names };
}

function grouped(some: readonly Judged[], cause: FaultCause, text: (some: readonly Judged[]) => string): Fault[] {
  return some.length === 0 ? [] : [fault(cause, text(some), some.map(nameOf))];
}

/** A fault for each: every one has its own place. */
function each(some: readonly Judged[], cause: FaultCause, text: (one: Judged) => string): Fault[] {
  return some.map((one) => fault(cause, text(one), [nameOf(one)]));
}

/** `"q_proj.weight" has`, `3 tensors, "q_proj.weight" the first, have`. */
function tensors(some: readonly Judged[]): string {
  const first = quote(nameOf(some[0]));
  return some.length === 1 ? `${first} has` : `${count(some.length)} tensors, ${first} the first, have`;
}

function notMerged(
  some: readonly Judged[],
  touched: readonly Judged[],
  plan: MergePlan,
  adapters: readonly Adapter[],
): Fault[] {
  const beside = plan.beside.length > 0 ? '; the factors of an adapter still lie beside the weights' : '';
  const isAll = some.length === touched.filter(({ factor }) => factor !== null).length;
  const whole = some.filter(({ factors }) => factors === undefined);
  const part = some.filter(({ factors }) => factors !== undefined);
  const absent = adapters.filter((_, i) =>
    part.some(({ task, factors }) => task.changes.some(({ adapter }, k) => adapter === i && factors![k] < 0.5)),
  );
  return [
    ...grouped(whole, 'not-merged', (all) =>
      isAll && part.length === 0
        ? `nothing was merged: all ${count(all.length)} ${plural(all.length, 'tensor')} that adapters change are the base's, ${quote(nameOf(all[0]))} the first${beside}`
        : `${tensors(all)} not the change of any adapter, and ${plural(all.length, 'is', 'are')} the base's${beside}`,
    ),
    ...grouped(
      part,
      'not-merged',
      (all) => `${tensors(all)} not the change of ${quoted(absent.map(({ path }) => path))}, but that of others`,
    ),
  ];
}

function twiceText(some: readonly Judged[], adapters: readonly Adapter[]): string {
  const part = some.filter(({ factors }) => factors !== undefined);
  const twice = adapters.filter((_, i) =>
    part.some(({ task, factors }) => task.changes.some(({ adapter }, k) => adapter === i && factors![k] > 1.5)),
  );
  return twice.length === 0
    ? `${tensors(some)} the change twice`
    : `${tensors(some)} the change of ${quoted(twice.map(({ path }) => path))} twice`;
}

/** One fault for all that have one explanation. */
function wrongScales(some: readonly Judged[], adapters: readonly Adapter[]): Fault[] {
  const groups = new Map<string, Judged[]>();
  for (const one of some) {
    const text = scaleText(one, adapters);
    groups.set(text, [...(groups.get(text) ?? []), one]);
  }
  return [...groups].map(([text, all]) => fault('wrong-scale', `${tensors(all)} ${text}`, all.map(nameOf)));
}

function placeText(one: Judged): string {
  const { candidate, from, to, offset } = one.found!;
  const own = candidate.tensor === one.task.base.name;
  const rows = from === to - 1 ? `row ${from}` : `rows ${from} to ${to - 1}`;
  const there = from === to - 1 ? `row ${from + offset}` : `rows ${from + offset} to ${to - 1 + offset}`;
  if (own && offset === 0) return `${quote(nameOf(one))} has only ${rows} of its change`;
  if (own) return `${quote(nameOf(one))} has in ${there} what is the change of its ${rows}`;
  const isWhole = from === 0 && to === candidate.delta.outputs;
  const what = isWhole ? 'the change' : `${rows} of the change`;
  const place = offset === 0 && isWhole ? '' : `, in ${there}`;
  return `${quote(nameOf(one))} has got ${what} of ${quote(candidate.tensor)}${place}`;
}

const transposedText = (one: Judged): string => `${quote(nameOf(one))} has got its change transposed`;

function otherText(some: readonly Judged[]): string {
  const { factor, error, moved } = some[0];
  const numbers =
    factor === null || error === null
      ? moved === undefined
        ? 'though its adapters are zero'
        : `off by ${amountText(moved, 3)} of the base`
      : `${amountText(factor, 3)} times the change lies in the first, and ‖merged − base − ΔW‖ is ${amountText(error, 3)} ‖ΔW‖`;
  return `${tensors(some)} changed by what is no multiple of the change: ${numbers}`;
}

function elsewhereText(some: readonly Judged[]): string {
  const names = some.map(nameOf);
  const most = some.reduce((largest, { moved = 0 }) => Math.max(largest, moved), 0);
  const by = Number.isFinite(most) ? `, by up to ${amountText(most, 3)} of the norm` : '';
  return some.length === 1
    ? `${quote(names[0])} changed${by}, and no adapter touches it`
    : `${count(some.length)} tensors changed that no adapter touches${by}: ${quoted(names)}`;
}

function shapes({ reshaped }: MergePlan): Fault[] {
  return reshaped.map(({ base, merged }) =>
    fault(
      'wrong-shape',
      `${quote(merged.name)} is [${merged.shape.join(', ')}], in the base [${base.shape.join(', ')}]`,
      [merged.name],
    ),
  );
}

function missing({ missing: entries }: MergePlan): Fault[] {
  if (entries.length === 0) return [];
  const names = entries.map(({ name }) => name);
  return [fault('missing-tensor', `the merged network has no ${quoted(names)}`, names)];
}

function extra({ extra: entries }: MergePlan): Fault[] {
  if (entries.length === 0) return [];
  const names = entries.map(({ name }) => name);
  return [fault('extra-tensor', `the base has no ${quoted(names)}`, names)];
}
