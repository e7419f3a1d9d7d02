/**
 * The speed of an executor, as the cost model sees it. A step is predicted to take
 *
 *     flops / flopsPerSecond + bytes / bytesPerSecond + secondsPerStep
 *
 * so that the cheapest path is the quickest one, not the one with the fewest operations.
 */
export interface Machine {
  /** Rate of large matrix products, all threads together. */
  readonly flopsPerSecond: number;
  /** Rate at which element-wise steps read and write main memory. */
  readonly bytesPerSecond: number;
  /** What a step costs before its first element. */
  readonly secondsPerStep: number;
  /**
   * How many times as quick as that it was measured to be: what is reported is divided by it, and nothing is chosen by
   * it. Default: 1.
   */
  readonly pace?: number;
  /**
   * Bytes an executor allocates beside the buffers of the plan while it runs a product of `m × k` by `k × n`: packing
   * panels, transposed copies. Counted against a memory limit.
   */
  readonly workspaceBytes: (product: ProductSize, strategy: Strategy, itemBytes: number) => number;
}

/** Which execution of the pairwise products is used. `blocked` is the fast one, the others are there to compare. */
export type Strategy = 'blocked' | 'ttgt' | 'loops';

/** Extents of the bundles of a pairwise product. */
export interface ProductSize {
  readonly batch: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/** What a search minimises: a weighted sum, in seconds for the cost `time` and in flops for the cost `flops`. */
export interface CostModel {
  readonly perFlop: number;
  readonly perElement: number;
  readonly perStep: number;
}

/** Breaks ties between paths of equal flops in favour of the one that moves less; too small to change an order. */
const TIE = 2 ** -44;

export function costModel(machine: Machine, cost: 'time' | 'flops', itemBytes: number): CostModel {
  if (cost === 'flops') return { perFlop: 1, perElement: TIE, perStep: 0 };
  return {
    perFlop: 1 / machine.flopsPerSecond,
    perElement: itemBytes / machine.bytesPerSecond,
    perStep: machine.secondsPerStep,
  };
}

/**
 * Operations of a step over `points` index combinations: a multiplication each, and an addition each if labels are
 * summed. This is how numpy and opt_einsum count.
 */
export function stepFlops(points: number, summed: boolean): number {
  return summed ? 2 * points : points;
}
