/**
 * What a computation over blocks of d_head × d_head does: products of two blocks, 2·d³ flops each, and passes over a
 * block, 2·d².
 */
export interface BlockWork {
  readonly products: number;
  readonly passes: number;
}

/** Two attention blocks over n positions, the same for both networks. */
interface Heads {
  readonly positions: number;
  readonly causal: boolean;
  /** Whether features at different positions are independent: covariances between positions are then zero blocks. */
  readonly independent: boolean;
  /** Whether only the sum over equal positions of the outputs is asked for. */
  readonly last: boolean;
}

// Vectors, numbered as in native/gaussian/chains.h: item i has the halves 2i and 2i + 1, items 0 and 1 are ours, 2 and
// 3 theirs.
const V = 8;
const W = 9;
const VECTORS = 10;
const ITEMS = [0, 1, 2, 3];
const ALL = 15;
const isTheirs = (vector: number) => vector === W || (vector >= 4 && vector < V);
const isQuery = (vector: number) => vector < V && vector % 2 === 0;

/**
 * The work of one head of one network with one of the other: Cov(v F₁F₂, w F'₁F'₂) of all pairs of positions (s, t) and
 * (s', t') that the masks allow, by the chain recursion of MATH.md section 4 as native/gaussian/chains.cc cuts it, for
 * inputs without a mean.
 *
 * It has no closed form worth reading: what is skipped depends on which blocks are zero, and what is kept from one pair
 * of positions to the next on which vectors move. So the recursion is walked through with the presence of blocks in
 * place of their values.
 */
export function headPairWork({ positions, causal, independent, last }: Heads): BlockWork {
  const work = { products: 0, passes: 0 };
  const visible = (s: number) => (causal ? s + 1 : positions);
  for (let s = 0; s < positions; s++) {
    for (let t = 0; t < visible(s); t++) {
      // As long as our positions stay, what a vector of theirs does not enter is kept.
      let kept = new Map<number, boolean>();
      let [before, beforeT] = [-1, -1];
      for (let s2 = last ? s : 0; s2 < (last ? s + 1 : positions); s2++) {
        for (let t2 = 0; t2 < visible(s2); t2++) {
          const moved = (vector: number) =>
            isTheirs(vector) && (isQuery(vector) ? s2 !== before : s2 !== before || t2 !== beforeT);
          kept = new Map([...kept].filter(([key]) => !entersMoved(key, moved)));
          [before, beforeT] = [s2, t2];
          const at = (vector: number) => {
            if (isTheirs(vector)) return isQuery(vector) ? s2 : t2;
            return isQuery(vector) ? s : t;
          };
          countSystem((x, y) => !independent || at(x) === at(y), kept, work);
        }
      }
    }
  }
  return work;
}

const keyOf = (item: number, x: number, y: number) => (item * VECTORS + x) * VECTORS + y;

function entersMoved(key: number, moved: (vector: number) => boolean): boolean {
  const y = key % VECTORS;
  const x = Math.floor(key / VECTORS) % VECTORS;
  const item = Math.floor(key / VECTORS ** 2);
  return [x, y, 2 * item, 2 * item + 1].some(moved);
}

/**
 * Counts one system: `present` tells which covariance blocks are not zero, `kept` holds the blocks D that are there
 * already.
 */
function countSystem(
  present: (x: number, y: number) => boolean,
  kept: Map<number, boolean>,
  work: { products: number; passes: number },
): void {
  /** Whether D_item[x][y] is not zero; its products are counted when it is first asked for. */
  const through = (item: number, x: number, y: number): boolean => {
    const key = keyOf(item, x, y);
    const known = kept.get(key);
    if (known !== undefined) return known;
    const ways = [2 * item, 2 * item + 1].filter((enter) => present(x, enter) && present(enter ^ 1, y)).length;
    work.products += ways;
    kept.set(key, ways > 0);
    return ways > 0;
  };
  /** A sum over elements of two blocks, and whether there is anything to sum. */
  const inner = (both: boolean): boolean => {
    if (both) work.passes++;
    return both;
  };
  const any = (found: readonly boolean[]) => found.includes(true);
  const halves = (item: number) => [2 * item, 2 * item + 1];
  const ring = (left: number, above: number, right: number, below: number | undefined): boolean =>
    any(
      halves(left).flatMap((x) =>
        halves(right).map((y) => {
          if (below === undefined) return present(x ^ 1, y ^ 1) && inner(through(above, x, y));
          return through(above, x, y) && inner(through(below, x ^ 1, y ^ 1));
        }),
      ),
    );
  const cycle = (items: readonly number[]): boolean => {
    const [i, j, l, m] = items as [number, number, number, number];
    const [q, k, q2, k2] = [2 * i, 2 * i + 1, 2 * j, 2 * j + 1];
    if (items.length === 1) return present(q, k);
    if (items.length === 2)
      return any([inner(present(q, q2) && present(k, k2)), inner(present(q, k2) && present(k, q2))]);
    if (items.length === 3) return ring(i, j, l, undefined);
    return any([ring(i, j, l, m), ring(i, l, j, m), ring(i, j, m, l)]);
  };
  const itemsOf = (subset: number) => ITEMS.filter((item) => (subset >> item) & 1);

  // Which cumulants and moments of the items are not zero.
  const cumulants = Array.from({ length: ALL + 1 }, (_, subset) => subset > 0 && cycle(itemsOf(subset)));
  const moments = [true];
  for (let subset = 1; subset <= ALL; subset++) {
    const parts = Array.from({ length: subset }, (_, i) => i + 1).filter(
      (part) => (part & ~subset) === 0 && (part & subset & -subset) !== 0,
    );
    moments.push(parts.some((part) => cumulants[part] && moments[subset & ~part]));
  }
  const without = (...items: number[]) => items.reduce((subset, item) => subset & ~(1 << item), ALL);
  const pass = (needed: boolean) => {
    if (needed) work.passes++;
    return needed;
  };

  // The chains from v to w: none, one item, and those cut behind their first.
  pass(moments[ALL] && present(V, W));
  for (const item of ITEMS) pass(moments[without(item)] && through(item, V, W));
  for (const i of ITEMS) {
    for (let x = 0; x < V; x++) {
      const j = x >> 1;
      if (j === i || !through(i, V, x)) continue;
      const leave = x ^ 1;
      const [l, m] = itemsOf(without(i, j)) as [number, number];
      let following = 0;
      for (const [near, far] of [
        [l, m],
        [m, l],
      ] as const) {
        for (const y of halves(near)) if (present(leave, y) && through(far, y ^ 1, W)) following++;
      }
      work.products += following;
      const added = [
        pass(moments[1 << m] && through(l, leave, W)),
        pass(moments[1 << l] && through(m, leave, W)),
        pass(moments[without(i, j)] && present(leave, W)),
      ];
      if (following > 0 || any(added)) work.products++;
    }
  }
}
