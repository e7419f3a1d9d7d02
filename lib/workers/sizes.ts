import { TensimError } from '../errors.js';
import { count } from '../words/counts.js';
import { MOST_ON_A_SIDE } from './jobs.js';
import { bytesOfTile, MOST_IN_REDIS } from './records.js';

/** What a tile is expected to take: long beside what it costs to hand it over, short beside a working day. */
const SECONDS = { usual: 20, least: 1 };
/** How many tiles there are for every worker, where that is possible: so none waits long for the last of another. */
const TILES_EACH = 4;
/** A tile in a folder. */
const MOST_IN_FILE = 64 * 2 ** 20;

/** What the size of tiles is chosen by. */
export interface TileSizes {
  readonly pairs: number;
  /** That a pair is expected to take here. */
  readonly secondsOfPair: number;
  readonly slices: number;
  /** Whether large results have a folder. */
  readonly hasFolder: boolean;
  /** That a tile is to take. */
  readonly tileSeconds: number | undefined;
}

/**
 * Models along the side of a tile.
 * @throws TensimError `MEMORY_LIMIT` where a single product takes more than goes through Redis.
 */
export function tilesFor(sizes: TileSizes, workers: number): number {
  const { pairs, secondsOfPair, slices, hasFolder, tileSeconds } = sizes;
  const most = hasFolder ? MOST_IN_FILE : MOST_IN_REDIS;
  if (bytesOfTile(1, slices) > most) {
    throw new TensimError('MEMORY_LIMIT', `a product with its ${count(slices)} slices is too large for the queue`, {
      hint: 'Give a folder that all workers share, here and to them: --results DIR',
    });
  }
  const byBytes = Math.floor(
    Math.sqrt((most - bytesOfTile(0, slices)) / (bytesOfTile(1, slices) - bytesOfTile(0, slices))),
  );
  const share = (secondsOfPair * pairs) / (TILES_EACH * workers);
  const wanted = tileSeconds ?? Math.min(SECONDS.usual, Math.max(SECONDS.least, share));
  const byTime = Math.floor(Math.sqrt(wanted / secondsOfPair));
  return Math.max(1, Math.min(MOST_ON_A_SIDE, byBytes, byTime));
}

/** What such a tile is expected to take, in seconds. */
export const secondsOf = ({ secondsOfPair }: TileSizes, side: number): number =>
  Number((secondsOfPair * side * side).toPrecision(3));
