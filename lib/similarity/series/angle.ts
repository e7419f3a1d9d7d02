/** The angle between two functions, in radians; accurate where arccos is not, near 0. */
export function angle(similarity: number): number {
  return 2 * Math.asin(Math.sqrt(Math.min(1, Math.max(0, (1 - similarity) / 2))));
}
