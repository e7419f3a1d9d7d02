import type { Pacer } from '../cooperate.js';
import { type Rounding, RoundingTally } from './rounding.js';
import { readSource, type Slot, type Source, stepOf } from './slots.js';

/** What a tensor is like, whatever it is compared with. */
export interface Profile {
  readonly size: number;
  /** Σ x². */
  readonly squares: number;
  readonly isFinite: boolean;
  /** The number that all are; else null. */
  readonly constant: number | null;
}

/** A slot with what its two sides have in common. */
export interface Compared {
  readonly slot: Slot;
  readonly reference?: Profile;
  readonly candidate?: Profile;
  /** Absent where one of the two is not there, or they have not the same shape. */
  readonly both?: InCommon;
}

export interface InCommon {
  /** Σ a b, Σ (a − b)². */
  readonly product: number;
  readonly difference: number;
  readonly isEqual: boolean;
  /** What makes the candidate of the reference; or the reference of the candidate. */
  readonly rounding?: Rounding;
  readonly isReversed?: true;
}

/** Elements between two looks at the clock: rounding each takes some tens of nanoseconds. */
const AT_ONCE = 1 << 15;

class ProfileTally {
  #size = 0;
  #squares = 0;
  #finite = true;
  #first = 0;
  #constant = true;

  add(values: Float64Array): void {
    let [squares, finite, constant] = [0, true, true];
    const first = this.#size === 0 ? values[0] : this.#first;
    for (let i = 0; i < values.length; i++) {
      const x = values[i];
      squares += x * x;
      if (x !== first) constant = false;
      if (!(Math.abs(x) <= Number.MAX_VALUE)) finite = false;
    }
    this.#first = first;
    this.#size += values.length;
    this.#squares += squares;
    this.#finite &&= finite;
    this.#constant &&= constant;
  }

  get result(): Profile {
    return {
      size: this.#size,
      squares: this.#squares,
      isFinite: this.#finite,
      constant: this.#constant && this.#size > 0 ? this.#first : null,
    };
  }
}

/** What one source is like. */
async function profileOf(source: Source, pacer: Pacer): Promise<Profile> {
  const tally = new ProfileTally();
  for (let from = 0, step = stepOf(source); from < source.rows; from += step) {
    const values = await readSource(source, true, from, Math.min(source.rows, from + step));
    tally.add(values);
    if (pacer.due(4 * values.length)) await pacer.pause();
  }
  return tally.result;
}

/** Goes through both sides of a slot once, some rows at a time. */
export async function compareSlot(slot: Slot, pacer: Pacer): Promise<Compared> {
  const { reference, candidate, missing, inPairs } = slot;
  const given = reference ?? candidate!;
  const other = reference === undefined ? reference : candidate;
  const isShaped = other === undefined || (other.rows === given.rows && other.columns === given.columns);
  if (!isShaped || (other === undefined && missing === undefined))
    return {
      slot,
      ...(reference && { reference: await profileOf(reference, pacer) }),
      ...(candidate && { candidate: await profileOf(candidate, pacer) }),
    };
  const [one, two, rounding, reversed] = [
    new ProfileTally(),
    new ProfileTally(),
    new RoundingTally(),
    new RoundingTally(),
  ];
  let [product, difference, isEqual] = [0, 0, true];
  const step = Math.min(stepOf(given), candidate ? stepOf(candidate) : Number.POSITIVE_INFINITY);
  for (let from = 0; from < given.rows; from += step) {
    const to = Math.min(given.rows, from + step);
    const read = async (source: Source | undefined) =>
      source === undefined
        ? new Float64Array((to - from) * given.columns).fill(missing!)
        : readSource(source, inPairs === true, from, to);
    const [a, b] = [await read(reference), await read(candidate)];
    for (let at = 0; at < a.length; at += AT_ONCE) {
      const [x, y] = [a.subarray(at, at + AT_ONCE), b.subarray(at, at + AT_ONCE)];
      let same = true;
      for (let i = 0; i < x.length; i++) {
        product += x[i] * y[i];
        difference += (x[i] - y[i]) ** 2;
        if (x[i] !== y[i]) same = false;
      }
      if (!same) {
        isEqual = false;
        rounding.add(x, y);
        reversed.add(y, x);
      }
      one.add(x);
      two.add(y);
      if (pacer.due(16 * x.length)) await pacer.pause();
    }
    reference?.file.done([a]);
    candidate?.file.done([b]);
  }
  const found = isEqual ? undefined : (rounding.found ?? reversed.found);
  const isReversed = found !== undefined && rounding.found === undefined;
  return {
    slot,
    reference: one.result,
    candidate: two.result,
    both: {
      ...{ product, difference, isEqual },
      ...(found && { rounding: found }),
      ...(isReversed && { isReversed }),
    },
  };
}

/** ‖a − b‖ / ‖a‖; null where there is nothing to be divided by. */
export function errorOf({ both, reference }: Compared): number | null {
  if (both === undefined || reference === undefined) return null;
  if (both.isEqual) return 0;
  const error = Math.sqrt(both.difference / reference.squares);
  return Number.isFinite(error) ? error : null;
}
