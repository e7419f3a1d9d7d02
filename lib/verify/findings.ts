import type { Compared } from './tally.js';
import type { FaultCause, LayoutChange, TensorCheck } from './terms.js';

/** What became of a slot. */
export interface Finding {
  readonly compared: Compared;
  state: TensorCheck['state'];
  /** Ends a sentence that begins "rounded". */
  rounded?: string;
  quantised?: TensorCheck['quantised'];
  /** What is wrong with it, where something is. */
  fault?: FoundFault;
}

export interface FoundFault {
  readonly cause: FaultCause;
  /** Ends a sentence that begins with the tensor's name. */
  readonly text: string;
}

/** Of units that have moved alone. */
export const UNITS_MOVED: FoundFault = {
  cause: 'units-moved',
  text: 'has its hidden units in another order, and what belongs to them has not',
};

/** What is found of a layer, or of what stands outside of layers. */
export interface Findings {
  readonly layer: number | null;
  readonly all: readonly Finding[];
  readonly changes: readonly Pick<LayoutChange, 'kind' | 'text'>[];
}

/** Those that nothing explains so far. */
export const isOpen = ({ state, fault }: Finding): boolean => state === 'different' && fault === undefined;

/** Those that are not the same, whatever is known of them. */
export const isUnexplained = ({ state }: Finding): boolean => state === 'different';
