import type { Ranked } from '../similarity/gram/distinct.js';
import type { Cut, Grid } from './grid.js';
import { type Region, regionsOf, type Sides } from './regions.js';

/** The tiles of a shard, which are counted from 0. */
function tilesOf({ grid: { tiles }, starts }: Cut, shard: number): [row: number, column: number][] {
  const own: [number, number][] = [];
  for (let tile = starts[shard]; tile < starts[shard + 1]; tile++) own.push([tiles[2 * tile], tiles[2 * tile + 1]]);
  return own;
}

/** The places of all models of a shard, in order. */
export function placesIn(cut: Cut, shard: number): number[] {
  const groups = new Set(tilesOf(cut, shard).flat());
  return [...groups].sort((a, b) => a - b).flatMap((group) => placesOf(cut.grid, [group]));
}

/**
 * What a shard compares, by the numbers of its models. Every model is also compared with itself, by one shard: in a square
 * those on its diagonal are, of rows and columns whoever has the first tile of a row, or of a column.
 * @param places of the models that were numbered.
 */
export function sidesOf(cut: Cut, shard: number, places: readonly number[], found: Ranked): Sides[] {
  const { grid } = cut;
  const at = new Map(places.map((place, i) => [place, found.numbers[i]]));
  const numbersOf = (groups: readonly number[]): number[] => {
    const numbers = new Set(placesOf(grid, groups).map((place) => at.get(place)!));
    return [...numbers].sort((a, b) => found.rank[a] - found.rank[b]);
  };
  const tiles = tilesOf(cut, shard);
  const sides = regionsOf(tiles).map(({ rows, columns }: Region): Sides => {
    const symmetric = rows === columns;
    const numbers = numbersOf(rows);
    return { rows: numbers, columns: symmetric ? numbers : numbersOf(columns), symmetric };
  });
  if (grid.extent.columns === 0) return sides;
  const firsts = tiles.flatMap(([row, column]) => [
    ...(column === grid.rowGroups ? [row] : []),
    ...(row === 0 ? [column] : []),
  ]);
  const own = numbersOf(firsts).map((number) => ({ rows: [number], columns: [number], symmetric: true }));
  return [...own, ...sides];
}

function placesOf({ bounds }: Grid, groups: readonly number[]): number[] {
  const places: number[] = [];
  for (const group of groups) for (let place = bounds[group]; place < bounds[group + 1]; place++) places.push(place);
  return places;
}

/** Which pairs of a shard's models are wanted, by number: in a band those that stand near each other somewhere. */
export function wantedBy({ grid }: Cut, places: readonly number[], found: Ranked): (i: number, j: number) => boolean {
  const { window } = grid.extent;
  if (window === null) return () => true;
  const standing: number[][] = found.members.map(() => []);
  for (const [at, place] of places.entries()) standing[found.numbers[at]].push(place);
  return (i, j) => i === j || standing[i].some((a) => standing[j].some((b) => Math.abs(a - b) <= window));
}
