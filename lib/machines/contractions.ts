import { DTYPES } from '../backend/ability.js';
import type { Contractions } from '../backend/contractions.js';
import type { Control } from '../backend/control.js';
import type { ContractionPlan } from '../contraction/plan.js';
import type { TensorData } from '../tensor/tensor.js';
import type { Addon } from './addon.js';
import { ownedData } from './owned.js';

/** Executes a plan as the addon holds it. */
type Execute = (
  plan: object,
  operands: readonly TensorData[],
  control: Control,
) => Promise<{ data: TensorData; exponent: number }>;

/** The ability of a backend that runs plans through the addon, wherever that is. */
export function contractionsBy(addon: Addon, machine: Contractions['machine'], execute: Execute): Contractions {
  /** Plans as the addon holds them: read and checked at their first run only. */
  const plans = new WeakMap<ContractionPlan, object>();
  function nativePlan(plan: ContractionPlan): object {
    let known = plans.get(plan);
    if (known === undefined) {
      known = new addon.Plan(plan);
      plans.set(plan, known);
    }
    return known;
  }

  return {
    dtypes: DTYPES,
    machine,
    async run(plan, operands, control = {}) {
      const owned = operands.map((operand) => ownedData(operand.data));
      const { data, exponent } = await execute(nativePlan(plan), owned, control);
      const shape = Object.freeze([...plan.output.shape]);
      return plan.stripExponent ? { data, shape, exponent } : { data, shape };
    },
  };
}
