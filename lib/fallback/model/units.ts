import type { Pacer } from '../../cooperate.js';
import { applyActivation } from '../../gaussian/activations/evaluate.js';
import { activationOf } from '../../layers/activations.js';
import type { GatedLayer, HiddenLayer } from '../../model/model.js';
import { vectorOf } from '../../tensor/matrix.js';
import { addBias, addResidual, project, type Rows } from './rows.js';

/** φ of the units, in place. */
export function activate(layer: HiddenLayer | GatedLayer, units: Rows): void {
  applyActivation(activationOf(layer), layer.slopes?.data ?? null, units);
}

/** α x + β (D units + c) + S x; it may write over the units. */
export async function behindUnits(layer: HiddenLayer | GatedLayer, units: Rows, x: Rows, pacer: Pacer): Promise<Rows> {
  const { down, downBias, skip } = layer;
  const block = down === undefined ? units : await project(units, down, downBias, pacer);
  if (down === undefined && downBias !== undefined) addBias(block, vectorOf(downBias, block.width));
  const result = addResidual(block, x, layer);
  if (skip === undefined) return result;
  const { data } = await project(x, skip, undefined, pacer);
  for (let i = 0; i < data.length; i++) result.data[i] += data[i];
  return result;
}
