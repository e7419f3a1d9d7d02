/**
 * The largest of any number of values, NaN where one of them is: what `Math.max(...values)` is, which fails beyond some
 * hundred thousand values, the arguments that fit on the stack.
 * @param least the result where there are no values
 */
export function largest(values: Iterable<number>, least = Number.NEGATIVE_INFINITY): number {
  let most = least;
  for (const value of values) most = Math.max(most, value);
  return most;
}

/** The smallest in the same way; `most` where there are none. */
export function smallest(values: Iterable<number>, most = Number.POSITIVE_INFINITY): number {
  let least = most;
  for (const value of values) least = Math.min(least, value);
  return least;
}
