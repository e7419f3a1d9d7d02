import { finish } from '../../cooperate.js';

/**
 * Which column answers each row, so that the sum of the chosen values is the largest: the Hungarian method with
 * potentials, in O(rows² · columns).
 * @param values (rows, columns) row-major, finite, of at most as many rows as columns
 */
export function assign(values: Float64Array, rows: number, columns: number): Int32Array {
  return finish(assigning(values, rows, columns));
}

/** The same, yielding after every look at all columns. */
export function* assigning(values: Float64Array, rows: number, columns: number): Generator<void, Int32Array> {
  // Columns and rows are counted from 1: column 0 stands for the row that is being placed.
  const rowPotential = new Float64Array(rows + 1);
  const columnPotential = new Float64Array(columns + 1);
  const rowOf = new Int32Array(columns + 1);
  const before = new Int32Array(columns + 1);
  for (let row = 1; row <= rows; row++) {
    const least = new Float64Array(columns + 1).fill(Number.POSITIVE_INFINITY);
    const isDone = new Uint8Array(columns + 1);
    rowOf[0] = row;
    let at = 0;
    do {
      isDone[at] = 1;
      const placed = rowOf[at];
      let [delta, next] = [Number.POSITIVE_INFINITY, 0];
      for (let j = 1; j <= columns; j++) {
        if (isDone[j]) continue;
        const cost = -values[(placed - 1) * columns + j - 1] - rowPotential[placed] - columnPotential[j];
        if (cost < least[j]) {
          least[j] = cost;
          before[j] = at;
        }
        if (least[j] < delta) [delta, next] = [least[j], j];
      }
      for (let j = 0; j <= columns; j++)
        if (isDone[j]) {
          rowPotential[rowOf[j]] += delta;
          columnPotential[j] -= delta;
        } else least[j] -= delta;
      at = next;
      yield;
    } while (rowOf[at] !== 0);
    for (; at !== 0; at = before[at]) rowOf[at] = rowOf[before[at]];
  }
  const answer = new Int32Array(rows);
  for (let j = 1; j <= columns; j++) if (rowOf[j] > 0) answer[rowOf[j] - 1] = j - 1;
  return answer;
}

/**
 * The same for the heads of two attention layers whose queries share keys in groups: groups answer groups as wholes,
 * and queries those of the group that answers theirs, as no other permutation is one of the network.
 * @param values (heads, heads): how alike two heads are
 * @param groups heads that share a key: `heads / groups` in each, one after the other
 */
export function assignHeads(values: Float64Array, heads: number, groups: number): Int32Array {
  const size = heads / groups;
  const inside = new Map<number, Int32Array>();
  const alike = new Float64Array(groups * groups);
  for (let one = 0; one < groups; one++)
    for (let other = 0; other < groups; other++) {
      const part = new Float64Array(size * size);
      for (let i = 0; i < size; i++)
        for (let j = 0; j < size; j++) part[i * size + j] = values[(one * size + i) * heads + other * size + j];
      const best = assign(part, size, size);
      inside.set(one * groups + other, best);
      alike[one * groups + other] = best.reduce((sum, j, i) => sum + part[i * size + j], 0);
    }
  const answer = new Int32Array(heads);
  assign(alike, groups, groups).forEach((other, one) => {
    inside.get(one * groups + other)!.forEach((j, i) => {
      answer[one * size + i] = other * size + j;
    });
  });
  return answer;
}
