import type { Adapter } from '../../adapters/adapter.js';
import { readTogether } from '../../adapters/factors.js';
import type { Pacer } from '../../cooperate.js';
import type { TensorEntry } from '../../formats/checkpoint.js';
import { isPlain, partOfEntry } from '../../formats/entry.js';
import { type Both, pieces, type Reading } from './measure.js';
import { coarsest, unitOf } from './rounding.js';

/** What is found of a tensor that no product of factors is added to. */
export interface Compared {
  readonly finite: boolean;
  /** ⟨D, D⟩, ⟨D, ΔW⟩, ⟨ΔW, ΔW⟩, ‖D − ΔW‖² and ‖base‖², with ΔW = what an adapter brings along, less the base; else 0. */
  readonly dd: number;
  readonly dw: number;
  readonly ww: number;
  readonly rest: number;
  readonly bb: number;
  /** Whether the merged tensor is what it should be, but for one rounding to a type of fewer digits. */
  readonly right: boolean;
  /** Whether it is the base's, in the same sense. */
  readonly never: boolean;
}

/** A tensor that an adapter brings along in place of the network's. */
export interface Brought {
  readonly adapter: Adapter;
  readonly entry: TensorEntry;
}

/** Compares a tensor that is to be the base's, or the one that an adapter brings along. */
export async function compareWhole(
  both: Both,
  brought: Brought | undefined,
  reading: Reading,
  signal: AbortSignal | undefined,
): Promise<Compared> {
  const sums = { dd: 0, dw: 0, ww: 0, rest: 0, bb: 0, right: true, never: true };
  const ofBase = roundingTo(both.merged, both.base);
  const ofBrought = brought === undefined ? ofBase : roundingTo(both.merged, brought.entry);
  for await (const { from, to, columns, before, after } of pieces(both, reading)) {
    const wanted =
      brought === undefined ? before : await savedPart(brought, from * columns, to * columns, both.base, signal);
    await addAll(sums, before, after, wanted, ofBase, ofBrought, reading.pacer);
  }
  return { ...sums, finite: Number.isFinite(sums.dd) };
}

type Limit = (value: number) => number;

/** How far a number may be from the one that was rounded to the type of the merged tensor. */
function roundingTo(merged: TensorEntry, from: TensorEntry): Limit {
  if (merged.dtype === from.dtype) return () => 0;
  // Twice: some programs cut digits off.
  const unit = unitOf(merged) > unitOf(from) ? 2 * coarsest([merged]) : 0;
  const least = merged.dtype === 'F16' ? 2 ** -24 : 2 ** -149;
  return (value) => unit * Math.abs(value) + least;
}

async function savedPart(
  { adapter, entry }: Brought,
  from: number,
  to: number,
  base: TensorEntry,
  signal: AbortSignal | undefined,
): Promise<ArrayLike<number>> {
  const part = isPlain(entry) ? partOfEntry(entry, { from, to }) : entry;
  const [data] = await readTogether(adapter, [part], signal);
  return part === entry && entry.shape !== base.shape ? data.subarray(from, to) : data;
}

interface Totals {
  dd: number;
  dw: number;
  ww: number;
  rest: number;
  bb: number;
  right: boolean;
  never: boolean;
}

/** Elements that are added up between two looks at the clock. */
const RUN = 1 << 12;

async function addAll(
  sums: Totals,
  before: Float64Array,
  after: Float64Array,
  wanted: ArrayLike<number>,
  ofBase: Limit,
  ofWanted: Limit,
  pacer: Pacer,
): Promise<void> {
  for (let from = 0; from < before.length; from += RUN) {
    let [dd, dw, ww, rest, bb] = [0, 0, 0, 0, 0];
    let [right, never] = [true, true];
    for (let i = from; i < Math.min(before.length, from + RUN); i++) {
      const [b, m, v] = [before[i], after[i], wanted[i]];
      const [d, w] = [m - b, v - b];
      bb += b * b;
      if (d !== 0) {
        dd += d * d;
        dw += d * w;
        if (!(Math.abs(d) <= ofBase(b))) never = false;
      }
      ww += w * w;
      rest += (d - w) ** 2;
      if (m !== v && !(Math.abs(m - v) <= ofWanted(v))) right = false;
    }
    sums.dd += dd;
    sums.dw += dw;
    sums.ww += ww;
    sums.rest += rest;
    sums.bb += bb;
    sums.right &&= right;
    sums.never &&= never;
    if (pacer.due(4 * RUN)) await pacer.pause();
  }
}
