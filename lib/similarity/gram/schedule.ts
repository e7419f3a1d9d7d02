import type { PairSet } from './pairs.js';

/**
 * What a backend computes in one call: all products of rows with columns, or, where these are the same, those of i ≤ j.
 */
export interface Job {
  /** Models by number. */
  readonly rows: readonly number[];
  readonly columns: readonly number[];
  readonly symmetric: boolean;
}

export interface Extents {
  /** Models along the side of a tile. */
  readonly tile: number;
  /** Models that stay prepared while all others pass by; a multiple of `tile`. */
  readonly block: number;
}

/**
 * Cuts the wanted pairs into jobs, in an order that needs few models at a time. A block of rows stays while the tiles
 * of columns pass by, back and forth, so that those at the turn are used twice:
 *
 *     ┌──────────────→      block 0
 *     │   ┌──────────┐      block 1, from right to left
 *     │   │   ┌──→          …
 *
 * With room for a block of b models and the passing tile, N models are loaded about N²/2b times in all, and once if b ≥
 * N.
 *
 * @param known pairs that need not be computed again; asked when a tile is reached.
 */
export function* jobs(
  pairs: PairSet,
  { tile, block }: Extents,
  known?: (i: number, j: number) => boolean,
): Generator<Job> {
  const { count } = pairs;
  for (let start = 0, turn = 0; start < count; start += block, turn++) {
    const end = Math.min(count, start + block);
    const tiles = Math.ceil((lastWanted(pairs, start, end) - start) / tile);
    for (let passed = 0; passed < tiles; passed++) {
      const column = start + tile * (turn % 2 === 0 ? passed : tiles - 1 - passed);
      for (let row = start; row < end && row <= column; row += tile) {
        const place = { row, rowEnd: Math.min(row + tile, end), column, columnEnd: Math.min(column + tile, count) };
        if (known === undefined && wholeWanted(pairs, place)) yield wholeTile(place);
        else yield* tileJobs(missing(pairs, known, place));
      }
    }
  }
}

/** One more than the last model wanted with one of the rows. */
function lastWanted({ spans }: PairSet, start: number, end: number): number {
  let last = end;
  for (let i = start; i < end; i++) last = Math.max(last, spans(i).at(-1)?.[1] ?? 0);
  return last;
}

/** Where a tile lies: rows and columns from the first to the one before the end. */
interface Place {
  readonly row: number;
  readonly rowEnd: number;
  readonly column: number;
  readonly columnEnd: number;
}

/** Whether every pair of a tile is wanted, as it is in most. */
function wholeWanted({ spans }: PairSet, { row, rowEnd, column, columnEnd }: Place): boolean {
  for (let i = row; i < rowEnd; i++) {
    const first = Math.max(i, column);
    if (!spans(i).some(([from, to]) => from <= first && columnEnd <= to)) return false;
  }
  return true;
}

function wholeTile({ row, rowEnd, column, columnEnd }: Place): Job {
  const rows = range(row, rowEnd);
  return row === column
    ? { rows, columns: rows, symmetric: true }
    : { rows, columns: range(column, columnEnd), symmetric: false };
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

/** The rows of a tile that lack anything, each with the columns it lacks. */
export type Lacking = Map<number, number[]>;

function missing(
  { spans }: PairSet,
  known: ((i: number, j: number) => boolean) | undefined,
  { row, rowEnd, column, columnEnd }: Place,
): Lacking {
  const lacking: Lacking = new Map();
  for (let i = row; i < rowEnd; i++) {
    const columns: number[] = [];
    for (const [from, to] of spans(i)) {
      for (let j = Math.max(from, column); j < Math.min(to, columnEnd); j++) if (!known?.(i, j)) columns.push(j);
    }
    if (columns.length > 0) lacking.set(i, columns);
  }
  return lacking;
}

/**
 * The jobs that compute exactly what is missing in a tile: models that lack every product with each other as one
 * symmetric job, what remains by rows that lack the same columns. A whole tile is one job.
 */
export function* tileJobs(lacking: Lacking): Generator<Job> {
  const fresh = [...lacking].filter(([i, columns]) => columns[0] === i).map(([i]) => i);
  const together = fresh.every((i, place) => {
    const columns = new Set(lacking.get(i));
    return fresh.slice(place).every((j) => columns.has(j));
  });
  if (fresh.length > 0 && together) {
    yield { rows: fresh, columns: fresh, symmetric: true };
    const done = new Set(fresh);
    for (const i of fresh) {
      const rest = lacking.get(i)?.filter((j) => !done.has(j)) ?? [];
      if (rest.length > 0) lacking.set(i, rest);
      else lacking.delete(i);
    }
  }
  const groups = new Map<string, Job & { readonly rows: number[] }>();
  for (const [i, columns] of lacking) {
    const key = columns.join();
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { rows: [i], columns, symmetric: false });
    else group.rows.push(i);
  }
  for (const job of groups.values()) yield { ...job, symmetric: isOne(job) };
}

/** Whether a job is of one model with itself. */
function isOne({ rows, columns }: Job): boolean {
  return rows.length === 1 && columns.length === 1 && rows[0] === columns[0];
}

/** How many inner products a job computes. */
export function jobPairs({ rows, columns, symmetric }: Job): number {
  return symmetric ? (rows.length * (rows.length + 1)) / 2 : rows.length * columns.length;
}
