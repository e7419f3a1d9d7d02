import type { Pacer } from '../cooperate.js';
import { quote } from '../words/quoting.js';
import { Distance } from './distance.js';
import { type Finding, type Findings, isOpen } from './findings.js';
import { areAlike, fingerprintOf } from './fingerprint.js';
import { roundingOf } from './folding.js';
import { nameOf, readSource, type Source, stepOf } from './slots.js';
import type { Compared, Profile } from './tally.js';
import type { FaultCause } from './terms.js';

/** Rounding of a double that a sum is taken of. */
const SUMMED = 1e-6;

/** From this relative error on, tensors that are nothing to each other may have the same few sums. */
const FEW_DIGITS = 1e-3;

/** Finds what stands in a place of the candidate elsewhere in the reference. */
export async function lookUp(found: readonly Findings[], pacer: Pacer): Promise<void> {
  for (const { all, layer } of found)
    for (const finding of all) {
      // The same numbers in another order may be another tensor's as they are.
      const isMoved = finding.fault !== undefined && ['numbers-moved', 'packing'].includes(finding.fault.cause);
      if (!isOpen(finding) && !isMoved) continue;
      const place = await placeOf(finding, layer, found, pacer);
      if (place === undefined) continue;
      const name = quote(nameOf(place.finding.compared.slot.reference!));
      finding.fault = { cause: place.cause, text: `holds what ${name} is` };
    }
}

async function placeOf(
  finding: Finding,
  layer: number | null,
  found: readonly Findings[],
  pacer: Pacer,
): Promise<{ readonly finding: Finding; readonly cause: FaultCause } | undefined> {
  const { role } = finding.compared.slot;
  const places: { readonly finding: Finding; readonly cause: FaultCause; readonly rank: number }[] = [];
  for (const { all, layer: other } of found)
    for (const one of all) {
      if (one === finding || !(await isIn(finding.compared, one.compared, pacer))) continue;
      const own = one.compared.slot.role;
      const isSameRole = withoutNumber(own) === withoutNumber(role);
      const cause = !isSameRole ? 'swapped' : layer === null ? 'other-layer' : 'other-expert';
      if (other === layer) places.push({ finding: one, cause, rank: 0 });
      else places.push({ finding: one, cause: isSameRole ? 'other-layer' : 'swapped', rank: isSameRole ? 1 : 2 });
    }
  return places.sort((a, b) => a.rank - b.rank)[0];
}

/** What a tensor is, whatever the number of its layer or expert. */
export const withoutNumber = (role: string): string => role.replace(/\.\d+\./, '.');

/** Whether a tensor of the candidate is what the reference has in another place. */
async function isIn(own: Compared, place: Compared, pacer: Pacer): Promise<boolean> {
  const [candidate, reference] = [own.candidate, place.reference];
  const [one, other] = [own.slot.candidate, place.slot.reference];
  if (candidate === undefined || reference === undefined || one === undefined || other === undefined) return false;
  if (isTrivial(reference) || one.rows !== other.rows || one.columns !== other.columns) return false;
  const tolerance = Math.max(roundingOf({ ...place.slot, candidate: one }), SUMMED);
  if (!(Math.abs(candidate.squares / reference.squares - 1) <= 3 * tolerance)) return false;
  if (!areAlike(await fingerprintOf(other, pacer), await fingerprintOf(one, pacer), tolerance)) return false;
  return tolerance < FEW_DIGITS || isClose(other, one, tolerance, pacer);
}

/** Whether the numbers themselves are one another's, which sums of numbers with few digits do not tell. */
async function isClose(a: Source, b: Source, tolerance: number, pacer: Pacer): Promise<boolean> {
  const distance = new Distance();
  for (let from = 0, step = Math.min(stepOf(a), stepOf(b)); from < a.rows; from += step) {
    const to = Math.min(a.rows, from + step);
    const [one, other] = [await readSource(a, true, from, to), await readSource(b, true, from, to)];
    distance.add(one, other);
    if (pacer.due(4 * one.length)) await pacer.pause();
  }
  return distance.isWithin(tolerance);
}

/** Whether a tensor has nothing to be told by: many have its numbers. */
const isTrivial = ({ constant, size }: Profile): boolean => constant !== null || size < 4;
