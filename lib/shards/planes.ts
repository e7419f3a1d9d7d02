/**
 * Differences that make the lines of a finite projective plane of an order q: of the numbers below q² + q + 1 every one
 * but 0 is the difference of just two of these q + 1 (Singer 1938). So of as many points in a circle, any two lie on
 * just one of the lines that come of these by turning.
 */
const PLANES: readonly (readonly number[])[] = [
  [0, 1],
  [0, 1, 3],
  [0, 1, 3, 9],
  [0, 1, 4, 14, 16],
  [0, 1, 3, 8, 12, 18],
  [0, 1, 3, 13, 32, 36, 43, 52],
  [0, 1, 3, 7, 15, 31, 36, 54, 63],
  [0, 1, 3, 9, 27, 49, 56, 61, 77, 81],
  [0, 1, 3, 12, 20, 34, 38, 81, 88, 94, 104, 109],
  [0, 1, 3, 16, 23, 28, 42, 76, 82, 86, 119, 137, 154, 175],
  [0, 1, 3, 7, 15, 31, 63, 90, 116, 127, 136, 181, 194, 204, 233, 238, 255],
  [0, 1, 3, 21, 25, 31, 68, 77, 91, 170, 177, 185, 196, 212, 225, 257, 269, 274],
];

/** Sets of points, any two of which are in one of the sets. */
export interface Covering {
  readonly points: number;
  readonly sets: readonly (readonly number[])[];
}

/** A covering that can be made: of how many sets, and how many times all points are in all of them together. */
interface Offer {
  readonly sets: number;
  readonly times: number;
  make(): Covering;
}

/** Lines of fewer points are not worth cutting in three. */
const WORTH_CUTTING = 12;

const OFFERS: readonly Offer[] = [
  { sets: 1, times: 1, make: () => ({ points: 1, sets: [[0]] }) },
  ...PLANES.flatMap((differences): Offer[] => {
    const [width, lines] = [differences.length, differences.length * (differences.length - 1) + 1];
    const plane = () => planeOf(differences);
    return [
      { sets: lines, times: width, make: plane },
      ...(width > 2 ? [{ sets: lines - 1, times: width, make: () => withoutLine(plane()) }] : []),
      ...(width >= WORTH_CUTTING ? [{ sets: 3 * lines, times: 2 * width, make: () => inThree(plane()) }] : []),
    ];
  }),
];

function planeOf(differences: readonly number[]): Covering {
  const points = differences.length * (differences.length - 1) + 1;
  const turned = (by: number) => differences.map((point) => (point + by) % points).sort((a, b) => a - b);
  return { points, sets: Array.from({ length: points }, (_, by) => turned(by)) };
}

/** A plane without one of its lines and the points on it: all others have lost one point. */
function withoutLine({ points, sets: [gone, ...others] }: Covering): Covering {
  const left = Array.from({ length: points }, (_, point) => point).filter((point) => !gone.includes(point));
  const number = new Map(left.map((point, at) => [point, at]));
  return {
    points: left.length,
    sets: others.map((line) => line.filter((point) => number.has(point)).map((point) => number.get(point)!)),
  };
}

/** Of every set three, each without a third of it: any two points are in one of them. */
function inThree({ points, sets }: Covering): Covering {
  const without = (set: readonly number[], third: number) => set.filter((_, at) => at % 3 !== third);
  return { points, sets: sets.flatMap((set) => [0, 1, 2].map((third) => without(set, third))) };
}

/**
 * Coverings of so many sets in all. The pairs of some of the points of the first, a part of each, are left to the
 * second, as many as its sets have to themselves; of these some to the third. They are chosen so that all sets together
 * have few points: c of them could not have less than √c times all points; these have 1.1 to 1.3 times that, squares
 * 1.4.
 */
export function coveringsOf(count: number): { readonly covering: Covering; readonly times: number }[] {
  const best: { times: number; offer: Offer }[] = [{ times: 0, offer: OFFERS[0] }];
  for (let left = 1; left <= count; left++) {
    const all = OFFERS.filter(({ sets }) => sets <= left).map((offer) => {
      const rest = left - offer.sets;
      return { times: offer.times + Math.sqrt(rest / left) * best[rest].times, offer };
    });
    best.push(all.reduce((least, next) => (next.times < least.times ? next : least)));
  }
  const stages: { covering: Covering; times: number }[] = [];
  for (let left = count; left > 0; left -= best[left].offer.sets) {
    const { offer, times } = best[left];
    stages.push({ covering: offer.make(), times });
  }
  return stages;
}
