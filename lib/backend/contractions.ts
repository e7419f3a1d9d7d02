import type { Machine } from '../contraction/cost.js';
import type { ContractionPlan } from '../contraction/plan.js';
import type { DType, ScaledTensor, Tensor } from '../tensor/tensor.js';
import type { Ability } from './ability.js';
import type { Control } from './control.js';

/** Executing contraction plans. */
export interface Contractions extends Ability {
  readonly dtypes: ReadonlySet<DType>;
  /** Its speed at contractions with `threads` as in `Control`: what the cost model chooses paths by. */
  machine(dtype: DType, threads?: number): Machine;
  /**
   * Executes a plan. Operands have the plan's dtype and fit its layouts. The result is contiguous; it has an exponent
   * if the plan strips it.
   */
  run(plan: ContractionPlan, operands: readonly Tensor[], control?: Control): Promise<Tensor | ScaledTensor>;
}
