import type { Backend, Control, GramJob, GramTile, PreparedModel } from '../backend/backend.js';
import { throttle } from '../cooperate.js';
import { TensimError } from '../errors.js';
import type { Settings } from './options.js';
import type { Sources } from './sources.js';
import type { Progress } from './types.js';

/** Models along the side of a tile: small enough that an abort settles soon, large enough to occupy every thread. */
const TILE_SIZE = 32;

/** Inner products of n models with each other. */
export interface Gram {
  /** (n, n), row-major. */
  readonly total: Float64Array;
  /** (n, n, slices), row-major, if asked for. */
  readonly perOutput?: Float64Array;
}

/** What the work on a Gram matrix needs to know of the settings. */
export type GramSettings = Pick<Settings, 'dtype' | 'threads' | 'perOutput' | 'signal' | 'onProgress'> & {
  readonly backend: Backend;
  readonly measure: GramJob['measure'];
};

/** Where a tile lies in the Gram matrix. */
export interface Place {
  readonly row: number;
  readonly column: number;
  readonly rows: number;
  readonly columns: number;
}

/**
 * The Gram matrix of models, tile after tile: tiles on the diagonal compute half and mirror it, tiles above it are mirrored
 * below, so that the matrix is symmetric to the bit. Every source is prepared once, and disposed of however this ends.
 *
 * @param labels of the sources, for errors.
 * @throws TensimError `NOT_FINITE` or `ZERO_NORM` naming the models; the signal's reason.
 */
export async function gramMatrix(
  { sources, names }: Sources,
  labels: readonly string[],
  settings: GramSettings,
): Promise<Gram> {
  const { backend, measure, perOutput } = settings;
  const count = sources.length;
  const pairs = (count * (count + 1)) / 2;
  return withPrepared(sources, settings, async (models, progress) => {
    const total = new Float64Array(count * count);
    const slices = new Float64Array(perOutput ? total.length * names.length : 0);
    let done = 0;
    for (const at of upperTiles(count)) {
      const rows = models.slice(at.row, at.row + at.rows);
      const columns = models.slice(at.column, at.column + at.columns);
      const symmetric = at.row === at.column;
      const inTile = symmetric ? (at.rows * (at.rows + 1)) / 2 : at.rows * at.columns;
      const control = tileControl(settings, done, inTile, pairs, progress);
      const tile = await backend.gramTile({ measure, symmetric, perOutput }, rows, columns, control);
      checkTile(tile, at, labels);
      copyTile(tile.total, at, total, count, 1);
      if (tile.perOutput) copyTile(tile.perOutput, at, slices, count, names.length);
      done += inTile;
      progress('compare', done, pairs);
      settings.signal?.throwIfAborted();
    }
    return perOutput ? { total, perOutput: slices } : { total };
  });
}

/**
 * The 2 × 2 Gram matrix of a pair. Both ⟨a,b⟩ and ⟨b,a⟩ are computed, which may round differently, and their mean taken: the
 * result does not depend on the order of the two by a bit.
 */
export async function gramPair(
  { sources, names }: Sources,
  labels: readonly string[],
  settings: GramSettings,
): Promise<Gram> {
  const { backend, measure, perOutput } = settings;
  return withPrepared(sources, settings, async (models, progress) => {
    const control = tileControl(settings, 0, 4, 4, progress);
    const tile = await backend.gramTile({ measure, symmetric: false, perOutput }, models, models, control);
    equaliseSides(tile.total, 1);
    if (tile.perOutput) equaliseSides(tile.perOutput, names.length);
    checkTile(tile, { row: 0, column: 0, rows: 2, columns: 2 }, labels);
    progress('compare', 4, 4);
    return tile;
  });
}

/** Replaces ⟨a,b⟩ and ⟨b,a⟩ of a (2, 2, size) tile by their mean. */
function equaliseSides(tile: Float64Array, size: number): void {
  for (let c = 0; c < size; c++) {
    const mean = tile[size + c] / 2 + tile[2 * size + c] / 2;
    tile[size + c] = mean;
    tile[2 * size + c] = mean;
  }
}

function* upperTiles(count: number): Generator<Place> {
  for (let row = 0; row < count; row += TILE_SIZE) {
    for (let column = row; column < count; column += TILE_SIZE) {
      const rows = Math.min(TILE_SIZE, count - row);
      const columns = Math.min(TILE_SIZE, count - column);
      yield { row, column, rows, columns };
    }
  }
}

type Report = (phase: Progress['phase'], done: number, total: number) => void;

/** Prepares every source (one that stands twice only once), hands them to `work`, and disposes of them however it ends. */
async function withPrepared<Result>(
  sources: Sources['sources'],
  { backend, dtype, threads, signal, onProgress }: GramSettings,
  work: (models: readonly PreparedModel[], progress: Report) => Promise<Result>,
): Promise<Result> {
  const progress = reporter(onProgress);
  const prepared = new Map<Sources['sources'][number], PreparedModel>();
  try {
    const models: PreparedModel[] = [];
    for (const source of sources) {
      const model = prepared.get(source) ?? (await backend.prepare(source, dtype, { signal, threads }));
      prepared.set(source, model);
      models.push(model);
      progress('prepare', models.length, sources.length);
      signal?.throwIfAborted();
    }
    return await work(models, progress);
  } finally {
    for (const model of prepared.values()) model.dispose();
  }
}

/** One limit on the rate for both phases; the end of each gets through. */
function reporter(onProgress: GramSettings['onProgress']): Report {
  if (onProgress === undefined) return () => {};
  let phase: Progress['phase'] = 'prepare';
  const report = throttle((done, total) => onProgress({ phase, done, total }));
  return (nextPhase, done, total) => {
    phase = nextPhase;
    report(done, total);
  };
}

/** Backends count a tile in units of their own; they become pairs here. The end of a tile is reported by its owner. */
function tileControl(
  { signal, threads, onProgress }: GramSettings,
  before: number,
  inTile: number,
  pairs: number,
  progress: Report,
): Control {
  if (onProgress === undefined) return { signal, threads };
  return {
    signal,
    threads,
    onProgress: (done, total) => {
      if (done < total) progress('compare', before + Math.floor((done / total) * inTile), pairs);
    },
  };
}

/** Inner products must be numbers, and a model must have a norm. */
export function checkTile({ total }: GramTile, { row, column, rows, columns }: Place, labels: readonly string[]): void {
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      const value = total[i * columns + j];
      const a = labels[row + i];
      if (!Number.isFinite(value)) {
        throw new TensimError('NOT_FINITE', `the inner product of "${a}" and "${labels[column + j]}" is ${value}`, {
          hint: 'The weights are too large or not finite: use dtype "float64", or scale the models down',
        });
      }
      if (row + i === column + j && value <= 0) {
        throw new TensimError('ZERO_NORM', `"${a}" is zero under this measure, so that its similarity is undefined`, {
          hint: 'Leave it out, or check that its weights were saved',
        });
      }
    }
  }
}

/** Copies a tile of cells of `size` numbers to its place in the (count, count, size) matrix, and mirrors it. */
function copyTile(
  tile: Float64Array,
  { row, column, rows, columns }: Place,
  matrix: Float64Array,
  count: number,
  size: number,
): void {
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      const cell = tile.subarray((i * columns + j) * size, (i * columns + j + 1) * size);
      matrix.set(cell, ((row + i) * count + column + j) * size);
      matrix.set(cell, ((column + j) * count + row + i) * size);
    }
  }
}
