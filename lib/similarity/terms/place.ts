import { TensimError } from '../../errors.js';

/** @throws TensimError `INVALID_ARGUMENT` for what is not the number of one of `count` models. */
export function checkPlace(
  place: unknown,
  count: number,
  hint = `Models are numbered from 0 to ${count - 1}`,
): asserts place is number {
  if (Number.isSafeInteger(place) && (place as number) >= 0 && (place as number) < count) return;
  throw new TensimError('INVALID_ARGUMENT', `there is no model ${String(place)}`, { hint });
}
