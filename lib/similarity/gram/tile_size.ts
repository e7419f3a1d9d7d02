/** Work of a tile: some milliseconds to tenths of a second on any machine, so that an interruption loses little. */
const TILE_FLOPS = 8e9;
/** On a fast one: so much that what a job costs beside its work does not show. */
const TILE_SECONDS = 0.05;
const SMALLEST = 16;
const LARGEST = 512;
/** Bytes of the forms of a model from which on fresh memory for them costs more than a tile that takes a while. */
const LARGE_FORMS = 2 ** 20;
/** What the results of a tile may take. */
const TILE_BYTES = 8 * 2 ** 20;

/**
 * Models along the side of a tile: enough pairs to occupy every thread and to use each model often while it is in a
 * cache, few enough that the next look at the clock, the state file and the signal is near.
 * @param flops of a pair; null where they are not known.
 * @param rate of the backend, in flops per second.
 */
export function tileSize(flops: number | null, slices: number, rate = 0): number {
  const work = Math.max(TILE_FLOPS, TILE_SECONDS * rate);
  const byWork = flops === null ? 32 : Math.floor(Math.sqrt(work / flops));
  return Math.max(1, Math.min(largestTile(slices), Math.max(SMALLEST, byWork)));
}

function largestTile(slices: number): number {
  return Math.min(Math.floor(Math.sqrt(TILE_BYTES / 8 / (1 + slices))), LARGEST);
}

/**
 * The side of the one tile of a whole matrix of models whose forms are better made there than kept; 0 where they are
 * not, or too many.
 * @param memory what all models take, if their forms are kept.
 */
export function oneTile(models: number, memory: number, slices: number): number {
  return memory / models >= LARGE_FORMS && models <= largestTile(slices) ? models : 0;
}
