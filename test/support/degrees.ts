import type { Degrees } from '../../lib/similarity/terms/degrees.js';

/** What a comparison the other way around says by degree. */
export function exchangedDegrees(degrees: Degrees | undefined): Degrees | undefined {
  return (
    degrees && {
      ...degrees,
      parts: degrees.parts.map((part) => ({ ...part, shareA: part.shareB, shareB: part.shareA })),
    }
  );
}
