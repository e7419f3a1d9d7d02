import type { Order } from '../model/reading/order.js';
import type { Outline } from '../model/reading/outline.js';
import type { TileExecutor } from './gram/executor.js';
import type { Member } from './members/members.js';
import type { Visits } from './members/visits.js';
import type { Comparison, OfSamples } from './plan/comparison.js';
import type { SampleExecutor } from './sampled/batch.js';
import type { LiveMatrix, ResultInfo } from './terms/types.js';

/** Who computes jobs, where that is not this process itself. */
export interface Executors {
  /** @param members by the numbers of the jobs. */
  readonly tiles?: (
    members: readonly Member[],
    comparison: Exclude<Comparison, OfSamples>,
    work: TileWork,
  ) => TileExecutor;
  /** @param members all that are compared, in the order in which they are evaluated. */
  readonly samples?: (members: readonly Member[], comparison: OfSamples) => SampleExecutor;
}

/** How much all tiles are together. */
export interface TileWork {
  readonly pairs: number;
  /** Of a pair by the route that is taken; null where there are no routes. */
  readonly flops: number | null;
}

/** What comparisons that follow each other in one process have in common, where most of their models are the same. */
export interface Following {
  /** What was found in the files of models. */
  readonly visits: Visits;
  /**
   * A state file of this process's own, for when the options name none: it keeps inner products, and decides nothing
   * about backend and route, so that results are those of a comparison by itself.
   */
  readonly scratch: string;
  /** Bytes that models may take at a time, if the options do not say less; no route follows from it. */
  readonly room: number;
}

/** What is known of a matrix when its computation begins. */
export interface Begun {
  readonly info: ResultInfo;
  /** Of all rows and of all columns of the result; the same array where models are compared with each other. */
  readonly rows: readonly Outline[];
  readonly columns: readonly Outline[];
  readonly order: Order | undefined;
  readonly window: number | null;
  /** Of the outputs (or tensors) that are compared beside the whole, which are the first slices of the matrix. */
  readonly names: readonly string[];
  /** Filled while it is read. */
  readonly matrix: LiveMatrix;
}

/** What one who shows a matrix knows of its models, and wants to know of it. */
export interface Watched {
  /** What the order of the models rests on, which are given one by one. */
  readonly order?: Order | undefined;
  /** Called once, before the first pair is computed. */
  readonly onBegin?: ((begun: Begun) => void) | undefined;
}

/** How a matrix is computed, beside what is computed. */
export interface Circumstances extends Executors, Watched {
  readonly following?: Following | undefined;
}
