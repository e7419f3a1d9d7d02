import type { CostModel } from '../cost.js';
import type { Network } from '../network.js';
import type { Tree } from '../tree.js';

/** What a path search is asked. */
export interface Problem {
  readonly network: Network;
  readonly model: CostModel;
  /**
   * Leaves whose values never change between runs; joins of such leaves alone are done once, so they count for little.
   */
  readonly constant?: readonly boolean[] | undefined;
}

/** A search that pauses now and then (at least every few milliseconds), so that its caller may let others run. */
export type Search = Generator<void, Tree>;
