import { oriented } from '../similarity/gram/orientation.js';
import type { Extents, Job } from '../similarity/gram/schedule.js';
import { type Lacking, tileJobs } from '../similarity/gram/schedule.js';

/** Groups of which every one is compared with every one of the others; or with each other. */
export interface Region {
  readonly rows: readonly number[];
  /** The same as the rows where groups are compared with each other. */
  readonly columns: readonly number[];
}

/**
 * The tiles of a shard as few large regions: groups whose tiles with each other are all there, and of what is left, rows
 * with the same columns.
 */
export function regionsOf(tiles: readonly (readonly [row: number, column: number])[]): Region[] {
  const left = new Map<number, Set<number>>();
  for (const [row, column] of tiles) left.set(row, (left.get(row) ?? new Set()).add(column));
  const has = (row: number, column: number) => left.get(row)?.has(column) === true;
  const regions: Region[] = [];
  const diagonal = [...left.keys()].filter((group) => has(group, group)).sort((a, b) => a - b);
  for (let at = 0; at < diagonal.length; ) {
    const clique = [diagonal[at++]];
    while (at < diagonal.length && clique.every((group) => has(group, diagonal[at]))) clique.push(diagonal[at++]);
    for (const [place, row] of clique.entries())
      for (const column of clique.slice(place)) left.get(row)!.delete(column);
    regions.push({ rows: clique, columns: clique });
  }
  const alike = new Map<string, { rows: number[]; columns: number[] }>();
  for (const [row, columns] of left) {
    if (columns.size === 0) continue;
    const key = [...columns].sort((a, b) => a - b).join();
    const region = alike.get(key);
    if (region === undefined) alike.set(key, { rows: [row], columns: key.split(',').map(Number) });
    else region.rows.push(row);
  }
  for (const region of alike.values()) regions.push(region);
  return regions;
}

/** Models that are all compared with all of others, or with each other: by number, in the order of their ranks. */
export interface Sides {
  readonly rows: readonly number[];
  readonly columns: readonly number[];
  readonly symmetric: boolean;
}

/**
 * Cuts regions into jobs: a block of rows stays while tiles of columns pass by, back and forth. Both sides are in the
 * order of ranks, so that nearly every tile is one job, all of whose rows stand before its columns or behind them.
 * @param isWanted whether the product of two models is still to be computed.
 */
export function* regionJobs(
  regions: readonly Sides[],
  { tile, block }: Extents,
  rank: Int32Array,
  isWanted: (i: number, j: number) => boolean,
): Generator<Job> {
  for (const { rows, columns, symmetric } of regions) {
    for (let start = 0, turn = 0; start < rows.length; start += block, turn++) {
      const from = symmetric ? start : 0;
      const end = Math.min(rows.length, start + block);
      const tiles = Math.ceil((columns.length - from) / tile);
      for (let passed = 0; passed < tiles; passed++) {
        const column = from + tile * (turn % 2 === 0 ? passed : tiles - 1 - passed);
        for (let row = start; row < end && !(symmetric && row > column); row += tile) {
          const isDiagonal = symmetric && row === column;
          const ofRows = rows.slice(row, Math.min(end, row + tile));
          const ofColumns = columns.slice(column, column + tile);
          for (const job of tileJobs(lacking(ofRows, ofColumns, isDiagonal, isWanted))) yield* oriented(job, rank);
        }
      }
    }
  }
}

function lacking(
  rows: readonly number[],
  columns: readonly number[],
  isDiagonal: boolean,
  isWanted: (i: number, j: number) => boolean,
): Lacking {
  const found: Lacking = new Map();
  for (const [place, i] of rows.entries()) {
    const wanted = (isDiagonal ? columns.slice(place) : columns).filter((j) => isWanted(i, j));
    if (wanted.length > 0) found.set(i, wanted);
  }
  return found;
}
