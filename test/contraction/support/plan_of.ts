import { bindEquation } from '../../../lib/contraction/equation.js';
import { layoutOf } from '../../../lib/contraction/layout.js';
import { simplifyOperands } from '../../../lib/contraction/network.js';
import { type EquationInput, parseEquation } from '../../../lib/contraction/parse.js';
import type { ContractionPlan } from '../../../lib/contraction/plan.js';
import { planFor, prepareTree, searchTree } from '../../../lib/contraction/running/engine.js';
import type { PlanOptions } from '../../../lib/contraction/running/options.js';
import { finish } from '../../../lib/cooperate.js';
import { MACHINE } from '../../../lib/fallback/contraction/machine.js';
import type { Tensor } from '../../../lib/tensor/tensor.js';

/**
 * The plan of a contraction in float64, on a machine whose steps need no workspace, so that small limits slice small
 * tensors.
 */
export function planOf(input: EquationInput, operands: readonly Tensor[], options: PlanOptions = {}): ContractionPlan {
  const equation = bindEquation(
    parseEquation(input),
    operands.map(({ shape }) => shape),
  );
  const machine = { ...MACHINE, workspaceBytes: () => 0 };
  const tree = finish(searchTree(equation, simplifyOperands(equation), machine, 'float64', options));
  return finish(planFor(finish(prepareTree(equation, tree, machine, 'float64', options)), operands.map(layoutOf)));
}
