import { prepareUnits, type UnitsStep, unitsTerms, waitingUnitsTerms } from '../gaussian/units_step.js';
import type { ClosureKind } from './kind.js';

/** Hidden layers, gated blocks and bare activations in the closure: they meet as one kind. */
export const unitsClosure: ClosureKind = {
  prepare: prepareUnits,
  outputs: ({ form }: UnitsStep) => form.down.rows,
  terms: unitsTerms,
  waiting: waitingUnitsTerms,
};
