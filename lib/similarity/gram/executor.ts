import type { Control } from '../../backend/control.js';
import type { GramTile } from '../../backend/grams.js';
import type { ScaledTile } from '../scale/model_scale.js';
import type { Extents, Job } from './schedule.js';

/**
 * The seam between what is to be computed and where. Whoever runs a matrix decides which job is next, hands it to an
 * executor, and puts the tile in its place; how a job becomes a tile, and where its models are prepared, is the
 * executor's own matter. Models are numbered as in the jobs.
 */
export interface TileExecutor {
  /** How many jobs it wants at a time. Asked anew before every job: opening it may change it. */
  readonly atOnce: number;
  /** How often a model was prepared so far. */
  readonly prepared: number;
  /** How many devices have computed, where several share the jobs. */
  readonly devices?: number | undefined;
  /**
   * Called once, before the first job, with all models that the jobs need.
   * @param wanted how large jobs are to be, if there is room, and whether there would be one job then.
   * @returns how jobs are to be cut.
   * @throws TensimError (rejects) as preparing a model; `MEMORY_LIMIT` where two do not fit.
   */
  open(models: readonly number[], wanted: Wanted, onPrepared: (done: number) => void): Promise<Extents>;
  /**
   * The inner products of a job: finite, every model's own a norm that is more than rounding, and slices that are only
   * rounding set to zero. The same job gives the same bits whenever and wherever it is run.
   * @throws TensimError (rejects) `NOT_FINITE`, `ZERO_NORM` or `PRECISION` naming the models; as preparing a model; the
   * signal's reason.
   */
  run(job: Job, control: JobControl): Promise<GramTile | ScaledTile>;
  /** Waits for what is still at work, and gives everything back. */
  close(): Promise<void>;
}

/** What an executor is asked for. */
export interface Wanted extends Extents {
  /** Whether every model is in one job alone if tiles are as large as this. Default false. */
  readonly once?: boolean;
  /** How many such tiles there are to be, roughly; default: one. */
  readonly tiles?: number;
}

/** How a job is steered and watched. Progress counts in a unit of the executor's own. */
export interface JobControl extends Pick<Control, 'signal' | 'onProgress'> {
  /** The jobs that come after it, as far as they are known, in order: their models can be prepared meanwhile. */
  readonly coming?: readonly Job[] | undefined;
}
